"""Breakers on a real store: opened, probed, closed, by items and by hand; alerts, events and wakes (issue 5)."""

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest

from hub.domain.breaker import BreakerPolicy
from hub.errors import Invalid, NotFound
from hub.services import breakers
from hub.services.breaker_clock import BreakerClock
from hub.storage import breakers as breaker_rows
from hub.storage.breakers import BreakerRow
from hub.storage.transaction import Done, Transaction
from tests.support.work_world import ADMIN, WORKSPACE, WorkWorld, insert

QUEUE = "que_" + "a" * 32
EARLY = timedelta(seconds=60)
OPENS = BreakerPolicy().threshold


async def queue(world: WorkWorld) -> None:
    """A queue whose items need SAP."""

    def made(tx: Transaction) -> Done[None]:
        row: dict[str, Any] = {"id": QUEUE, "label": "invoices", "name": "Invoices", "fields": [], "retry": {}}
        return insert(tx, "queues", **row, target="sap", created_at=tx.now, updated_at=tx.now)

    await world.store.write(made)


async def admits(world: WorkWorld, wanted: int = 9) -> int:
    return await world.store.write(lambda tx: Done(breakers.admits(tx, WORKSPACE, "sap", wanted)))


async def fails(world: WorkWorld, times: int = 1, taken_at: datetime | None = None) -> None:
    for number in range(times):

        def failed(tx: Transaction, item_id: str = f"itm_{number}") -> Done[None]:
            return Done(None, breakers.failed(tx, WORKSPACE, "sap", "no answer", item_id, taken_at))

        await world.store.write(failed)


async def succeeds(world: WorkWorld) -> None:
    await world.store.write(lambda tx: Done(None, breakers.succeeded(tx, WORKSPACE, "sap", tx.now)))


async def row(world: WorkWorld) -> BreakerRow:
    return await world.store.read(breakers.show, WORKSPACE, "sap")


async def kinds(world: WorkWorld) -> list[str]:
    return [one["kind"] for one in await world.rows("events") if one["kind"].startswith("breaker.")]


def clock(world: WorkWorld) -> BreakerClock:
    return BreakerClock(world.store, world.signals, world.clock)


async def test_an_application_that_never_failed_costs_nothing(world: WorkWorld) -> None:
    assert 9 == await admits(world)
    await succeeds(world)
    assert [] == await world.rows("breakers")


async def test_system_errors_in_a_row_open_it_and_an_alert_tells(world: WorkWorld) -> None:
    """It opens at the threshold; nothing is admitted; each change is an event; the item that did it is known."""
    await fails(world, OPENS - 1)
    assert 9 == await admits(world)
    await fails(world, 1)
    assert 0 == await admits(world)
    shown = await row(world)
    assert ("open", "no answer", "itm_0") == (shown.state, shown.why, shown.item_id)
    assert ["breaker.opened"] == await kinds(world)
    (alert,) = await world.rows("alerts", kind="breaker_open")
    assert "sap is out of order (no answer)" in alert["message"]
    assert ("",) == await world.signals.breakers.collect(0.0)


async def test_a_success_between_keeps_it_closed(world: WorkWorld) -> None:
    await fails(world, OPENS - 1)
    await succeeds(world)
    await fails(world, OPENS - 1)
    assert 9 == await admits(world)


async def test_a_probe_goes_when_its_moment_comes_and_whoever_waits_is_woken(world: WorkWorld) -> None:
    """No slow sweep: the clock of breakers sleeps until the moment, and rings the queues that need the application."""
    await queue(world)
    await fails(world, OPENS)
    await world.signals.queues.collect(0.0)
    world.clock.advance(31)
    await clock(world)._step()
    assert "half_open" == (await row(world)).state
    assert (f"{WORKSPACE}/{QUEUE}",) == await world.signals.queues.collect(0.0)
    assert [1, 0] == [await admits(world), await admits(world)]


async def test_it_closes_slowly_and_the_alert_is_over(world: WorkWorld) -> None:
    await fails(world, OPENS)
    world.clock.advance(31)
    batches = []
    while (await row(world)).state != "closed":
        batches.append(await admits(world))
        for _ in range(batches[-1]):
            await succeeds(world)
    assert [1, 2, 4] == batches
    assert 9 == await admits(world)
    assert ["breaker.opened", "breaker.half_open", "breaker.closed"] == await kinds(world)
    assert [] == await world.rows("alerts", kind="breaker_open", resolved_at=None)


async def test_a_failed_probe_opens_it_again_for_longer(world: WorkWorld) -> None:
    await fails(world, OPENS)
    world.clock.advance(31)
    assert 1 == await admits(world)
    await fails(world, 1, taken_at=world.clock.now())
    shown = await row(world)
    assert ("open", 2) == (shown.state, shown.openings)
    assert shown.probe_at == world.clock.now() + timedelta(seconds=60)
    assert ["breaker.opened", "breaker.half_open", "breaker.opened"] == await kinds(world)


async def test_words_from_before_the_outage_change_nothing(world: WorkWorld) -> None:
    """A slow item that was taken before it opened is no probe."""
    taken_at = world.clock.now() - EARLY
    await fails(world, OPENS)
    world.clock.advance(31)
    assert 1 == await admits(world)
    before = await row(world)
    await fails(world, 3, taken_at=taken_at)
    await world.store.write(lambda tx: Done(None, breakers.succeeded(tx, WORKSPACE, "sap", taken_at)))
    await world.store.write(lambda tx: Done(None, breakers.returned(tx, WORKSPACE, "sap", 1, taken_at)))
    assert before == await row(world)


async def test_probes_that_were_not_taken_are_given_back(world: WorkWorld) -> None:
    """The queue was empty: the next who asks may probe."""
    await fails(world, OPENS)
    world.clock.advance(31)
    assert 1 == await admits(world)
    await world.store.write(lambda tx: Done(None, breakers.returned(tx, WORKSPACE, "sap", 1)))
    assert 1 == await admits(world)


async def test_two_who_ask_at_once_get_one_probe(world: WorkWorld) -> None:
    """Two hubs may ask together: the row's lock lets one decide after the other."""
    await fails(world, OPENS)
    world.clock.advance(31)
    assert 1 == sum(await asyncio.gather(*(admits(world) for _ in range(8))))
    assert ["breaker.opened", "breaker.half_open"] == await kinds(world)


async def test_many_who_fail_at_once_open_it_once(world: WorkWorld) -> None:
    """Nobody's failure is lost, and it opens once."""
    await asyncio.gather(*(fails(world) for _ in range(OPENS + 3)))
    assert ("open", 1) == ((await row(world)).state, (await row(world)).openings)
    assert ["breaker.opened"] == await kinds(world)


async def test_by_hand_it_stays_open_until_somebody_closes_it(world: WorkWorld) -> None:
    await queue(world)
    await world.store.write(breakers.open_by_hand, ADMIN, "sap", "maintenance")
    world.clock.advance(86400)
    assert (0, None) == (await admits(world), await world.store.read(breaker_rows.next_moment))
    assert "maintenance (" in str((await row(world)).why)
    await world.signals.queues.collect(0.0)
    await world.store.write(breakers.close_by_hand, ADMIN, "sap")
    assert 9 == await admits(world)
    assert (f"{WORKSPACE}/{QUEUE}",) == await world.signals.queues.collect(0.0)
    await world.store.write(breakers.close_by_hand, ADMIN, "sap")
    assert ["breaker.opened", "breaker.closed"] == await kinds(world), "again is no error, and no event"


async def test_its_policy_is_set_up_and_changed_all_or_nothing(world: WorkWorld) -> None:
    made = await world.store.write(breakers.edit, ADMIN, "sap", {"threshold": 1, "probe_after_s": 2.0})
    assert "closed" == made.state
    await fails(world, 1)
    changed = await world.store.write(breakers.edit, ADMIN, "sap", {"cap_s": 5.0})
    assert ("open", 1, 5.0) == (changed.state, changed.policy["threshold"], changed.policy["cap_s"])
    with pytest.raises(Invalid) as refused:
        await world.store.write(breakers.edit, ADMIN, "sap", {"threshold": 0, "cap_s": 1.0})
    assert ["threshold", "cap_s"] == [one["field"] for one in refused.value.details["errors"]]
    assert changed == await row(world)


async def test_what_nobody_knows_is_not_there(world: WorkWorld) -> None:
    with pytest.raises(NotFound, match="botyard breaker list"):
        await row(world)
    with pytest.raises(Invalid):
        await world.store.write(breakers.open_by_hand, ADMIN, "no such/label", "")
