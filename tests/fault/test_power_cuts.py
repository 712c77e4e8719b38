"""CI's share of the power cuts: the same functions as `python -m tests.reliability`, with a few cuts."""

import contextlib
from collections.abc import Callable
from pathlib import Path

import pytest

from hub.storage.ending_disk import EndingDisk
from tests.reliability.part import Options, PartResult
from tests.reliability.power import lean_cuts
from tests.reliability.power_world import cuts_of_the_whole
from tests.support.power_disk import power_disk, why_not

CUTS = 5
WHOLE_CUTS = 2


@pytest.fixture
def options(tmp_path: Path) -> Options:
    reason = why_not()
    if reason is not None:
        pytest.skip(reason)
    return Options(folder=tmp_path)


async def test_a_power_cut_takes_nothing_that_was_promised(options: Options) -> None:
    """T6, R16: rows, facts, outputs, verdicts, exits and blobs are there, each file whole, nothing twice."""
    result = PartResult(name="power", promise="")
    await lean_cuts(result, options, CUTS)

    assert [] == result.failures
    assert CUTS == result.tried["power cuts under a writer"]
    assert result.judged["promised row"] > 0


async def test_a_power_cut_under_a_whole_system_loses_no_task(options: Options) -> None:
    """T6, R16, C1-C6, C11: acknowledged tasks end, truly; no bot starts twice; work goes on after each cut."""
    result = PartResult(name="power", promise="")
    await cuts_of_the_whole(result, options, WHOLE_CUTS)

    assert [] == result.failures
    assert WHOLE_CUTS == result.tried["power cuts under the whole system"]
    assert set(result.judged) >= {"C1", "C2", "C4", "C5", "C6"}


def test_a_disk_that_fails_a_sync_ends_the_hub_and_not_only_the_request(options: Options) -> None:
    """R15, G9: asked again the kernel would say yes, of bytes that it has given up; a full disk is no such error."""
    fatal = list[BaseException]()
    with power_disk(16) as power:
        disk = EndingDisk(fatal.append)
        path = power.folder / "file"
        with contextlib.closing(disk.open_append(path)) as file:
            file.write(b"some bytes")
            file.sync()
            assert [] == fatal
            power.cut()
            _fails(file.sync)
        _fails(lambda: disk.sync_folder(power.folder))
        _fails(lambda: disk.rewrite(path, b"other"))
    assert 3 == len(fatal)


def _fails(act: Callable[[], object]) -> None:
    with pytest.raises(OSError, match="Input/output error"):
        act()
