"""A disk that fails or is short under a running shim costs output its bytes, and never the bot (core.md §3, G9, P4)."""

import sys
from pathlib import Path

import pytest

from agent.ports.room import free_bytes
from agent.wire.words import AnnotationLevel, GapReason
from tests.support.shims import ShimHome, is_whole, output_of
from tests.support.strace import Aim, Blow, Tracer, why_not
from tests.support.waiting import eventually

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the shim of Linux")

# Speaks when it is told, and ends in its own way.
TALKER = """
import os, time
print("up", flush=True)
while not os.path.exists("go"): time.sleep(0.01)
print("more", flush=True)
while not os.path.exists("end"): time.sleep(0.01)
print("done", flush=True)
os._exit(6)
"""


@pytest.mark.skipif(why_not() is not None, reason="strace may not trace here")
async def test_a_sync_that_fails_does_not_end_the_bot(home: ShimHome, tmp_path: Path) -> None:
    """G9, core.md §3: EIO on the sync of the output: the bot goes on, its end is as it was, the doubt is recorded."""
    bot = await home.start(TALKER)
    work = bot.folder / "work"
    await bot.prints(b"up\n")
    aim = Aim(call="fdatasync", nth=1)
    async with Tracer.of((bot.shim.pid,), aim, Blow.EIO, tmp_path / "trace") as tracer:
        (work / "go").touch()
        await bot.prints(b"more\n")
        await eventually(lambda: tracer.struck() is not None, saying="a sync failed")
    (work / "end").touch()
    record = await bot.ends()
    assert (record.code, record.signal) == (6, None)
    assert is_whole(record, output_of(bot.folder))
    assert output_of(bot.folder) == b"up\nmore\ndone\n"
    assert record.annotation_counts[AnnotationLevel.WARNING] == 1
    assert "it may be damaged" in record.annotations[0].text


async def test_output_leaves_free_what_is_to_stay_free(home: ShimHome) -> None:
    """P4: "keep 1 GiB of disk free": where less is free, output is dropped and counted, the bot goes on (R27)."""
    beyond = free_bytes(home.root) + 2**40
    record, output = await home.run("import os\nos.write(1, b'x' * 1000)\nos._exit(4)", keep_free_bytes=beyond)
    assert (record.code, output) == (4, b"")
    assert [(gap.offset, gap.missing_bytes, gap.reason) for gap in record.gaps] == [(0, 1000, GapReason.DISK)]
