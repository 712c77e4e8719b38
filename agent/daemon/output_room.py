"""Looks after the room that output takes: caps of new executions, segments that may go, a disk that runs short (P4)."""

import asyncio
import logging
from contextlib import suppress
from typing import TYPE_CHECKING

from agent.execution import ENDED
from agent.output import Follower
from agent.output_room import Allowance, kept_free, share
from agent.shim.bounds import size_text
from agent.spool import SpoolFullError

if TYPE_CHECKING:
    from agent.daemon.house import House
    from agent.daemon.keeper import Keeper

log = logging.getLogger(__name__)
DISK_FULL = "the disk is full"
"""Why no new work is taken while a fact can't be written."""
_LOOK_S = (5.0, 60.0)
"""Between two looks: no event tells of room, so the less there is the sooner it is looked at."""
_FILLED_PER_S = 2 << 30
"""No disk fills faster, in bytes."""
_REMOVE_EVERY_S = 60.0
"""Between two looks for segments whose time is over."""


def cap_for(keeper: "Keeper", limit: int) -> int:
    """The cap of this execution's output, in bytes."""
    house = keeper.house
    ended = sum(waiting_bytes(other) for other in house.keepers.values() if other.value.phase in ENDED)
    keeper.kept.cap_bytes = share(house.allowance, house.slots.count, limit, ended)
    return keeper.kept.cap_bytes


async def look_after(house: "House") -> None:
    """Close the runner for new work while its disk is short, and let segments go in time; until it is cancelled.

    `find_room` comes first.
    """
    clock, removed_s = house.clock, float("-inf")
    while True:
        is_short, pause_s = await _look(house)
        is_due = clock.monotonic() >= removed_s + _REMOVE_EVERY_S
        if is_short or is_due:
            for keeper in tuple(house.keepers.values()):
                await let_go(keeper, is_short=is_short)
        if not is_short and is_due:
            with suppress(SpoolFullError):
                await house.spool.keep_room()
        removed_s = clock.monotonic() if is_due else removed_s
        await asyncio.sleep(pause_s)


async def let_go(keeper: "Keeper", *, is_short: bool = False) -> None:
    """Remove the segments of an execution that need not stay."""
    house = keeper.house
    now = house.clock.monotonic()
    offset = keeper.kept.removable(keeper.available, now, house.allowance.keep_s, is_short=is_short)
    if not offset:
        return

    def remove() -> None:
        # Not the one that reads it meanwhile: neither is for two users.
        remover = Follower(keeper.folder / "output", house.disk)
        try:
            remover.delete_before(offset)
        finally:
            remover.close()

    try:
        await asyncio.to_thread(remove)
    except OSError as error:
        log.warning("%s: segments stay: %s", keeper.execution_id, error)


def short_of(allowance: Allowance) -> str:
    """Why no new work is taken."""
    return f"its disk has less than {size_text(allowance.keep_free_bytes)} free"


def why_short(house: "House") -> str:
    """Why its disk is too full for new work, as it was found last; empty while it is not."""
    reasons = (short_of(house.allowance), DISK_FULL)
    return next((reason for reason in reasons if reason in house.closed_for), "")


async def find_room(house: "House") -> None:
    """Look how much is free, and take no new work while that is too little.

    Before the first order: its shim keeps free what was found here (P4).
    """
    await _look(house)


async def _look(house: "House") -> tuple[bool, float]:
    """Whether too little is free, and when to look again, in seconds."""
    reason = short_of(house.allowance)
    soonest_s, latest_s = _LOOK_S
    try:
        free, total = await asyncio.to_thread(_sizes, house)
    except OSError as error:
        log.warning("the room on the disk cannot be told: %s", error)
        return reason in house.closed_for, soonest_s
    house.keep_free_bytes = kept_free(house.allowance, total)
    spare = free - house.keep_free_bytes
    if (spare < 0) is not (reason in house.closed_for):
        log.log(logging.ERROR if spare < 0 else logging.INFO, "%s: %s", reason, "no new work" if spare < 0 else "over")
        house.close_for(reason, on=spare < 0)
    return spare < 0, min(max(soonest_s, spare / _FILLED_PER_S), latest_s)


def _sizes(house: "House") -> tuple[int, int]:
    place = house.folders.executions
    return house.disk.free_bytes(place), house.disk.total_bytes(place)


def waiting_bytes(keeper: "Keeper") -> int:
    """Output of an execution that the hub has not, in bytes."""
    return max(0, keeper.available - keeper.kept.safe)
