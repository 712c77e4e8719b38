"""What nobody foresaw in one trigger is its own failure: the others fire, the hub goes on, also after a restart."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import sqlalchemy as sa

from hub.domain.event_trigger import EventRule
from hub.services import event_triggers, schedules
from hub.services.event_matching import Seen, Silent, parameters
from hub.services.trigger_clock import TriggerClock
from hub.storage import tables
from hub.storage.room import Room
from hub.storage.transaction import Done, Transaction
from hub.storage.triggers import TriggerRow
from tests.support.clock import FakeClock
from tests.support.event_work import listen, serve, tell
from tests.support.trigger_work import HOUR, define, history, shown
from tests.support.waiting import eventually
from tests.support.work_world import WorkWorld, work_world

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
async def world(database_url: str, clock: FakeClock) -> AsyncIterator[WorkWorld]:
    async with work_world(database_url, clock) as made:
        yield made


async def undefine(world: WorkWorld, label: str) -> None:
    """Its definition is one that this program can't read."""

    def spoil(tx: Transaction) -> Done[None]:
        made = sa.update(tables.triggers).where(tables.triggers.c.label == label)
        tx.connection.execute(made.values(definition={"on": 7, "every": 7}))
        return Done(None)

    await world.store.write(spoil)


async def test_a_trigger_of_events_fails_by_itself(world: WorkWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """For the event at which it fails; the same event fires the others, and the next one fires it again."""

    def poisoned(rule: EventRule, seen: Seen | Silent) -> dict[str, Any]:
        if rule.map and isinstance(seen, Seen) and seen.event.new == "bad":
            raise IndexError("nobody foresaw")
        return parameters(rule, seen)

    monkeypatch.setattr(event_triggers, "parameters", poisoned)
    await listen(world, "bad", on="runner.disconnected", map={"month": "'x'"})
    await listen(world, "good", on="runner.disconnected")
    for new in ("bad", "bad", "fine"):
        await tell(world, "runner.disconnected", new=new)
    for _ in range(2):
        await serve(world)
    assert ["failed", "failed", "fired"] == [one.outcome for one in await history(world, "bad")]
    assert "an error in the hub, IndexError: nobody foresaw" == (await history(world, "bad"))[0].why
    assert ["fired"] * 3 == [one.outcome for one in await history(world, "good")]
    assert 0 == (await shown(world, "bad")).failed_in_a_row
    assert 4 == len(await world.rows("tasks"))


async def test_a_trigger_of_events_that_always_fails_is_off(world: WorkWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    def poisoned(_: EventRule, __: Seen | Silent) -> dict[str, Any]:
        raise OverflowError

    monkeypatch.setattr(event_triggers, "parameters", poisoned)
    await listen(world, "bad", on="runner.disconnected", off_after=2)
    for _ in range(3):
        await tell(world, "runner.disconnected")
    await serve(world)
    assert "off" == (await shown(world, "bad")).state
    assert 2 == len(await history(world, "bad"))


async def test_one_that_can_not_be_read_stops_nobody(world: WorkWorld) -> None:
    await listen(world, "bad", on="runner.disconnected")
    await listen(world, "good", on="runner.disconnected")
    await undefine(world, "bad")
    await tell(world, "runner.disconnected")
    await serve(world)
    assert 1 == len(await history(world, "good"))


async def test_a_schedule_fails_by_itself(world: WorkWorld, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """It tries again a minute later; with one whose definition can't be read nothing can be counted: it is off."""
    is_mended = False

    def poisoned(row: TriggerRow) -> Any:
        if row.label == "bad" and not is_mended:
            raise IndexError("nobody foresaw")
        return schedule_of(row)

    schedule_of = schedules.schedule_of
    monkeypatch.setattr(schedules, "schedule_of", poisoned)
    for label in ("bad", "unread", "good"):
        await define(world, label)
    await undefine(world, "unread")
    loop = asyncio.create_task(TriggerClock(world.store, world.signals, clock, Room()).run())

    async def outcomes(label: str, *expected: str) -> None:
        async def look() -> bool:
            world.signals.triggers.ring()
            return [one.outcome for one in await history(world, label)] == [*expected]

        await eventually(look)

    clock.advance(HOUR)
    await outcomes("good", "fired")
    await outcomes("bad", "failed")
    assert 1 == (await shown(world, "bad")).failed_in_a_row
    is_mended = True
    clock.advance(60)
    await outcomes("bad", "failed", "fired")
    assert "off" == (await shown(world, "unread")).state
    assert not loop.done()
    loop.cancel()
