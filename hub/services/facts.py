"""Facts: what runners know for certain, taken once each, acknowledged after the commit (G1, P3, core.md §3).

A fact comes for an execution of the session's own runner, in order of `seq` without holes. A repeated one is
acknowledged again; one of an execution that has settled, or whose fence is stale, is kept as late and changes nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import assert_never

from agent.wire.codec import ProtocolError
from agent.wire.facts import ArtifactFact, ExitFact, Fact, FinalFact, ReportFact, StartedFact, StopFact, VoidFact
from agent.wire.limits import MESSAGE_TEXT_MAX
from agent.wire.messages import FactAck
from agent.wire.words import BuildState, ExecutionState, Reason, StopCause, TaskState, VoidReason
from hub.domain.execution import ExecutionEvent
from hub.domain.execution import move as move_execution
from hub.domain.output import StoredOutput
from hub.domain.task import IllegalMove, TaskEvent
from hub.domain.task import move as move_task
from hub.services import settlement
from hub.services.effects import OrderStarted, OrderVoided, OutputFinished, SendToRunner, WakeDispatch
from hub.storage import executions, runners, tasks
from hub.storage.counters import take_number
from hub.storage.executions import ExecutionRow
from hub.storage.tasks import TaskRow
from hub.storage.transaction import Done, Effect, NewEvent, Transaction

_ARTIFACTS = "artifact"
_SETTLED = frozenset({ExecutionState.FINISHED, ExecutionState.VOID})


class SessionOver(Exception):  # noqa: N818 - a state, not a fault
    """The session that this came through is not the runner's session any more: nothing was written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionKey:
    """The session through which something came; every write for its runner is guarded by its epoch (P2)."""

    workspace_id: str
    runner_id: str
    epoch: int


def accept(
    tx: Transaction, session: SessionKey, incoming: Sequence[Fact], stored: Mapping[str, StoredOutput]
) -> Done[None]:
    """Take facts in their order; all or none. `stored` holds the outputs that are whole already, by execution.

    Raises SessionOver, and ProtocolError for a hole, a broken checksum or a fact that can't be: the link is closed.
    """
    guard(tx, session)
    effects: list[Effect] = []
    acked: dict[str, Fact] = {}
    for fact in incoming:
        effects += _accept_one(tx, session, fact, stored)
        known = acked.get(fact.execution_id)
        if known is None or fact.seq > known.seq:
            acked[fact.execution_id] = fact
    # Acks go first: a `Forget` behind them must not meet a fact that the runner still thinks unacknowledged.
    acks = [_ack(session, fact) for fact in acked.values()]
    return Done(None, [*acks, *effects])


def guard(tx: Transaction, session: SessionKey) -> None:
    """Raise SessionOver unless the session is still its runner's; holds it so until the transaction ends."""
    if runners.holds_session(tx, session.workspace_id, session.runner_id, session.epoch) is None:
        raise SessionOver(f"session {session.epoch} of {session.runner_id} is over")


def _accept_one(
    tx: Transaction, session: SessionKey, fact: Fact, stored: Mapping[str, StoredOutput]
) -> Sequence[Effect]:
    if not fact.is_intact():
        raise ProtocolError(f"fact {fact.seq} of {fact.execution_id} does not match its checksum")
    execution = executions.get(tx, session.workspace_id, fact.execution_id, lock=True)
    if execution is None or execution.runner_id != session.runner_id or execution.fence != fact.fence:
        raise ProtocolError(f"fact {fact.seq} is of {fact.execution_id}, which is not this runner's")
    if fact.seq <= execution.last_fact:
        return ()
    if not executions.note_fact(tx, session.workspace_id, execution.id, fact.seq):
        raise ProtocolError(f"fact {fact.seq} of {execution.id} came after fact {execution.last_fact}: a hole")
    task = tasks.get(tx, session.workspace_id, execution.task_id, lock=True)
    assert task is not None
    is_late = execution.state in _SETTLED or task.fence != execution.fence
    values = {"execution_id": execution.id, "seq": fact.seq, "kind": fact.body.kind, "fence": fact.fence}
    executions.insert_fact(
        tx, session.workspace_id, {**values, "body": fact.body.model_dump(mode="json"), "late": is_late}
    )
    # What is decided below is written with the guard of this row's state, and the count of facts as it is now.
    execution = replace(execution, last_fact=fact.seq)
    if is_late:
        return _take_late(tx, execution, task, fact, stored)
    return _take(tx, execution, task, fact, stored)


def _take(
    tx: Transaction, execution: ExecutionRow, task: TaskRow, fact: Fact, stored: Mapping[str, StoredOutput]
) -> Sequence[Effect]:
    """A fact of the execution that the task has now."""
    body = fact.body
    match body:
        case StartedFact():
            return _started(tx, execution, task, body)
        case VoidFact():
            return _void(tx, execution, task, body)
        case ReportFact():
            return _report(tx, execution, task, fact, body)
        case StopFact():
            return _stop(tx, execution, fact, body)
        case ArtifactFact():
            return _artifact(tx, execution, task, body)
        case ExitFact():
            return _exit(tx, execution, body)
        case FinalFact():
            return final(tx, execution, body, stored.get(execution.id))
    assert_never(body)


def _started(tx: Transaction, execution: ExecutionRow, task: TaskRow, body: StartedFact) -> list[Effect]:
    _move(tx, execution, ExecutionEvent.STARTED, {"started_at": body.at})
    tasks.started(tx, task.workspace_id, task.id, task.fence, body.at)
    return [OrderStarted(runner_id=execution.runner_id, epoch=execution.epoch)]


def _void(tx: Transaction, execution: ExecutionRow, task: TaskRow, body: VoidFact) -> list[Effect]:
    """Never started: granted again without being counted, unless somebody has ended the task meanwhile (D7, D9)."""
    _following(execution, ExecutionState(execution.state), ExecutionEvent.VOID)
    voided = OrderVoided(
        workspace_id=execution.workspace_id,
        runner_id=execution.runner_id,
        epoch=execution.epoch,
        build_id=execution.build_id,
        reason=body.reason,
    )
    executions.change(tx, execution, {"void_reason": body.reason})
    released = release(tx, execution, task, ExecutionEvent.VOID, body.reason)
    return [voided, *settlement.forget_effects(tx, execution), *released]


def release(tx: Transaction, execution: ExecutionRow, task: TaskRow, event: ExecutionEvent, why: str) -> list[Effect]:
    """What follows from "never started": settle a task that was canceled or reported meanwhile, else queue it again."""
    if task.cancel_requested_at or task.kill_requested_at or execution.report:
        return settlement.conclude(tx, execution, event, cause=why)
    state = ExecutionState(execution.state)
    if state is ExecutionState.GRANTED:
        _move(tx, execution, event, {"settled_at": tx.now}, cause=why)
    target = tasks.target(tx, task.workspace_id, task.id)
    is_gone = target.build_id is None or target.build_state == BuildState.REJECTED
    if is_gone and why == VoidReason.BUILD_GONE:
        return settlement.refuse(tx, task, Reason.BUILD_GONE, "its build is gone, on the runner and in the hub")
    if not tasks.requeue(tx, task.workspace_id, task.id, task.fence):
        raise RuntimeError(f"task {task.id} changed under its own lock")
    tx.record(
        NewEvent(
            workspace_id=task.workspace_id,
            kind="task.queued",
            subject=task.id,
            actor="hub",
            old=TaskState.RUNNING,
            new=move_task(task.id, TaskState.RUNNING, TaskEvent.VOIDED),
            cause=why,
            task_id=task.id,
            execution_id=execution.id,
            runner_id=execution.runner_id,
        )
    )
    return [WakeDispatch(workspace_id=task.workspace_id)]


def _report(tx: Transaction, execution: ExecutionRow, task: TaskRow, fact: Fact, body: ReportFact) -> list[Effect]:
    """The last report in time wins; one after the main process was reaped is a late report (core.md §4)."""
    if body.late:
        return _late_report(tx, execution, fact)
    text = body.message[:MESSAGE_TEXT_MAX] if body.message else body.message
    totals = body.totals.model_dump() if body.totals else None
    report = {"status": body.status, "message": text, "totals": totals}
    executions.change(tx, execution, {"report": report, "report_seq": fact.seq, "reported_at": body.at})
    tasks.note(tx, task.workspace_id, task.id, {"reported_at": task.reported_at or body.at})
    _record(tx, execution, "task.reported", subject=task.id, new=body.status)
    return []


def _stop(tx: Transaction, execution: ExecutionRow, fact: Fact, body: StopFact) -> list[Effect]:
    """The first durable cause counts; a later one only shortens the ladder."""
    if execution.stop_cause is None:
        executions.change(tx, execution, {"stop_cause": body.cause, "stop_seq": fact.seq})
    _record(tx, execution, "execution.stopping", new=StopCause(body.cause), data={"by": body.by})
    return []


def _artifact(tx: Transaction, execution: ExecutionRow, task: TaskRow, body: ArtifactFact) -> list[Effect]:
    values = {
        "id": take_number(tx, execution.workspace_id, _ARTIFACTS),
        "task_id": task.id,
        "task_number": task.number,
        "execution_id": execution.id,
        "name": body.name,
        "sha256": body.sha256,
        "size_bytes": body.size_bytes,
        "content_type": body.content_type,
    }
    executions.insert_artifact(tx, execution.workspace_id, values)
    _record(tx, execution, "artifact.attached", data={"id": values["id"], "name": body.name})
    return []


def _exit(tx: Transaction, execution: ExecutionRow, body: ExitFact) -> list[Effect]:
    values = {"ended_at": body.at, "exit_code": body.code, "exit_signal": body.signal, "exit_reason": body.how}
    _move(tx, execution, ExecutionEvent.EXIT, values)
    if body.survivors:
        named = [f"{survivor.pid} {survivor.command}"[:200] for survivor in body.survivors[:20]]
        _record(tx, execution, "execution.survivors", data={"survivors": named})
    return []


def final(tx: Transaction, execution: ExecutionRow, body: FinalFact, stored: StoredOutput | None) -> list[Effect]:
    """The last fact: settle if all of the output is here, else wait for the rest (core.md §3, §4)."""
    if execution.state == ExecutionState.RUNNING:
        # Nobody saw the exit: it has ended all the same, and settles as an unknown one.
        _move(tx, execution, ExecutionEvent.EXIT, {"ended_at": body.at})
        execution = replace(execution, state=ExecutionState.ENDING, ended_at=body.at)
    values = settlement.output_values(body, stored)
    executions.change(tx, execution, values)
    if stored is None:
        expected = OutputFinished(
            workspace_id=execution.workspace_id, execution_id=execution.id, output_bytes=body.output_bytes
        )
        return [expected]
    if execution.state != ExecutionState.ENDING:
        return settlement.forget_effects(tx, execution)
    return [*settlement.conclude(tx, execution, cause="final"), *settlement.forget_effects(tx, execution)]


def _take_late(
    tx: Transaction, execution: ExecutionRow, task: TaskRow, fact: Fact, stored: Mapping[str, StoredOutput]
) -> Sequence[Effect]:
    """A fact of an execution that is over for the hub: kept, and it changes no outcome."""
    match fact.body:
        case ReportFact():
            return _late_report(tx, execution, fact)
        case ArtifactFact():
            return _artifact(tx, execution, task, fact.body)
        case FinalFact():
            return final(tx, execution, fact.body, stored.get(execution.id))
        case VoidFact():
            return settlement.forget_effects(tx, execution)
        case StartedFact() | StopFact() | ExitFact():
            _record(tx, execution, "execution.late_fact", data={"fact": fact.body.kind, "seq": fact.seq})
            return []
    assert_never(fact.body)


def _late_report(tx: Transaction, execution: ExecutionRow, fact: Fact) -> list[Effect]:
    body = fact.body.model_dump(mode="json")
    late_id = executions.insert_late_report(tx, execution.workspace_id, execution.id, fact.seq, body)
    _record(tx, execution, "task.reported_late", subject=execution.task_id, data={"late_report": late_id})
    return []


def _move(
    tx: Transaction,
    execution: ExecutionRow,
    event: ExecutionEvent,
    values: Mapping[str, object],
    cause: str | None = None,
) -> None:
    """Write a move of an execution with its event row. Raises ProtocolError where the machine has no such move."""
    old = ExecutionState(execution.state)
    new = _following(execution, old, event)
    if not executions.change(tx, execution, {**values, "state": new}):
        raise RuntimeError(f"execution {execution.id} changed under its own lock")
    _record(tx, execution, f"execution.{new}", old=old, new=new, cause=cause)


def _following(execution: ExecutionRow, old: ExecutionState, event: ExecutionEvent) -> ExecutionState:
    """The state that follows. A fact out of its order is the runner's breach, not a defect of the hub."""
    try:
        return move_execution(execution.id, old, event)
    except IllegalMove as error:
        raise ProtocolError(str(error)) from error


def _record(  # noqa: PLR0913 - an event, field by field
    tx: Transaction,
    execution: ExecutionRow,
    kind: str,
    *,
    subject: str | None = None,
    old: str | None = None,
    new: str | None = None,
    cause: str | None = None,
    data: Mapping[str, object] | None = None,
) -> None:
    event = NewEvent(
        workspace_id=execution.workspace_id,
        kind=kind,
        subject=subject or execution.id,
        actor=f"runner:{execution.runner_id}",
        old=old,
        new=new,
        cause=cause,
        task_id=execution.task_id,
        execution_id=execution.id,
        runner_id=execution.runner_id,
        data=data,
    )
    tx.record(event)


def _ack(session: SessionKey, fact: Fact) -> SendToRunner:
    message = FactAck(execution_id=fact.execution_id, fence=fact.fence, seq=fact.seq)
    return SendToRunner(runner_id=session.runner_id, epoch=session.epoch, message=message)
