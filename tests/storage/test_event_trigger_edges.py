"""Event triggers on both databases where much else happens: edits, a busy feed, a clock that was wrong, loops."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa

from hub.domain.event_trigger import DEPTH_MAX
from hub.services import due_triggers, event_pass, triggers
from hub.services.event_watcher import EventWatcher
from hub.storage import event_watch, events, tables
from hub.storage.room import Room
from hub.storage.transaction import Done, Transaction
from tests.support.clock import START, FakeClock
from tests.support.event_work import listen, numbered, serve, tell
from tests.support.trigger_work import history, shown
from tests.support.work_world import ADMIN, WORKSPACE, WorkWorld, work_world

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
async def world(database_url: str, clock: FakeClock) -> AsyncIterator[WorkWorld]:
    async with work_world(database_url, clock) as made:
        yield made


async def test_what_it_awaits_outlives_another_name(world: WorkWorld, clock: FakeClock) -> None:
    """Name, parameters and what becomes of its tasks say nothing of what it listens to; how long does."""
    await listen(world, on="runner.disconnected", **{"for": "10m"})
    await listen(world, "silent", on="runner.connected", absent="10m")
    await tell(world, "runner.disconnected")
    await serve(world)
    clock.advance(300)
    for label in ("watch", "silent"):
        for changes in ({"name": "Nicer"}, {"definition": {"priority": 9}}, {"parameters": {"month": "2030-01"}}):
            await world.store.write(triggers.edit, ADMIN, label, changes)
    clock.advance(300)
    await serve(world)
    for label in ("watch", "silent"):
        assert ["fired"] == [one.outcome for one in await history(world, label)]
    await world.store.write(triggers.edit, ADMIN, "watch", {"definition": {"for": "20m"}})
    assert [] == await world.rows("awaited")


async def test_what_the_old_definition_passed_over_stays_passed_over(world: WorkWorld) -> None:
    """Also by a hub that starts after the edit."""
    await listen(world, on="runner.disconnected", when="event.actor == 'nobody'")
    hub = EventWatcher(world.store, world.signals, Room())
    for _ in range(3):
        await tell(world, "runner.disconnected")
    await serve(world, hub)
    await world.store.write(triggers.edit, ADMIN, "watch", {"definition": {"when": None}})
    await serve(world, hub)
    await serve(world)
    assert [] == await history(world, "watch")
    await tell(world, "runner.disconnected")
    await serve(world)
    assert 1 == len(await history(world, "watch"))


@pytest.mark.parametrize("members", [{"on": "runner.disconnected", "for": "1h"}, {"on": "item.added", "absent": "1h"}])
async def test_a_feed_that_is_never_numbered_to_its_end_holds_up_nobody(
    world: WorkWorld, clock: FakeClock, monkeypatch: pytest.MonkeyPatch, members: dict[str, str]
) -> None:
    """Only an event of before the moment that was due may be what it waits for, in its own workspace."""
    unread: datetime | None = None
    monkeypatch.setattr(event_watch, "first_unnumbered", lambda _, __: unread)
    await listen(world, **members)
    await tell(world, "runner.disconnected")
    await serve(world)
    clock.advance(3700)
    unread = START + timedelta(seconds=3599)
    await world.store.write(due_triggers.fire_due)
    assert [] == await history(world, "watch")
    clock.advance(5)
    unread = START + timedelta(seconds=3601)
    await world.store.write(due_triggers.fire_due)
    assert 1 == len(await history(world, "watch"))


async def test_the_first_event_without_a_position_is_found(world: WorkWorld) -> None:
    """Of this workspace; SQLite numbers each in its own transaction."""

    class Back(Exception):  # noqa: N818 - the transaction ends as if it had never been
        pass

    found: list[datetime | None] = []

    def look(tx: Transaction) -> Done[None]:
        for seconds, workspace_id in ((5, WORKSPACE), (3, WORKSPACE), (1, "wsp_other")):
            row = {"workspace_id": workspace_id, "at": START + timedelta(seconds=seconds)}
            row |= {"kind": "runner.connected", "subject": "x", "actor": "hub"}
            tx.connection.execute(sa.insert(tables.events), row)
        found.append(event_watch.first_unnumbered(tx, WORKSPACE))
        raise Back

    await numbered(world)
    with pytest.raises(Back):
        await world.store.write(look)
    is_sqlite = await world.store.read(lambda tx: tx.is_sqlite)
    assert [None if is_sqlite else START + timedelta(seconds=3)] == found


async def test_a_clock_that_was_ahead_once_ends_no_silence(world: WorkWorld, clock: FakeClock) -> None:
    await listen(world, on="runner.connected", absent="1h")
    year = 366 * 86400.0
    clock.advance(year)
    await tell(world, "runner.connected")
    await serve(world)
    clock.advance(60 - year)
    before = len(await history(world, "watch"))
    await tell(world, "runner.connected")
    await serve(world)
    assert START + timedelta(hours=1, minutes=1) == (await shown(world, "watch")).next_at
    clock.advance(3600)
    await serve(world)
    assert before + 1 == len(await history(world, "watch"))


async def test_failures_that_cause_failures_end(world: WorkWorld) -> None:
    """Two that listen to each other's failures, and are never switched off."""
    for label in ("ping", "pong"):
        await listen(world, label, on="trigger.failed", map={"month": "event.data.nothing"}, off_after=0)
    await listen(world, on="runner.disconnected", map={"month": "event.data.nothing"})
    await tell(world, "runner.disconnected")
    hub = EventWatcher(world.store, world.signals, Room())
    for _ in range(2 * DEPTH_MAX + 5):
        await serve(world, hub)
    told = [one for one in await world.rows("events") if one["kind"] == "trigger.failed"]
    lines = await history(world, "ping") + await history(world, "pong")
    assert len(told) < len(lines) <= 2 * (DEPTH_MAX + 2)
    assert "it may be a loop" in (await history(world, "ping"))[-1].why
    for _ in range(3):
        await serve(world, hub)
    assert len(told) == len([one for one in await world.rows("events") if one["kind"] == "trigger.failed"])


async def test_only_the_triggers_that_changed_are_read_anew(world: WorkWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """Made, edited, paused, resumed and deleted ones are heard as they are now; the others stay as they were read."""
    for label in ("kept", "edited", "paused", "deleted"):
        await listen(world, label, on=["runner.disconnected", "runner.draining"])
    await numbered(world)
    before = await world.store.read(event_pass.listen)
    position = await world.store.read(events.head)
    await listen(world, "new", on="runner.connected")
    await world.store.write(triggers.edit, ADMIN, "edited", {"definition": {"on": ["runner.draining"]}})
    await world.store.write(triggers.pause, ADMIN, "paused")
    await world.store.write(triggers.delete, ADMIN, "deleted")
    await numbered(world)
    monkeypatch.setattr(event_pass, "listen", None)
    after = (await world.store.read(event_pass.plan, before, position)).listening

    def heard(kind: str) -> list[str]:
        return sorted(one.row.label for one in after.by_kind.get((WORKSPACE, kind), {}).values())

    assert ["kept"] == heard("runner.disconnected")
    assert ["edited", "kept"] == heard("runner.draining")
    assert ["new"] == heard("runner.connected")
    assert ["edited", "kept", "new"] == sorted(one.row.label for one in after.listeners.values())
    (kept,) = [key for key, one in after.listeners.items() if one.row.label == "kept"]
    assert after.listeners[kept] is before.listeners[kept]
    await world.store.write(triggers.resume, ADMIN, "paused")
    await numbered(world)
    after = (await world.store.read(event_pass.plan, after, position)).listening
    assert ["kept", "paused"] == heard("runner.disconnected")


@pytest.mark.parametrize("data", [{"a": {"b": [0] * 65}}, {"a": [[0] * 65]}, {"a": [{"b": [[0] * 65]}]}])
async def test_what_is_long_is_left_out_at_any_depth(world: WorkWorld, data: dict[str, object]) -> None:
    await listen(world, on="runner.disconnected", when="event.data.n == 1")
    await tell(world, "runner.disconnected", data={"n": 1, **data})
    await serve(world)
    assert 1 == len(await history(world, "watch"))
