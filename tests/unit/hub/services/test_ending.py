"""How tasks end otherwise: cancel, kill, restart, people's reports, late facts, retries (core.md D6, §4)."""

import pytest

from agent.wire.codec import ProtocolError
from agent.wire.facts import FactBody, make_fact
from agent.wire.maestro import TaskUpdate
from agent.wire.messages import FactAck, Forget, Interrupt, Stop
from agent.wire.words import Outcome, OutputState, Reason, ReportStatus, StopCause, TaskState, VoidReason
from hub.domain.output import StoredOutput
from hub.domain.retry import RetryPolicy
from hub.domain.task import TaskView
from hub.errors import Conflict, NotFound
from hub.services import executions, tasks
from hub.services.facts import SessionOver
from tests.support.work_world import (
    WHOLE,
    WORKSPACE,
    PlayedSession,
    WorkWorld,
    exited,
    final,
    report,
    started,
    stop,
    void,
)

ANA = "token:ana"


def stops(session: PlayedSession) -> list[Stop]:
    return [message for message in session.sent if isinstance(message, Stop)]


# --- D6: cancel and kill ---


async def test_a_queued_task_is_canceled_at_once(world: WorkWorld) -> None:
    task = await world.create()
    settled = await world.store.write(tasks.cancel, WORKSPACE, task.id, ANA)
    assert (TaskState.FINISHED, Outcome.CANCELED) == (settled.state, settled.outcome)


async def test_with_a_permit_out_a_cancel_is_a_request(world: WorkWorld) -> None:
    """D6: it is a request until the runner's facts come; the runner is told to stop in the same commit."""
    session = await world.connect()
    world.offer(session)
    task = await world.create()
    shown = await world.store.write(tasks.cancel, WORKSPACE, task.id, ANA)
    assert TaskState.RUNNING == shown.state
    assert ANA == shown.cancel_requested_by
    assert [StopCause.CANCEL] == [message.order.cause for message in stops(session)]
    await world.say(session, world.started_order(session), void(VoidReason.CANCELED))
    settled = await world.show(task)
    assert (Outcome.CANCELED, None) == (settled.outcome, settled.reason)


async def test_with_a_permit_out_a_kill_is_remembered_until_the_order_is_void(world: WorkWorld) -> None:
    """D6, R70, §4: void, and its end was asked: `canceled`; a killed task is never queued again."""
    session = await world.connect()
    world.offer(session)
    task = await world.create()
    shown = await world.store.write(tasks.kill, WORKSPACE, task.id, ANA)
    assert TaskState.RUNNING == shown.state
    await world.say(session, world.started_order(session), void(VoidReason.CANCELED))
    settled = await world.show(task)
    assert (TaskState.FINISHED, Outcome.CANCELED) == (settled.state, settled.outcome)


async def test_a_canceled_bot_settles_by_its_own_facts(world: WorkWorld) -> None:
    """§4: cancel: no report before it: `canceled`; and no credit of another task is touched."""
    task, session, start = await world.running()
    await world.store.write(tasks.cancel, WORKSPACE, task.id, ANA)
    await world.say(session, start, stop(), exited(130, stopped=True), final(), first=2)
    assert Outcome.CANCELED == (await world.show(task)).outcome


async def test_a_cancel_that_came_too_late_changes_nothing(world: WorkWorld) -> None:
    """§4: stop asked, but the bot ended before any signal: no stop happened."""
    task, session, start = await world.running()
    await world.store.write(tasks.cancel, WORKSPACE, task.id, ANA)
    await world.say(session, start, report(), stop(), exited(0), final(), first=2)
    assert Outcome.SUCCEEDED == (await world.show(task)).outcome


async def test_canceling_what_has_finished_is_a_conflict_but_twice_is_none(world: WorkWorld) -> None:
    task = await world.create()
    await world.store.write(tasks.cancel, WORKSPACE, task.id, ANA)
    again = await world.store.write(tasks.cancel, WORKSPACE, task.id, ANA)
    assert Outcome.CANCELED == again.outcome
    done, session, start = await world.running()
    await world.say(session, start, report(), exited(0), final(), first=2)
    with pytest.raises(Conflict, match="has finished"):
        await world.store.write(tasks.cancel, WORKSPACE, done.id, ANA)


async def test_there_is_nothing_to_kill_or_interrupt_in_what_has_finished(world: WorkWorld) -> None:
    """R70: told as it is, never a silence that looks like an effect; the same request again is no error."""
    done, session, start = await world.running()
    await world.say(session, start, report(), exited(0), final(), first=2)
    for verb, act in (("kill", tasks.kill), ("interrupt", tasks.interrupt)):
        with pytest.raises(Conflict, match=rf"^Task 1 has finished \(succeeded\); there is nothing to {verb}\.$"):
            await world.store.write(act, WORKSPACE, done.id, ANA)
    killed = await world.create()
    for _ in range(2):
        assert Outcome.CANCELED == (await world.store.write(tasks.kill, WORKSPACE, killed.id, ANA)).outcome


async def test_a_forced_cancel_settles_at_once_and_raises_the_fence(world: WorkWorld) -> None:
    """D6: `canceled: unconfirmed`, fence + 1; what the runner says later is late and changes nothing."""
    task, session, start = await world.running()
    settled = await world.store.write(lambda tx: tasks.cancel(tx, WORKSPACE, task.id, ANA, force=True))
    assert (Outcome.CANCELED, Reason.UNCONFIRMED, 2) == (settled.outcome, settled.reason, settled.fence)
    await world.say(session, start, report(), exited(0), final(), first=2)
    shown = await world.show(task)
    assert (Outcome.CANCELED, Reason.UNCONFIRMED) == (shown.outcome, shown.reason)
    assert 1 == len(await world.rows("late_reports", execution_id=start.execution_id))
    assert isinstance(session.sent[-1], Forget)


async def test_a_kill_ends_the_tree_and_cancels_what_has_not_begun(world: WorkWorld) -> None:
    queued = await world.create()
    shown = await world.store.write(tasks.kill, WORKSPACE, queued.id, ANA)
    assert Outcome.CANCELED == shown.outcome
    assert shown.interrupt_requested_at is not None
    task, session, start = await world.running()
    await world.store.write(tasks.kill, WORKSPACE, task.id, ANA)
    assert StopCause.KILL == stops(session)[-1].order.cause
    await world.say(session, start, stop(StopCause.KILL), exited(137, stopped=True), final(), first=2)
    settled = await world.show(task)
    assert (Outcome.FAILED, Reason.KILLED) == (settled.outcome, settled.reason)
    assert settled.message == f"terminated on request by {ANA}"


async def test_an_interrupt_is_a_flag_that_the_runner_hears(world: WorkWorld) -> None:
    task, session, start = await world.running()
    shown = await world.store.write(tasks.interrupt, WORKSPACE, task.id, ANA)
    assert shown.interrupt_requested_at is not None
    assert session.sent[-1] == Interrupt(execution_id=start.execution_id, fence=1)
    assert (await world.store.read(tasks.snapshot, WORKSPACE, task.id)).interrupted


# --- rounds ---


async def test_a_restart_is_the_next_round_of_the_number(world: WorkWorld) -> None:
    """§4, rounds: a restart makes a new task linked to the old with the same number."""
    task = await world.create()
    await world.store.write(tasks.cancel, WORKSPACE, task.id, ANA)
    again = await world.store.write(tasks.restart, WORKSPACE, task.id, ANA)
    assert (task.number, 2, TaskState.QUEUED, task.id) == (again.number, again.round, again.state, again.restart_of)
    newest = await world.store.read(tasks.by_number, WORKSPACE, task.number)
    assert again.id == newest.id
    with pytest.raises(Conflict, match="Round 2"):
        await world.store.write(tasks.restart, WORKSPACE, task.id, ANA)
    same = await world.store.write(tasks.restart, WORKSPACE, again.id, ANA)
    assert same.id == again.id, "queued: nothing changes"


async def test_a_restart_while_running_is_remembered_with_its_id(world: WorkWorld) -> None:
    """§4, rounds: inserted after the settlement in the same transaction; it replaces the policy's retry."""
    await world.automation(retry=RetryPolicy(attempts=3))
    task, session, start = await world.running()
    shown = await world.store.write(tasks.restart, WORKSPACE, task.id, ANA)
    assert shown.next_task_id is not None
    with pytest.raises(NotFound):
        await world.show(shown.next_task_id)
    await world.say(session, start, exited(1), final(), first=2)
    assert Outcome.FAILED == (await world.show(task)).outcome
    assert (2, TaskState.QUEUED) == _round(await world.show(shown.next_task_id))


async def test_a_cancel_deletes_a_remembered_restart(world: WorkWorld) -> None:
    task, session, start = await world.running()
    await world.store.write(tasks.restart, WORKSPACE, task.id, ANA)
    await world.store.write(tasks.cancel, WORKSPACE, task.id, ANA)
    await world.say(session, start, stop(), exited(130, stopped=True), final(), first=2)
    assert 1 == len(await world.rows("tasks", number=task.number))


def _round(task: TaskView) -> tuple[int, TaskState]:
    return (task.round, task.state)


# --- people's reports ---

DONE = TaskUpdate.model_validate(
    {"state": "FINISHED", "finishStatus": "PARTIALLY_COMPLETED", "finishMessage": "by hand"}
)


async def test_a_person_finishes_a_queued_task(world: WorkWorld) -> None:
    task = await world.create()
    settled = await world.store.write(tasks.finish_by_person, WORKSPACE, task.id, DONE, ANA)
    assert (Outcome.PARTIAL, "by hand") == (settled.outcome, settled.message)


async def test_a_persons_report_on_a_running_task_counts_when_it_ends(world: WorkWorld) -> None:
    """§4: while running it is a report with its author."""
    task, session, start = await world.running()
    shown = await world.store.write(tasks.finish_by_person, WORKSPACE, task.id, DONE, ANA)
    assert TaskState.RUNNING == shown.state
    assert shown.report is not None
    assert (ReportStatus.PARTIAL, ANA) == (shown.report.status, shown.report.by)
    snapshot = await world.store.read(tasks.snapshot, WORKSPACE, task.id)
    assert "partial" == snapshot.status
    await world.say(session, start, exited(3), final(), first=2)
    assert Outcome.PARTIAL == (await world.show(task)).outcome


async def test_a_person_amends_what_has_settled_and_the_outcome_stands(world: WorkWorld) -> None:
    """§4: a row of its own, shown, evented as `task.amended`; a settlement never changes (G2)."""
    task, session, start = await world.running()
    await world.say(session, start, exited(1), final(), first=2)
    shown = await world.store.write(tasks.finish_by_person, WORKSPACE, task.id, DONE, ANA)
    assert Outcome.FAILED == shown.outcome
    assert shown.amendment is not None
    assert (ReportStatus.PARTIAL, ANA) == (shown.amendment.status, shown.amendment.by)
    assert "task.amended" in [row["kind"] for row in await world.rows("events", task_id=task.id)]


# --- retry ---


async def test_a_policy_tries_again_on_the_same_row(world: WorkWorld) -> None:
    """§4: a retry by policy is a new execution of the same row (`running > queued`)."""
    await world.automation(retry=RetryPolicy(attempts=2))
    task, session, start = await world.running()
    await world.say(session, start, exited(1), final(), first=2)
    assert TaskState.QUEUED == (await world.show(task)).state
    world.offer(session)
    assert await world.grant() is not None
    again = world.started_order(session)
    assert (task.id, 2) == (again.task_id, again.fence)
    await world.say(session, again, started(), exited(1), final())
    settled = await world.show(task)
    assert (TaskState.FINISHED, Outcome.FAILED) == (settled.state, settled.outcome)


# --- facts that do not belong ---


@pytest.mark.parametrize(("attempts", "ended"), [(1, "failed"), (2, None)])
async def test_a_reported_failure_that_is_tried_again_is_not_finished(
    world: WorkWorld, attempts: int, ended: str | None
) -> None:
    """§4: BotCity's view is FINISHED at the first report unless the policy would retry it."""
    await world.automation(retry=RetryPolicy(attempts=attempts))
    task, session, start = await world.running()
    await world.say(session, start, report(ReportStatus.FAILED), first=2)
    snapshot = await world.store.read(tasks.snapshot, WORKSPACE, task.id)
    assert ended == snapshot.status
    # Somebody who cancels takes the policy's place: then the report is the end.
    await world.store.write(tasks.cancel, WORKSPACE, task.id, ANA)
    assert "failed" == (await world.store.read(tasks.snapshot, WORKSPACE, task.id)).status


async def test_a_fact_of_another_session_is_not_taken(world: WorkWorld) -> None:
    """P2: every hub write for a runner is guarded by session_epoch."""
    _, session, start = await world.running()
    await world.connect()
    with pytest.raises(SessionOver):
        await world.say(session, start, report(), first=2)
    assert 1 == len(await world.rows("facts", execution_id=start.execution_id))


async def test_a_hole_or_a_broken_fact_applies_nothing(world: WorkWorld) -> None:
    """P3: no holes, crc32; the group is taken whole or not at all."""
    _, session, start = await world.running()
    with pytest.raises(ProtocolError, match="hole"):
        await world.say(session, start, exited(0), first=3)
    broken = make_fact(start.execution_id, 1, 2, report()).model_copy(update={"crc": 1})
    with pytest.raises(ProtocolError, match="checksum"):
        await world.accept(session, broken)
    with pytest.raises(ProtocolError, match="no move"):
        await world.say(session, start, report(), void(), first=2)
    assert 1 == len(await world.rows("facts", execution_id=start.execution_id))


async def test_facts_that_come_twice_in_one_group_count_once(world: WorkWorld) -> None:
    """R45: what a line doubles is ignored within a group too, and the newest is acknowledged, whatever came last."""
    _, session, start = await world.running()
    facts = [make_fact(start.execution_id, 1, 2, report()), make_fact(start.execution_id, 1, 3, exited(0))]
    await world.accept(session, facts[0], facts[0], facts[1], facts[1], facts[0])
    assert 3 == len(await world.rows("facts", execution_id=start.execution_id))
    assert 3 == [message.seq for message in session.sent if isinstance(message, FactAck)][-1]
    with pytest.raises(ProtocolError, match="hole"):
        await world.accept(session, make_fact(start.execution_id, 1, 5, final(0)), facts[1])


async def test_a_fact_of_another_fence_applies_nothing(world: WorkWorld) -> None:
    """G2, D5: a fence is its grant's: under another one a fact is of an order that this execution is not."""
    _, session, start = await world.running()
    other = start.model_copy(update={"fence": start.fence + 1})
    with pytest.raises(ProtocolError, match="fence"):
        await world.say(session, other, report(), first=2)
    assert 1 == len(await world.rows("facts", execution_id=start.execution_id))


async def test_a_fact_of_another_runners_execution_is_refused(world: WorkWorld) -> None:
    _, _, start = await world.running()
    other = await world.connect("rnr_" + "2" * 32)
    with pytest.raises(ProtocolError, match="not this runner's"):
        await world.say(other, start, report(), first=2)


async def test_a_report_after_the_main_process_was_reaped_is_late(world: WorkWorld) -> None:
    """§4: the gateway refuses a finish once the shim has reaped the main process (late report)."""
    task, session, start = await world.running()
    await world.say(session, start, report(late=True), exited(0), final(), first=2)
    settled = await world.show(task)
    assert (Outcome.FAILED, Reason.NO_REPORT) == (settled.outcome, settled.reason)
    assert 1 == len(await world.rows("late_reports"))


# --- output ---


async def test_it_settles_when_the_rest_of_the_output_has_come(world: WorkWorld) -> None:
    """§3: the exit frees the slot; it settles at `final` with all bytes."""
    task, session, start = await world.running()
    whole = StoredOutput(bytes=5, lines=1, sha256="a" * 64)
    await world.say(session, start, report(), exited(0), final(5, "a" * 64), first=2, whole=False)
    assert TaskState.RUNNING == (await world.show(task)).state
    assert start.execution_id in world.signals.expected_outputs
    await world.store.write(executions.output_arrived, WORKSPACE, start.execution_id, whole)
    settled = await world.show(task)
    assert (Outcome.SUCCEEDED, OutputState.COMPLETE, 5) == (
        settled.outcome,
        settled.output.state,
        settled.output.bytes,
    )
    assert isinstance(session.sent[-1], Forget)


async def test_after_the_grace_it_settles_with_output_arriving(world: WorkWorld) -> None:
    """§3: … or after `output_grace` with `output: arriving`; the rest is still taken and then forgotten."""
    task, session, start = await world.running()
    await world.say(session, start, report(), exited(0), final(5, "a" * 64), first=2, whole=False)
    await world.store.write(executions.settle_overdue, WORKSPACE, start.execution_id)
    settled = await world.show(task)
    assert (Outcome.SUCCEEDED, OutputState.ARRIVING) == (settled.outcome, settled.output.state)
    whole = StoredOutput(bytes=5, lines=1, sha256="b" * 64)
    await world.store.write(executions.output_arrived, WORKSPACE, start.execution_id, whole)
    assert OutputState.DAMAGED == (await world.show(task)).output.state, "a sha mismatch marks the output damaged"
    assert isinstance(session.sent[-1], Forget)


async def test_settling_twice_is_impossible(world: WorkWorld) -> None:
    """G2: a settlement is written once, whatever comes again."""
    task, session, start = await world.running()
    said: list[FactBody] = [report(), exited(0), final()]
    await world.say(session, start, *said, first=2)
    before = [row["id"] for row in await world.rows("events", task_id=task.id)]
    await world.say(session, start, *said, first=2)
    await world.store.write(executions.output_arrived, WORKSPACE, start.execution_id, WHOLE)
    await world.store.write(executions.settle_overdue, WORKSPACE, start.execution_id)
    assert before == [row["id"] for row in await world.rows("events", task_id=task.id)]
    assert 4 == [message.seq for message in session.sent if isinstance(message, FactAck)][-1]


@pytest.mark.parametrize(
    "facts",
    [(exited(), final(), report()), (exited(), final(), final()), (exited(), final(), stop()), (final(), started())],
    ids=["report", "final", "stop", "started"],
)
async def test_nothing_follows_the_final_fact(world: WorkWorld, facts: tuple[FactBody, ...]) -> None:
    """P3: a runner that says more in one breath breaks the protocol: nothing of it is written, the hub has no fault."""
    task, session, start = await world.running()
    with pytest.raises(ProtocolError, match="follows its last one"):
        await world.say(session, start, *facts, first=2)
    assert TaskState.RUNNING == (await world.show(task)).state


@pytest.mark.parametrize("after", [report(), stop(), void(), final()], ids=["report", "stop", "void", "final"])
async def test_nothing_follows_a_void(world: WorkWorld, after: FactBody) -> None:
    """D1: what never started has nothing to say; its task is not queued for another runner by half a group."""
    session = await world.connect()
    world.offer(session)
    task = await world.create()
    with pytest.raises(ProtocolError, match="follows its last one"):
        await world.say(session, world.started_order(session), void(), after)
    assert TaskState.RUNNING == (await world.show(task)).state
