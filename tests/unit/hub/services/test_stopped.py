"""An automation that a failure stopped: what waits of it is kept, `why` says so, and who resumes it lets it go on."""

import asyncio

import pytest

from agent.wire.messages import Preparation
from agent.wire.words import Outcome, PreparationState, TaskState
from hub.domain.automation import AutomationState, Definition
from hub.domain.retry import Cause, CausePolicy, RetryPolicy, Route
from hub.errors import Conflict
from hub.services import automations, dispatch, preparations
from hub.services.loops import Dispatcher
from hub.storage import automations as automation_rows
from hub.storage.transaction import Done, Transaction
from tests.support.sharing import create, orders, serve, why
from tests.support.work_world import ADMIN, BUILD, RUNNER, WORKSPACE, PlayedSession, WorkWorld, exited, final

STOPS = RetryPolicy(causes={cause: CausePolicy(route=Route.STOP) for cause in (Cause.BOT, Cause.NEVER_STARTED)})


async def stopped(world: WorkWorld) -> tuple[int, str, PlayedSession]:
    """One task failed and stopped its automation while another one waited: the failed one's number, and that one."""
    task, session, start = await world.running()
    waits = await create(world)
    await world.say(session, start, exited(1), final(), first=2)
    return task.number, waits, session


async def test_what_waits_is_kept_and_goes_on_at_once_when_somebody_resumes_it(world: WorkWorld) -> None:
    """No new task, no start by the loop, the fast path or a tick; the edit that ends it rings the loop's bell."""
    await world.automation(retry=STOPS)
    number, waits, session = await stopped(world)
    with pytest.raises(Conflict, match=f"task {number} failed: exit_code"):
        await world.create()
    world.offer(session)
    await serve(world)
    assert await world.grant() is None
    assert TaskState.QUEUED == (await world.show(waits)).state
    assert [] == (await world.store.read(dispatch.openings, WORKSPACE)).found

    (code, message, remedy), *others = await why(world, waits)
    assert ("stopped", True, True) == (code, f"task {number} failed" in message, "since 20" in message)
    assert "botyard automation edit invoices --unpause" in remedy
    assert "next" not in [code for code, _, _ in others]

    dispatcher = Dispatcher(world.store, world.book, world.signals, sweep_s=3600)
    await world.signals.dispatch.collect(0)
    async with asyncio.TaskGroup() as group:
        group.create_task(dispatcher._step())
        await world.automation(state=AutomationState.ACTIVE)
    assert waits == orders(session)[-1].task_id
    assert ["permit_out"] == [code for code, _, _ in await why(world, waits)]


async def test_only_somebody_who_resumes_it_ends_a_stop(world: WorkWorld) -> None:
    """Neither another edit nor a pause on top of it lets anything start."""
    await world.automation(retry=STOPS)
    _, waits, session = await stopped(world)
    world.offer(session)
    for changes in ({"priority": 9}, {"state": AutomationState.PAUSED}):
        await world.automation(**changes)
        await serve(world)
        assert TaskState.QUEUED == (await world.show(waits)).state
        assert "stopped" == (await why(world, waits))[0][0]
    assert 1 == len(await world.rows("alerts", kind="automation_paused", resolved_at=None))


async def test_a_pause_of_a_person_lets_go_on_what_waits_and_a_stop_comes_on_top(world: WorkWorld) -> None:
    """The two are told apart: paused takes no new tasks, stopped starts none either."""
    await world.automation(retry=STOPS, state=AutomationState.PAUSED)
    await world.automation(state=AutomationState.ACTIVE)
    _, session, start = await world.running()
    first, second = await create(world), await create(world)
    await world.automation(state=AutomationState.PAUSED)
    world.offer(session, 1)
    await serve(world)
    assert first == orders(session)[-1].task_id
    await world.say(session, start, exited(1), final(), first=2)
    world.offer(session)
    await serve(world)
    assert TaskState.QUEUED == (await world.show(second)).state
    assert ["paused"] == [row["old"] for row in await world.rows("events", kind="automation.paused")]


async def test_errors_in_a_row_keep_what_waits_too_and_nobody_elses(world: WorkWorld) -> None:
    await world.automation(retry=RetryPolicy(stop_after=1))
    await world.store.write(automations.create, ADMIN, Definition(label="plain", bot="invoices"))
    _, waits, session = await stopped(world)
    other = await world.create("plain")
    world.offer(session)
    await serve(world)
    assert other.id == orders(session)[-1].task_id
    assert "stopped" == (await why(world, waits))[0][0]


async def test_a_stop_between_the_loops_look_and_its_grant_is_seen(world: WorkWorld) -> None:
    """The loop looks for kinds in one transaction and grants in another; another automation's task starts instead."""
    await world.store.write(automations.create, ADMIN, Definition(label="plain", bot="invoices"))
    waits, session = await create(world), await world.connect()
    other = await world.create("plain")
    world.offer(session)
    kinds = await world.store.read(dispatch.waiting_kinds, WORKSPACE)
    assert 2 == len(kinds)
    await world.store.write(_stop)
    credit = world.book.take_any(WORKSPACE)
    assert credit is not None
    assert 1 == await world.store.write(dispatch.grant_each, [credit], kinds, urgent=True)
    assert (TaskState.QUEUED, TaskState.RUNNING) == ((await world.show(waits)).state, (await world.show(other)).state)


async def test_an_environment_that_stops_the_automation_refuses_one_task(world: WorkWorld) -> None:
    """What else waits for the same build is kept for whoever mends it."""
    await world.automation(retry=STOPS)
    session = await world.connect(prepared=())
    made = [await create(world) for _ in range(3)]
    failed = Preparation(build_id=BUILD, state=PreparationState.FAILED, message="no Python 3.9", permanent=True)
    await world.store.write(preparations.record, WORKSPACE, RUNNER, session.epoch, failed)
    assert 1 == await world.store.write(dispatch.refuse_hopeless, WORKSPACE)
    assert 0 == await world.store.write(dispatch.refuse_hopeless, WORKSPACE)
    shown = [await world.show(one) for one in made]
    assert [Outcome.REFUSED, None, None] == [one.outcome for one in shown]


def _stop(tx: Transaction) -> Done[None]:
    (row,) = [one for one in automation_rows.page(tx, WORKSPACE, "", 10) if one.label == "invoices"]
    assert automation_rows.stop(tx, WORKSPACE, row.id, "a test")
    assert not automation_rows.stop(tx, WORKSPACE, row.id, "again")
    return Done(None)
