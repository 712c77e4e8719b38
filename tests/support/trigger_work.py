"""Triggers in a `WorkWorld`: defined, fired, looked at."""

from datetime import timedelta
from typing import Any

from hub.services import due_triggers, triggers
from hub.services.triggers import NewTrigger
from hub.storage.triggers import FiringRow, TriggerRow
from tests.support.work_world import ADMIN, WORKSPACE, WorkWorld

HOUR = 3600.0
DAYS = timedelta(days=4)


async def define(world: WorkWorld, label: str = "hourly", **members: Any) -> TriggerRow:
    """A trigger that fires each hour, unless told otherwise."""
    definition = {"cron": "0 * * * *", **members.pop("definition", {})}
    if {"every", "phrase"} & set(definition):
        del definition["cron"]
    new = NewTrigger(label=label, automation="invoices", definition=definition, **members)
    return await world.store.write(triggers.create, ADMIN, new)


async def fire(world: WorkWorld, limit: int = 200) -> int:
    """Fire what is due; how many triggers were."""
    return await world.store.write(due_triggers.fire_due, limit)


async def shown(world: WorkWorld, label: str = "hourly") -> TriggerRow:
    """The trigger as it is now."""
    return await world.store.read(triggers.show, WORKSPACE, label)


async def history(world: WorkWorld, label: str = "hourly") -> list[FiringRow]:
    """Oldest first."""
    return (await world.store.read(triggers.history, WORKSPACE, label, None, 100))[::-1]
