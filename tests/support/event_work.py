"""Triggers of events in a `WorkWorld`: defined, and served as the hub's loop does it."""

from typing import Any

import sqlalchemy as sa

from hub.domain.trigger import TriggerKind
from hub.services import due_triggers, triggers
from hub.services.event_watcher import EventWatcher
from hub.services.triggers import NewTrigger
from hub.storage import tables
from hub.storage.room import Room
from hub.storage.transaction import Done, NewEvent, Transaction
from hub.storage.triggers import TriggerRow
from tests.support.waiting import eventually
from tests.support.work_world import ADMIN, RUNNER, WORKSPACE, WorkWorld


async def listen(world: WorkWorld, label: str = "watch", **members: Any) -> TriggerRow:
    """A trigger of events that makes tasks of `invoices`; all members but `parameters` are its definition's."""
    given = members.pop("parameters", {})
    new = NewTrigger(label=label, automation="invoices", kind=TriggerKind.EVENT, definition=members, parameters=given)
    return await world.store.write(triggers.create, ADMIN, new)


async def tell(world: WorkWorld, kind: str, subject: str = RUNNER, **members: Any) -> None:
    """Record an event of the workspace."""
    event = NewEvent(**{"workspace_id": WORKSPACE, "kind": kind, "subject": subject, "actor": "hub", **members})

    def record(tx: Transaction) -> Done[None]:
        tx.record(event)
        return Done(None)

    await world.store.write(record)


async def serve(world: WorkWorld, watcher: EventWatcher | None = None) -> None:
    """Everything that is in the feed is looked at, and what has lasted is fired; a new watcher is a hub's restart."""
    await numbered(world)
    watcher = watcher or EventWatcher(world.store, world.signals, Room())
    while await watcher.look():
        pass
    while await world.store.write(due_triggers.fire_due):
        await numbered(world)


async def numbered(world: WorkWorld) -> None:
    """Every event has its position."""

    async def is_done() -> bool:
        return not [one for one in await world.rows("events") if one["pos"] is None]

    await eventually(is_done)


async def cut(world: WorkWorld, until: int) -> None:
    """What retention does: events up to a position are gone."""

    def remove(tx: Transaction) -> Done[None]:
        tx.connection.execute(sa.delete(tables.events).where(tables.events.c.pos <= until))
        return Done(None)

    await world.store.write(remove)
