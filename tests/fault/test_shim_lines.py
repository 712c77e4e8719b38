"""Lines that command, from a real bot through a real shim (bot-packages.md §7, layer 2; core.md §3)."""

import sys

import pytest

from agent.segments import Stream
from agent.shim.client import DoorbellKind, ShimClient
from agent.shim.lines import PROGRESS_EVERY_NS, Progress
from agent.wire.words import AnnotationLevel
from tests.support.shims import CLOCK, ShimHome, is_whole, output_of
from tests.support.waiting import eventually

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the shim of Linux")


async def test_a_mask_of_a_line_acts_before_the_next_byte_is_written(home: ShimHome) -> None:
    """`::add-mask::VALUE` hides its own value, what follows on both streams, and is told to the daemon (§7)."""
    # given a bot that names a secret on one stream, in two writes, and uses it at once on both
    code = """
import sys, os
os.write(1, b"in clear: hunter2-x\\n::add-mask::hun")
os.write(1, b"ter2-x\\r\\nnow hunter2-x\\n")
os.write(2, b"aHVudGVyMi14\\n")
"""
    bot = await home.start(code)
    record = await bot.ends()
    # then only what was written before is in clear
    assert output_of(bot.folder, Stream.STDOUT) == b"in clear: hunter2-x\n::add-mask::***\r\nnow ***\n"
    assert output_of(bot.folder, Stream.STDERR) == b"***\n"
    assert is_whole(record, output_of(bot.folder))
    assert [bell.masks for bell in bot.bells if bell.kind is DoorbellKind.MASKS] == [(b"hunter2-x",)]


async def test_remarks_stand_in_the_exit_file_and_change_no_status(home: ShimHome) -> None:
    """The first 50 annotations and their counts; exit code 0 stays exit code 0 (§7)."""
    code = """
import sys
print("::error title=Log-in::user my-secret is locked")
print("::group::Invoices")
for number in range(60):
    print(f"::warning::{number}", file=sys.stderr)
print("::unknown::text")
print("::stop-commands::over\\n::error::no\\n::over::\\n::notice::yes", end="")
"""
    record, output = await home.run(code, masks=(b"my-secret",))
    assert record.code == 0
    assert record.annotation_counts[AnnotationLevel.ERROR] == 1
    assert record.annotation_counts[AnnotationLevel.WARNING] == 60
    assert record.annotation_counts[AnnotationLevel.NOTICE] == 1
    assert len(record.annotations) == 50
    error = next(one for one in record.annotations if one.level is AnnotationLevel.ERROR)
    assert (error.title, error.text) == ("Log-in", "user *** is locked")
    assert b"::unknown::text\n" in output
    assert record.last_errors == ""


async def test_lines_are_text_where_they_are_switched_off(home: ShimHome) -> None:
    """They can be switched off (§7)."""
    record, output = await home.run("print('::error::x\\n::add-mask::value-1\\nvalue-1')", lines=False)
    assert output == b"::error::x\n::add-mask::value-1\nvalue-1\n"
    assert record.annotations == ()


async def test_the_end_of_stderr_says_why_a_bot_failed(home: ShimHome) -> None:
    """The last whole lines of stderr, without secrets and colours, stand in the exit file of a failed bot."""
    code = """
import sys
print("x" * 3000 + "\\n\\x1b[31mred my-secret\\x1b[0m", file=sys.stderr)
sys.exit("no way")
"""
    record, _ = await home.run(code, masks=(b"my-secret",))
    assert (record.code, record.last_errors) == (1, "red ***\nno way")


async def test_progress_is_told_and_known_to_the_next_daemon(home: ShimHome) -> None:
    """`::progress percent=40::text` rings; who comes later finds the newest in the state (§7)."""
    code = """
import time
print("::progress percent=40::half of my-secret")
time.sleep(600)
"""
    bot = await home.start(code, masks=(b"my-secret",))
    await bot.prints(b"half")
    half = Progress(percent=40.0, text="half of ***")
    async for bell in bot.link.doorbells():
        if bell.kind is DoorbellKind.PROGRESS:
            assert bell.progress == half
            break
    # when another daemon comes
    other = await ShimClient.connect(bot.folder, bot.order.nonce)
    assert other.state.progress == half
    other.close()
    await bot.link.kill()
    await bot.ends()


async def test_a_flood_of_progress_is_told_a_few_times_a_second(home: ShimHome) -> None:
    """A hundred thousand lines are a handful of rings, the last of them the newest."""
    code = "for n in range(100_001): print(f'::progress percent={n / 1000}::step {n}')\nimport time; time.sleep(600)"
    began_ns = CLOCK.boot_ns()
    bot = await home.start(code)
    await bot.prints(b"step 100000\n", within=60)

    async def is_told() -> bool:
        progress = (await bot.link.read_state()).progress
        return progress == Progress(percent=100.0, text="step 100000")

    await eventually(is_told, within=30)
    took_ns = CLOCK.boot_ns() - began_ns
    await bot.link.kill()
    await bot.ends()
    rings = [bell.progress for bell in bot.bells if bell.kind is DoorbellKind.PROGRESS]
    # As many as its pace allows for the time that it took, which is the machine's.
    assert 1 <= len(rings) <= took_ns / PROGRESS_EVERY_NS + 2
    assert rings[-1] == Progress(percent=100.0, text="step 100000")
