"""Limits that tasks share: never exceeded, held while a task runs, freed by whatever ends it, and seen by `why`."""

import asyncio

import pytest

from agent.wire.facts import ExitFact
from agent.wire.words import TaskState
from hub.domain.automation import Definition
from hub.domain.demand import Rate, Sharing
from hub.errors import Conflict, Invalid
from hub.services import automations, dispatch, executions, holds, resources, tasks
from hub.services.resources import Wanted
from tests.support.sharing import create, end, orders, running, serve, shared, slots, why
from tests.support.work_world import (
    ADMIN,
    OTHER_RUNNER,
    WORKSPACE,
    WorkWorld,
    exited,
    insert,
    started,
    void,
)


async def test_of_an_automation_no_more_run_than_it_says(world: WorkWorld) -> None:
    await shared(world, concurrency=2)
    session = await slots(world, 4)
    for _ in range(5):
        await create(world)
    await serve(world)
    assert 2 == await running(world)
    assert 2 == len(await world.rows("holds"))
    await end(world, session, orders(session)[0])
    assert 1 == await running(world)
    await serve(world)
    assert 2 == await running(world)


async def test_grants_at_the_same_time_cannot_pass_a_limit_together(world: WorkWorld) -> None:
    await world.store.write(resources.create, ADMIN, Wanted(label="sap", capacity=3))
    await shared(world, concurrency=4, uses={"sap": 1})
    await slots(world, 10)
    for _ in range(10):
        await create(world)
    credits_taken = [world.book.take_any(WORKSPACE) for _ in range(10)]
    await asyncio.gather(*(world.store.write(dispatch.grant, one, urgent=True) for one in credits_taken if one))
    assert 3 == await running(world)
    assert 3 == len(await world.rows("holds", limit_key="resource:sap"))


async def test_of_a_key_one_runs_and_other_keys_are_not_kept(world: WorkWorld) -> None:
    await shared(world, concurrency_key="parameters.customer")
    session = await slots(world, 8)
    for customer in ("acme", "acme", "acme", "initech", "initech", "umbrella"):
        await create(world, customer=customer)
    await serve(world)
    asked = [str(one.work.task.parameters["customer"]) for one in orders(session)]
    assert ["acme", "initech", "umbrella"] == sorted(asked), "one of each"
    acme = next(one for one in orders(session) if one.work.task.parameters["customer"] == "acme")
    await end(world, session, acme)
    await serve(world)
    assert "acme" == orders(session)[-1].work.task.parameters["customer"]
    assert 3 == await running(world)


async def test_a_changed_limit_counts_for_those_that_wait_already(world: WorkWorld) -> None:
    session = await slots(world, 4)
    for _ in range(3):
        await create(world)
    await shared(world, concurrency=1)
    await serve(world)
    assert 1 == len(orders(session))
    await shared(world, concurrency=None)
    await serve(world)
    assert 3 == len(orders(session))


async def test_a_resource_is_held_in_units_and_a_lower_capacity_ends_nobody(world: WorkWorld) -> None:
    await world.store.write(resources.create, ADMIN, Wanted(label="sap", capacity=4))
    await shared(world, uses={"sap": 2})
    session = await slots(world, 4)
    for _ in range(4):
        await create(world)
    await serve(world)
    assert 2 == await running(world)
    shown = await world.store.write(resources.edit, ADMIN, "sap", {"capacity": 2})
    assert (4, 2, 2, 2) == (shown.used, shown.capacity, len(shown.holders), len(shown.waiting))
    await end(world, session, orders(session)[0])
    await serve(world)
    assert 1 == await running(world), "2 of 2 are held still"
    await world.store.write(resources.edit, ADMIN, "sap", {"capacity": 6})
    await serve(world)
    assert 3 == await running(world)


async def test_an_account_has_one_holder_and_the_bot_is_told_its_name(world: WorkWorld) -> None:
    await world.store.write(resources.create, ADMIN, Wanted(label="sap", accounts=["ana", "bob"]))
    await shared(world, uses={"sap": 1})
    session = await slots(world, 4)
    for _ in range(3):
        await create(world)
    await serve(world)
    assert [{"sap": "ana"}, {"sap": "bob"}] == [one.work.accounts for one in orders(session)]
    await world.store.write(resources.edit, ADMIN, "sap", {"accounts": ["bob", "eve"]})
    await serve(world)
    assert {"sap": "eve"} == orders(session)[2].work.accounts, "ana is held, but is no account of it any more"
    assert 3 == await running(world)


async def test_a_rate_counts_starts_and_a_timer_rings_when_there_is_room(world: WorkWorld) -> None:
    await shared(world, rate=Rate(count=2, per_s=60))
    session = await slots(world, 5)
    for _ in range(3):
        await create(world)
    await serve(world)
    assert 2 == len(orders(session))
    await end(world, session, orders(session)[0])
    await serve(world)
    assert 2 == len(orders(session)), "an ended one was a start all the same"
    openings = await world.store.read(dispatch.openings, WORKSPACE)
    assert openings.again_s == pytest.approx(60, abs=1)
    world.clock.advance(61)
    world.offer(session, 1)
    await serve(world)
    assert 3 == len(orders(session))
    assert 1 == len(await world.rows("starts")), "those that are too old are gone"


async def test_an_order_that_never_started_is_no_start_and_holds_nothing(world: WorkWorld) -> None:
    await shared(world, rate=Rate(count=1, per_s=3600), concurrency=1)
    session = await slots(world, 1)
    task_id = await create(world)
    await serve(world)
    await world.say(session, orders(session)[0], void())
    assert ([], []) == (await world.rows("holds"), await world.rows("starts"))
    assert TaskState.QUEUED == (await world.show(task_id)).state


async def test_the_exit_frees_it_ahead_of_the_output(world: WorkWorld) -> None:
    """core.md §3: the exit fact frees slot and locks once the tree is empty."""
    await shared(world, concurrency=1)
    session = await slots(world, 1)
    await create(world)
    await serve(world)
    await world.say(session, orders(session)[0], started(), exited(), whole=False)
    assert 1 == await running(world)
    assert [] == await world.rows("holds")


async def test_what_could_not_be_killed_holds_on(world: WorkWorld) -> None:
    await shared(world, concurrency=1)
    session = await slots(world, 1)
    task_id = await create(world)
    await serve(world)
    survivor = {"pid": 7, "command": "sap"}
    body = ExitFact.model_validate({**exited().model_dump(), "survivors": [survivor]})
    await world.say(session, orders(session)[0], started(), body, whole=False)
    assert 1 == len(await world.rows("holds"))
    await world.store.write(lambda tx: tasks.cancel(tx, WORKSPACE, task_id, "ana", force=True))
    assert [] == await world.rows("holds")


async def test_a_lost_one_frees_it_and_a_retry_takes_it_again(world: WorkWorld) -> None:
    await shared(world, concurrency=1)
    session = await slots(world, 1)
    await create(world)
    await serve(world)
    order = orders(session)[0]
    await world.say(session, order, started())
    await world.disconnect(session)
    await world.store.write(executions.lose, WORKSPACE, order.execution_id, "gone", None)
    assert [] == await world.rows("holds")


async def test_a_hold_without_a_running_task_is_swept(world: WorkWorld) -> None:
    task_id = await create(world)
    row = {"limit_key": "resource:sap", "task_id": task_id, "units": 1, "since": world.clock.now()}
    await world.store.write(lambda tx: insert(tx, "holds", **row))
    assert 1 == await world.store.write(holds.sweep)
    assert [] == await world.rows("holds")
    assert ["hold.stray"] == [event["kind"] for event in await world.rows("events", kind="hold.stray")]


async def test_a_full_limit_keeps_nobody_else_waiting(world: WorkWorld) -> None:
    """The kind that comes first is full; a runner that serves both has room for the other."""
    definition = Definition(label="plain", bot="invoices")
    await world.store.write(automations.create, ADMIN, definition)
    await shared(world, concurrency=1)
    first, second = await slots(world, 1), await slots(world, 1, OTHER_RUNNER)
    for _ in range(3):
        await create(world)
    plain = await world.create("plain")
    await serve(world)
    assert 2 == await running(world)
    assert TaskState.RUNNING == (await world.show(plain)).state
    assert 2 == len(orders(first)) + len(orders(second))


async def test_why_names_who_holds_it_and_the_change_that_would_start_it(world: WorkWorld) -> None:
    await world.store.write(resources.create, ADMIN, Wanted(label="sap", capacity=1))
    await shared(world, uses={"sap": 1}, rate=Rate(count=1, per_s=60), concurrency=1)
    session = await slots(world, 2)
    await create(world)
    last = await create(world)
    await serve(world)
    told = await why(world, last)
    assert ["limit", "rate", "limit"] == [code for code, _, _ in told]
    assert [
        "invoices runs at most 1 at once, and 1 run (tasks 1).",
        "It needs 1 of sap, and 1 of 1 are held (tasks 1).",
    ] == [message for code, message, _ in told if code == "limit"]
    assert [
        "It starts when task 1 ends; or botyard automation edit invoices --concurrency 2.",
        "It starts then; or botyard automation edit invoices --rate 2/1min.",
        "It starts when task 1 ends; or botyard resource edit sap --capacity 2.",
    ] == [remedy for _, _, remedy in told]
    await end(world, session, orders(session)[0])
    assert ["rate"] == [code for code, _, _ in await why(world, last)]
    world.clock.advance(61)
    world.offer(session, 1)
    assert ["next"] == [code for code, _, _ in await why(world, last)]


async def test_why_names_the_value_of_a_key_and_what_can_never_be(world: WorkWorld) -> None:
    await world.store.write(resources.create, ADMIN, Wanted(label="sap", capacity=2))
    await shared(world, concurrency_key="parameters.customer", uses={"sap": 2})
    await slots(world, 2)
    await create(world, customer="acme")
    last = await create(world, customer="acme")
    await serve(world)
    await world.store.write(resources.edit, ADMIN, "sap", {"capacity": 1})
    assert [
        ('invoices runs at most 1 at once for "acme", and 1 run (tasks 1).'),
        "It needs 2 of sap, and there are 1.",
    ] == [message for _, message, _ in await why(world, last)]


async def test_faults_come_all_at_once(world: WorkWorld) -> None:
    members = Sharing(concurrency=-1, concurrency_key="parameters.a +", uses={"nope": 0}, rate=Rate(count=0, per_s=0))
    with pytest.raises(Invalid) as found:
        await world.automation(sharing={name: getattr(members, name) for name in Sharing.__slots__})
    fields = {error["field"] for error in found.value.details["errors"]}
    assert {"concurrency", "concurrency_key", "uses.nope", "rate.count", "rate.per_s"} == fields


async def test_a_task_without_a_value_for_the_key_is_refused(world: WorkWorld) -> None:
    await shared(world, concurrency_key="parameters.customer")
    with pytest.raises(Invalid) as found:
        await create(world)
    assert "there is no 'customer'" in str(found.value.details)
    with pytest.raises(Invalid):
        await create(world, customer=["a", "list"])


async def test_a_resource_that_is_used_stays(world: WorkWorld) -> None:
    await world.store.write(resources.create, ADMIN, Wanted(label="sap", capacity=1))
    await shared(world, uses={"sap": 1})
    with pytest.raises(Conflict):
        await world.store.write(resources.delete, ADMIN, "sap")
    await shared(world, uses={})
    await world.store.write(resources.delete, ADMIN, "sap")
    assert [] == await world.rows("resources")


@pytest.mark.parametrize(
    ("wanted", "fields"),
    [
        (Wanted(label="a b", capacity=-1), {"label", "capacity"}),
        (Wanted(label="sap"), {"capacity"}),
        (Wanted(label="sap", capacity=1, accounts=["x"]), {"capacity"}),
        (Wanted(label="sap", accounts=["x", "", "x"]), {"accounts.1", "accounts.2"}),
    ],
)
async def test_a_resource_that_cannot_be_says_why(world: WorkWorld, wanted: Wanted, fields: set[str]) -> None:
    with pytest.raises(Invalid) as found:
        await world.store.write(resources.create, ADMIN, wanted)
    assert fields == {error["field"] for error in found.value.details["errors"]}
