"""Retries by cause on a real store: later, elsewhere, within a budget; a person, a stop, errors in a row (R60, D9)."""

import contextlib
from datetime import timedelta
from typing import Any

import pytest

from agent.wire.codec import ProtocolError
from agent.wire.facts import ExitFact, FactBody
from agent.wire.messages import Start
from agent.wire.words import ExitKind, Outcome, Reason, ReportStatus, TaskState
from hub.domain.execution import ExecutionEvent
from hub.domain.queue import QueueDefinition
from hub.domain.retry import BUDGET_FLOOR, Cause, CausePolicy, RetryPolicy, Route
from hub.domain.task import TaskView
from hub.domain.trigger import TriggerKind
from hub.errors import Conflict
from hub.services import item_adding, items, queues, settlement, tasks, triggers, waiting
from hub.services.item_adding import NewItem
from hub.services.loops import Dispatcher, DueClock
from hub.services.triggers import NewTrigger
from hub.storage import executions as execution_rows
from hub.storage.transaction import Done, Transaction
from tests.support.work_world import (
    ADMIN,
    OTHER_RUNNER,
    WORKSPACE,
    PlayedSession,
    WorkWorld,
    exited,
    final,
    report,
    started,
)

ANA = "token:ana"
AT_ONCE = {"base_s": 0.0, "cap_s": 0.0}


def machine(**policy: Any) -> RetryPolicy:
    """A policy for the machine's failures."""
    return RetryPolicy(causes={Cause.MACHINE: CausePolicy(**policy)})


def killed() -> ExitFact:
    """The shim was killed: nobody saw how the bot ended."""
    return ExitFact(at=exited().at, how=ExitKind.SUPERVISOR_LOST)


async def fails(world: WorkWorld, session: PlayedSession, start: Start, *how: FactBody, first: int = 2) -> None:
    await world.say(session, start, *(how or (killed(),)), final(), first=first)


async def next_one(world: WorkWorld, session: PlayedSession) -> Start:
    """The next execution runs there."""
    world.offer(session)
    assert await world.grant() is not None
    start = world.started_order(session)
    await world.say(session, start, started())
    return start


async def events(world: WorkWorld, task: TaskView, kind: str) -> list[dict[str, Any]]:
    return [row for row in await world.rows("events", task_id=task.id) if row["kind"] == kind]


async def why(world: WorkWorld, task: TaskView) -> list[tuple[str, str]]:
    found = await world.store.read(waiting.why, WORKSPACE, task.id, world.book.offers(WORKSPACE))
    return [(reason.code, reason.message) for reason in found]


async def test_a_failure_of_the_machine_waits_and_is_queued_when_its_pause_is_over(world: WorkWorld) -> None:
    """R60: full jitter below base; the event says the moment and why; `why` says which attempt comes."""
    await world.automation(retry=machine(limit=2, base_s=60, cap_s=600))
    task, session, start = await world.running()
    await fails(world, session, start)
    shown = await world.show(task)
    assert TaskState.WAITING == shown.state
    assert shown.not_before is not None
    assert timedelta() <= shown.not_before - world.clock.now() <= timedelta(seconds=60)
    (event,) = await events(world, task, "task.retried")
    assert ("running", "waiting", start.execution_id) == (event["old"], event["new"], event["cause"])
    assert ("machine", 1, 2, "supervisor_lost") == tuple(event["data"][k] for k in ("cause", "nth", "limit", "reason"))
    assert shown.not_before.isoformat() == event["data"]["not_before"]
    if shown.not_before > world.clock.now():
        ((code, message),) = await why(world, task)
        assert "not_before" == code
        assert "attempt 2 of 3 after failed: supervisor_lost" in message
    world.clock.advance(61)
    await world.store.write(tasks.queue_due)
    again = await next_one(world, session)
    assert (start.fence + 1, task.id) == (again.fence, again.task_id)


async def test_the_due_clock_wakes_for_a_retry(world: WorkWorld) -> None:
    """Nobody sweeps for it: the settlement rings the clock that sleeps until the earliest moment."""
    await world.automation(retry=machine(base_s=60))
    task, session, start = await world.running()
    await world.signals.due.collect(0.0)
    await fails(world, session, start)
    assert ("",) == await world.signals.due.collect(0.0)
    world.clock.advance(61)
    await DueClock(world.store, world.signals, world.clock)._step()
    assert TaskState.QUEUED == (await world.show(task)).state


async def test_a_cause_is_tried_so_often_and_then_a_person_is_asked(world: WorkWorld) -> None:
    """Each cause has its own counter; who looks at it restarts it, and the alert is over."""
    await world.automation(retry=machine(limit=1, then=Route.PERSON, **AT_ONCE))
    task, session, start = await world.running()
    await fails(world, session, start)
    assert TaskState.QUEUED == (await world.show(task)).state
    again = await next_one(world, session)
    await fails(world, session, again)
    shown = await world.show(task)
    assert (TaskState.FINISHED, Reason.SUPERVISOR_LOST) == (shown.state, shown.reason)
    assert 1 == len(await events(world, task, "task.needs_person"))
    assert [None] == [row["resolved_at"] for row in await world.rows("alerts", kind="task_needs_person")]
    await world.store.write(tasks.restart, WORKSPACE, task.id, ANA)
    assert [True] == [bool(row["resolved_at"]) for row in await world.rows("alerts", kind="task_needs_person")]


async def test_a_cause_without_a_policy_is_not_tried_again(world: WorkWorld) -> None:
    await world.automation(retry=machine(limit=5, **AT_ONCE))
    task, session, start = await world.running()
    await fails(world, session, start, exited(1))
    assert Outcome.FAILED == (await world.show(task)).outcome
    assert [] == await events(world, task, "task.skipped"), "no policy, no route to tell"


async def test_skip_is_told(world: WorkWorld) -> None:
    """Every route is an event."""
    await world.automation(retry=RetryPolicy(attempts=5, causes={Cause.BUSINESS: CausePolicy(route=Route.SKIP)}))
    task, session, start = await world.running()
    await fails(world, session, start, report(ReportStatus.FAILED), exited(0))
    assert Outcome.FAILED == (await world.show(task)).outcome
    assert 1 == len(await events(world, task, "task.skipped"))


async def test_it_goes_to_another_runner_and_comes_back_when_there_is_none(world: WorkWorld) -> None:
    """`other_runner`: a credit of the runner that it failed on is not used for it; `why` says so."""
    await world.automation(retry=machine(limit=3, route=Route.OTHER_RUNNER, **AT_ONCE))
    task, session, start = await world.running()
    beside = await world.connect(OTHER_RUNNER)
    await fails(world, session, start)
    world.offer(session)
    assert await world.grant() is None
    assert ("other_runner", True) in [(code, "kept from vm1" in text) for code, text in await why(world, task)]
    world.offer(beside)
    await Dispatcher(world.store, world.book, world.signals, sweep_s=5.0).serve(WORKSPACE)
    assert (OTHER_RUNNER, TaskState.RUNNING) == ((await world.show(task)).runner_id, (await world.show(task)).state)
    again = world.started_order(beside)
    await world.say(beside, again, started())
    await fails(world, beside, again)
    await world.disconnect(session)
    world.clock.advance(901)
    world.offer(beside)
    await Dispatcher(world.store, world.book, world.signals, sweep_s=5.0).serve(WORKSPACE)
    assert TaskState.RUNNING == (await world.show(task)).state, "the other one is gone: better here than never"


async def test_a_task_that_avoids_a_runner_holds_up_nobody_there(world: WorkWorld) -> None:
    await world.automation(retry=machine(limit=3, route=Route.OTHER_RUNNER, **AT_ONCE))
    _, session, start = await world.running()
    await world.connect(OTHER_RUNNER)
    await fails(world, session, start)
    younger = await world.create()
    world.offer(session)
    granted = await world.grant()
    assert granted is not None
    assert younger.id == granted.task_id


async def test_a_lost_keep_bot_is_not_tried_again(world: WorkWorld) -> None:
    """D9: it may be running; whatever the policy says."""
    await world.automation(retry=machine(limit=5, then=Route.PERSON, **AT_ONCE))
    task, _, start = await world.running()

    def lose(tx: Transaction) -> Done[None]:
        row = execution_rows.get(tx, WORKSPACE, start.execution_id, lock=True)
        assert row is not None
        return Done(None, settlement.conclude(tx, row, ExecutionEvent.LOST, is_over=True))

    await world.store.write(lose)
    shown = await world.show(task)
    assert (TaskState.FINISHED, Outcome.LOST) == (shown.state, shown.outcome)
    assert 1 == len(await events(world, task, "task.needs_person"))


async def test_a_canceled_task_is_not_tried_again_nor_shown_to_a_person(world: WorkWorld) -> None:
    """Somebody's word takes the policy's place."""
    await world.automation(retry=machine(limit=5, then=Route.PERSON, **AT_ONCE))
    task, session, start = await world.running()
    await world.store.write(tasks.kill, WORKSPACE, task.id, ANA)
    await fails(world, session, start)
    assert TaskState.FINISHED == (await world.show(task)).state
    assert [] == await events(world, task, "task.needs_person")


async def test_the_hour_has_a_budget_for_tries_again(world: WorkWorld) -> None:
    """R60: at most a fifth of an automation's starts, at least what one task may use."""
    await world.automation(retry=machine(limit=2, **AT_ONCE))
    session = await world.connect()
    for _ in range(BUDGET_FLOOR // 2):
        task = await one(world, session)
        for _ in range(2):
            await fails(world, session, world.started_order(session))
            await next_one(world, session)
        await fails(world, session, world.started_order(session))
        assert [] == await events(world, task, "task.retry_refused")
    refused = await one(world, session)
    await fails(world, session, world.started_order(session))
    assert Outcome.FAILED == (await world.show(refused)).outcome
    assert 1 == len(await events(world, refused, "task.retry_refused"))
    world.clock.advance(3601)
    task = await one(world, session)
    await fails(world, session, world.started_order(session))
    assert TaskState.QUEUED == (await world.show(task)).state
    assert 1 == len(await world.rows("retries")), "what is older than the hour is forgotten"


async def one(world: WorkWorld, session: PlayedSession) -> TaskView:
    world.offer(session)
    task = await world.create()
    await world.say(session, world.started_order(session), started())
    return task


async def test_errors_in_a_row_stop_the_automation_until_somebody_says_so(world: WorkWorld) -> None:
    """A success ends the row; the automation is paused with a reason and an alert, once."""
    await world.automation(retry={"stop_after": 2})
    session = await world.connect()
    for how in (exited(1), exited(0), exited(1), exited(1)):
        facts = (report(), how) if how.code == 0 else (how,)
        await one(world, session)
        await fails(world, session, world.started_order(session), *facts)
    (row,) = await world.rows("automations", label="invoices")
    assert ("paused", 2) == (row["state"], row["failed_in_a_row"])
    assert "2 tasks in a row failed" in row["paused_why"]
    with pytest.raises(Conflict, match="2 tasks in a row failed"):
        await world.create()
    assert 1 == len(await world.rows("alerts", kind="automation_paused", resolved_at=None))
    assert 1 == len(await world.rows("events", kind="automation.paused"))
    await world.automation(state="active")
    assert [] == await world.rows("alerts", kind="automation_paused", resolved_at=None)
    (row,) = await world.rows("automations", label="invoices")
    assert ("active", None, 0) == (row["state"], row["paused_why"], row["failed_in_a_row"])


async def test_a_stop_takes_effect_at_the_first_failure_of_its_cause(world: WorkWorld) -> None:
    await world.automation(retry=machine(route=Route.STOP))
    task, session, start = await world.running()
    await fails(world, session, start)
    (row,) = await world.rows("automations", label="invoices")
    assert ("paused", True) == (row["state"], f"task {task.number}" in row["paused_why"])


async def test_a_stop_stops_the_queues_that_the_automation_works_on(world: WorkWorld) -> None:
    """Nothing is handed out of them, and nobody is started for them, until somebody resumes them."""
    await world.automation(retry=machine(route=Route.STOP))
    for label in ("orders", "other"):
        await world.store.write(queues.create, ADMIN, QueueDefinition(label=label))
    new = NewTrigger(label="work", automation="invoices", kind=TriggerKind.QUEUE, definition={"queue": "orders"})
    await world.store.write(triggers.create, ADMIN, new)
    task, session, start = await world.running()
    await world.store.write(item_adding.add, ADMIN, "orders", NewItem(payload={}))
    await fails(world, session, start)
    states = {row["label"]: (row["state"], row["paused_why"] or "") for row in await world.rows("queues")}
    assert states["other"] == ("active", "")
    assert states["orders"][0] == "paused"
    assert f"invoices: task {task.number}" in states["orders"][1]
    assert [] == await world.store.write(items.take, ADMIN, "orders", 1)
    assert 1 == len(await world.rows("events", kind="queue.paused"))
    assert 1 == len(await world.rows("events", kind="task.stopped_work"))
    assert 1 == len(await world.rows("alerts", kind="queue_paused", resolved_at=None))
    await world.store.write(queues.resume, WORKSPACE, "orders", "ana")
    assert [] == await world.rows("alerts", kind="queue_paused", resolved_at=None)


async def test_the_same_end_told_twice_is_tried_again_once(world: WorkWorld) -> None:
    """The fence has grown: a second settlement of the same execution changes nothing."""
    await world.automation(retry=machine(limit=5, **AT_ONCE))
    task, session, start = await world.running()
    await fails(world, session, start)
    with contextlib.suppress(ProtocolError):  # either way nothing more happens
        await fails(world, session, start)
    assert 1 == len(await events(world, task, "task.retried"))
    assert [{"machine": 1}] == [row["tries"] for row in await world.rows("tasks", id=task.id)]
