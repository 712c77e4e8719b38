"""An execution's pictures: begun with its bot, fixed when it fails, brought with its files (`screens/pictures.py`)."""

import asyncio
import logging
from contextlib import suppress
from typing import TYPE_CHECKING

from agent.execution import Phase
from agent.screens import pictures
from agent.screens.failing import WANTED_BY_PEOPLE, has_failed
from agent.screens.pictures import Pictures
from agent.shim.exit_file import ExitRecord
from agent.wire.facts import ReportFact
from agent.wire.messages import StopOrder
from agent.wire.words import DesktopNeed, ReportStatus

if TYPE_CHECKING:
    from agent.daemon.keeper import Keeper

log = logging.getLogger(__name__)
_LAST_S = 10.0


def begin_pictures(keeper: "Keeper") -> None:
    """Take pictures from now on, if it is wanted and the slot has a desktop; where some were taken already, go on."""
    work, slot = keeper.order.work, keeper.value.slot
    if work is None or slot is None or work.desktop is DesktopNeed.NONE:
        return
    desktop = keeper.house.desktops.of_slot(slot)
    if desktop is None or not (work.failure_screenshot or work.record):
        return
    keeper.pictures = Pictures(
        execution_id=keeper.execution_id,
        folder=keeper.folder,
        desktop=desktop,
        clock=keeper.house.clock,
        disk=keeper.house.disk,
        of_failure=work.failure_screenshot,
        record=work.record,
    )
    keeper.spawn(keeper.pictures.keep(keeper.exited, lambda: _is_running(keeper)), "pictures")


async def before_report(keeper: "Keeper", report: ReportFact) -> None:
    """A bot says that it failed: its window is still there. Returns in a second."""
    if keeper.pictures is not None and report.status is ReportStatus.FAILED and _is_running(keeper):
        await keeper.pictures.fix()


async def before_stop(keeper: "Keeper", order: StopOrder) -> None:
    """It will be ended: what does it show? Returns in a second."""
    if keeper.pictures is not None and order.cause not in WANTED_BY_PEOPLE and _is_running(keeper):
        await keeper.pictures.fix()


def stop_began(keeper: "Keeper") -> None:
    """Its shim ends it already."""
    if keeper.pictures is not None:
        keeper.pictures.leave()


def are_due(keeper: "Keeper", record: ExitRecord | None, report: ReportFact | None = None) -> bool:
    """Whether pictures are to be brought at its end; `report` is one that is no fact yet. Blocks."""
    try:
        return pictures.is_due(keeper.folder, keeper.house.disk, failed=_has_failed(keeper, record, report))
    except OSError:
        return True  # A folder that its bot spoiled: what that costs is said by a proper look (`give_pictures`).


async def give_pictures(keeper: "Keeper", record: ExitRecord | None) -> tuple[str, ...]:
    """Put them where the collector finds them, when the last one is written; what is missing, for people."""
    left_out: list[str] = []
    if keeper.pictures is not None:
        with suppress(TimeoutError):
            # A desktop that hangs, or pictures that never began: the task's end does not wait for them.
            async with asyncio.timeout(_LAST_S):
                await keeper.pictures.ended.wait()
        left_out += keeper.pictures.left_out
    failed = _has_failed(keeper, record)
    try:
        await asyncio.to_thread(pictures.give, keeper.folder, keeper.house.disk, failed=failed)
    except OSError as error:
        # A bot of our own user can spoil its own folder: that costs a picture, and no task its end.
        left_out.append(f"pictures of the desktop: {error.strerror or error}")
        log.warning("%s: %s", keeper.execution_id, left_out[-1])
    return tuple(left_out)


def _has_failed(keeper: "Keeper", record: ExitRecord | None, report: ReportFact | None = None) -> bool:
    work = keeper.order.work
    return work is not None and has_failed(work, report or keeper.value.report, keeper.value.stop, record)


def _is_running(keeper: "Keeper") -> bool:
    return keeper.value.phase is Phase.STARTED and not keeper.value.reaped and not keeper.end_told
