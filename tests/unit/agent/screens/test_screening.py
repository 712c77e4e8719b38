"""An execution's end and its stops, as its pictures have part in them: neither may depend on what a bot left."""

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from agent.daemon.screening import are_due, before_stop
from agent.execution import Phase
from agent.ports import SystemDisk
from agent.screens.pictures import KEPT, Pictures
from agent.wire.messages import StopOrder
from agent.wire.words import StopCause
from tests.support.clock import ShiftedClock
from tests.support.pictures import PaintedDesktop

if TYPE_CHECKING:
    from agent.daemon.keeper import Keeper


class ClosedDisk(SystemDisk):
    """Where a bot took every right from its folder (which a test that runs as root can't do)."""

    def names(self, path: Path) -> list[str]:
        """Not to be had."""
        raise PermissionError(13, "Permission denied", str(path))


def keeper(folder: Path, kept: Pictures | None = None) -> "Keeper":
    """What these steps see of one whose bot runs."""
    found = SimpleNamespace(
        execution_id="exe_1",
        folder=folder,
        house=SimpleNamespace(disk=ClosedDisk()),
        order=SimpleNamespace(work=None),
        value=SimpleNamespace(report=None, stop=None, phase=Phase.STARTED, reaped=False),
        end_told=False,
        pictures=kept,
    )
    return cast("Keeper", found)


def test_a_folder_without_rights_keeps_no_end_from_being_told(tmp_path: Path) -> None:
    """A proper look follows, which says what it cost."""
    (tmp_path / KEPT).mkdir()
    assert are_due(keeper(tmp_path), None)


@pytest.mark.parametrize(
    ("cause", "grabs"),
    [
        (StopCause.UP_ENDED, 0),
        (StopCause.REVOKED, 0),
        (StopCause.CANCEL, 0),
        (StopCause.SUPERSEDED, 0),
        (StopCause.TIMEOUT, 1),
    ],
)
async def test_only_a_failure_waits_for_its_picture(tmp_path: Path, cause: StopCause, grabs: int) -> None:
    """One that nobody keeps holds up the stop for nothing."""
    desktop = PaintedDesktop()
    kept = Pictures(
        execution_id="exe_1",
        folder=tmp_path,
        desktop=desktop,
        clock=ShiftedClock(),
        disk=SystemDisk(),
        of_failure=True,
        record=False,
    )
    async with asyncio.timeout(30):
        await before_stop(keeper(tmp_path, kept), StopOrder(cause=cause))
    assert desktop.grabs == grabs
