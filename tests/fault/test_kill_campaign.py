"""CI's share of the kill campaigns: the same functions as `python -m tests.reliability`, with a few kills each."""

from collections.abc import Callable, Coroutine
from pathlib import Path

import pytest

from tests.reliability import kills, kills_shim
from tests.reliability.part import Options, PartResult

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

KILLS = 5
SIZE = kills.Size(lines=60_000)
RULES = {"C1", "C2", "C3", "C4", "C5", "C6", "C8", "C11"}
Campaign = Callable[[PartResult, Options], Coroutine[None, None, None]]


@pytest.fixture
def options(tmp_path: Path) -> Options:
    return Options(folder=tmp_path, tries=KILLS)


def judged(result: PartResult) -> None:
    """As many kills as asked for, every rule looked, nothing was broken, and each wait was measured.

    A machine that does much else is slower than the promise; each wait is bounded by a minute here, by its limit there.
    """
    assert [] == result.failures
    assert [] == [times.what for times in result.times if not times.samples]
    assert result.tried["small tasks"] + result.tried["kills of a shim"] > 0
    assert set(result.judged) >= RULES


async def test_the_hub_is_killed_again_and_again_in_a_long_log(options: Options) -> None:
    """R1, C1-C6, C8, C11: no byte lost or doubled, `logs -f` goes on, true exit codes, work goes on."""
    result = PartResult(name="kills-hub", promise="")
    await kills.campaign(result, "hub", options, SIZE)

    assert result.tried["kills of the hub"] >= KILLS
    judged(result)


async def test_the_daemon_is_killed_again_and_again_in_a_long_log(options: Options) -> None:
    """R21, R25, C1-C6, C8, C11: adopted each time, never started twice, no byte lost or doubled, true exit codes."""
    result = PartResult(name="kills-daemon", promise="")
    await kills.campaign(result, "daemon", options, SIZE)

    assert result.tried["kills of the daemon"] >= KILLS
    judged(result)


async def test_shims_are_killed_while_their_bots_print(options: Options) -> None:
    """R22, C4, C5, C11: `supervisor_lost`, tail unknown, a true prefix, never called complete, no orphan after 10 s."""
    result = PartResult(name="kills-shim", promise="")
    await kills_shim.campaign(result, options)

    assert result.tried["kills of a shim"] == KILLS
    judged(result)
