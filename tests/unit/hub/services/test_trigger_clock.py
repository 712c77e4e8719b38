"""The clock of triggers: woken by a change, quiet while the disk is full, and by itself at the moment."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from hub.services import triggers
from hub.services.trigger_clock import TriggerClock
from hub.services.triggers import NewTrigger
from hub.storage.room import Room
from tests.support.clock import FakeClock
from tests.support.waiting import eventually
from tests.support.work_world import ADMIN, WorkWorld, work_world

HOURLY = NewTrigger(label="hourly", automation="invoices", definition={"cron": "0 * * * *"})


class FullRoom(Room):
    """A disk that is full until the test makes room."""

    full = True

    @property
    def is_full(self) -> bool:
        """Whether there is no room."""
        return self.full


@asynccontextmanager
async def ticking(tmp_path: Path, clock: FakeClock, room: Room) -> AsyncIterator[WorkWorld]:
    async with work_world(f"sqlite:///{tmp_path / 'hub.db'}", clock) as world, asyncio.TaskGroup() as group:
        loop = group.create_task(TriggerClock(world.store, world.signals, clock, room).run())
        yield world
        loop.cancel()


async def count(world: WorkWorld) -> int:
    return len(await world.rows("tasks"))


async def test_what_is_made_while_it_sleeps_wakes_it(clock: FakeClock, tmp_path: Path) -> None:
    async with ticking(tmp_path, clock, Room()) as world:
        await world.store.write(triggers.create, ADMIN, HOURLY)
        clock.advance(3600)
        # The clock of a test stands still, so the loop sleeps on; any change of a trigger wakes it.
        world.signals.triggers.ring()

        async def is_fired() -> bool:
            return await count(world) == 1

        await eventually(is_fired)


async def test_nothing_fires_while_the_disk_is_full(clock: FakeClock, tmp_path: Path) -> None:
    room = FullRoom()
    async with ticking(tmp_path, clock, room) as world:
        await world.store.write(triggers.create, ADMIN, HOURLY)
        clock.advance(3 * 3600)
        world.signals.triggers.ring()
        await asyncio.sleep(0)
        assert 0 == await count(world)
        room.full = False
        world.signals.triggers.ring()

        async def is_fired() -> bool:
            return await count(world) == 1

        await eventually(is_fired)
        lines = await world.store.read(triggers.history, ADMIN.workspace_id, "hourly", None, 10)
        assert {"fired", "skipped"} == {line.outcome for line in lines}


async def test_more_than_one_slice_is_fired(clock: FakeClock, tmp_path: Path) -> None:
    async with ticking(tmp_path, clock, Room()) as world:
        for number in range(55):
            new = NewTrigger(label=f"t{number}", automation="invoices", definition={"every": "1h"})
            await world.store.write(triggers.create, ADMIN, new)
        clock.advance(3600)
        world.signals.triggers.ring()

        async def are_fired() -> bool:
            return await count(world) == 55

        await eventually(are_fired, within=20)
