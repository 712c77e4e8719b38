"""Facts: what runners know for certain, taken once each, acknowledged after the commit (G1, P3, core.md §3).

A fact comes for an execution of the session's own runner, in order of `seq` without holes. A repeated one is
acknowledged again; one of an execution that has settled (its fence is stale then) is kept as late and changes nothing.
"""

from collections.abc import Mapping, Sequence
from typing import assert_never

from agent.wire.codec import ProtocolError
from agent.wire.facts import (
    ArtifactFact,
    ExitFact,
    Fact,
    FinalFact,
    ReportFact,
    RowFact,
    SaidFact,
    StartedFact,
    StopFact,
    VoidFact,
)
from agent.wire.limits import MESSAGE_TEXT_MAX
from agent.wire.messages import FactAck, Forget
from agent.wire.words import BuildState, ExecutionState, Reason, StopCause, TaskState, VoidReason
from hub.domain.execution import ExecutionEvent
from hub.domain.output import StoredOutput
from hub.domain.task import TaskEvent
from hub.domain.task import move as move_task
from hub.services import held, holds, said, settlement, strangers
from hub.services.effects import OrderStarted, OrderVoided, OutputFinished, SendToRunner, WakeDispatch
from hub.services.subject import SessionKey, Subject, following, record
from hub.storage import artifacts, executions, runners, tasks
from hub.storage.executions import ExecutionRow
from hub.storage.transaction import Done, Effect, NewEvent, Transaction

_SETTLED = frozenset({ExecutionState.FINISHED, ExecutionState.VOID})


class SessionOver(Exception):  # noqa: N818 - a state, not a fault
    """The session that this came through is not the runner's session any more: nothing was written."""


def accept(
    tx: Transaction, session: SessionKey, incoming: Sequence[Fact], stored: Mapping[str, StoredOutput]
) -> Done[None]:
    """Take facts in their order; all or none. `stored` holds the outputs that are whole already, by execution.

    Raises SessionOver, and ProtocolError for a hole, a broken checksum or a fact that can't be: the link is closed.
    """
    guard(tx, session)
    groups: dict[str, list[Fact]] = {}
    for fact in incoming:
        groups.setdefault(fact.execution_id, []).append(fact)
    effects: list[Effect] = []
    # Acks go first: a `Forget` behind them must not meet a fact that the runner still thinks unacknowledged.
    for group in groups.values():
        # One that came again (R45) must not take back what the newest is told.
        effects.append(_ack(session, max(group, key=lambda fact: fact.seq)))
        effects += _accept_group(tx, session, group, stored.get(group[0].execution_id))
    return Done(None, effects)


def guard(tx: Transaction, session: SessionKey) -> None:
    """Raise SessionOver unless the session is still its runner's; holds it so until the transaction ends."""
    if runners.holds_session(tx, session.workspace_id, session.runner_id, session.epoch) is None:
        raise SessionOver(f"session {session.epoch} of {session.runner_id} is over")


def _accept_group(
    tx: Transaction, session: SessionKey, group: Sequence[Fact], stored: StoredOutput | None
) -> list[Effect]:
    """Facts of one execution: kept first, all of them, then decided one by one."""
    execution = executions.get(tx, session.workspace_id, group[0].execution_id, lock=True)
    if execution is None:
        return strangers.take(tx, session, group)
    if execution.runner_id != session.runner_id:
        raise ProtocolError(f"facts of {group[0].execution_id}, which is not this runner's")
    fresh = _fresh(group, execution.last_fact)
    _check(execution, group, fresh)
    if not fresh:
        return []
    task = tasks.get(tx, session.workspace_id, execution.task_id, lock=True)
    assert task is not None
    is_late = execution.state in _SETTLED
    kept = [_fact_row(fact, is_late=is_late) for fact in fresh if not said.is_kept_here(fact)]
    if kept:
        executions.insert_facts(tx, session.workspace_id, kept)
    if len(kept) < len(fresh):
        said.keep(tx, execution, fresh)
    subject = Subject(read=execution, task=task, session=session)
    subject.change({"last_fact": fresh[-1].seq})
    take = _take_late if is_late else _take
    effects = [effect for fact in fresh for effect in take(tx, subject, fact, stored)]
    subject.write(tx)
    return effects


def _fresh(group: Sequence[Fact], last: int) -> list[Fact]:
    """Those behind `last`; one that comes twice in the group counts once, as it does in two groups (R45)."""
    fresh: list[Fact] = []
    for fact in group:
        if fact.seq > (fresh[-1].seq if fresh else last):
            fresh.append(fact)
    return fresh


def _check(execution: ExecutionRow, group: Sequence[Fact], fresh: Sequence[Fact]) -> None:
    """Raise ProtocolError for a fact that is torn, of another fence, behind a hole, or behind the last one."""
    for fact in group:
        if not fact.is_intact():
            raise ProtocolError(f"fact {fact.seq} of {execution.id} does not match its checksum")
        if fact.fence != execution.fence:
            raise ProtocolError(f"fact {fact.seq} of {execution.id} has the fence {fact.fence}: not this runner's")
    for expected, fact in enumerate(fresh, start=execution.last_fact + 1):
        if fact.seq != expected:
            raise ProtocolError(f"fact {fact.seq} of {execution.id} came where {expected} is missing: a hole")
    if any(isinstance(fact.body, VoidFact | FinalFact) for fact in fresh[:-1]):
        raise ProtocolError(f"a fact of {execution.id} follows its last one")


def _fact_row(fact: Fact, *, is_late: bool) -> dict[str, object]:
    return {
        "execution_id": fact.execution_id,
        "seq": fact.seq,
        "kind": fact.body.kind,
        "fence": fact.fence,
        "body": fact.body.model_dump(mode="json"),
        "late": is_late,
    }


def _take(tx: Transaction, subject: Subject, fact: Fact, stored: StoredOutput | None) -> Sequence[Effect]:
    """A fact of the execution that the task has now."""
    body = fact.body
    match body:
        case StartedFact():
            return _started(tx, subject, body)
        case VoidFact():
            return _void(tx, subject, body)
        case ReportFact():
            return _report(tx, subject, fact, body)
        case StopFact():
            return _stop(tx, subject, fact, body)
        case ArtifactFact():
            return _artifact(tx, subject, body)
        case RowFact() | SaidFact():
            return []  # kept already; it decides nothing
        case ExitFact():
            return _exit(tx, subject, body)
        case FinalFact():
            return final(tx, subject, body, stored)
    assert_never(body)


def _started(tx: Transaction, subject: Subject, body: StartedFact) -> list[Effect]:
    subject.move(tx, ExecutionEvent.STARTED, {"started_at": body.at})
    task = subject.task
    tasks.started(tx, task.workspace_id, task.id, task.fence, body.at)
    return [OrderStarted(runner_id=subject.read.runner_id, epoch=subject.read.epoch)]


def _void(tx: Transaction, subject: Subject, body: VoidFact) -> list[Effect]:
    """Never started: granted again without being counted, unless somebody has ended the task meanwhile (D7, D9)."""
    execution = subject.execution
    following(execution.id, subject.state, ExecutionEvent.VOID)
    voided = OrderVoided(
        workspace_id=execution.workspace_id,
        runner_id=execution.runner_id,
        epoch=execution.epoch,
        build_id=execution.build_id,
        reason=body.reason,
    )
    subject.change({"void_reason": body.reason})
    released = release(tx, subject, ExecutionEvent.VOID, body.reason)
    return [voided, *_forget(tx, subject), *released]


def release(tx: Transaction, subject: Subject, event: ExecutionEvent, why: str) -> list[Effect]:
    """What follows from "never started": settle a task that was canceled or reported meanwhile, else queue it again."""
    execution, task = subject.execution, subject.task
    freed = holds.never_started(tx, task, execution.fence)
    if task.cancel_requested_at or task.kill_requested_at or execution.report:
        subject.write(tx)
        return [*freed, *settlement.conclude(tx, execution, event, cause=why, task=task)]
    if execution.state == ExecutionState.GRANTED:
        subject.move(tx, event, {"settled_at": tx.now}, cause=why)
    subject.write(tx)
    target = tasks.target(tx, task.workspace_id, task.id)
    is_gone = target.build_id is None or target.build_state == BuildState.REJECTED
    if is_gone and why == VoidReason.BUILD_GONE:
        message = "its build is gone, on the runner and in the hub"
        return [*freed, *settlement.refuse(tx, task, Reason.BUILD_GONE, message)]
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


def _report(tx: Transaction, subject: Subject, fact: Fact, body: ReportFact) -> list[Effect]:
    """The last report in time wins; one after the main process was reaped is a late report (core.md §4)."""
    if body.late:
        return _late_report(tx, subject.read, fact)
    text = body.message[:MESSAGE_TEXT_MAX] if body.message else body.message
    report = {"status": body.status, "message": text, "totals": body.totals.model_dump() if body.totals else None}
    # One that its runner had no room for was told at once, and may have overtaken those before it (core.md §3).
    if fact.seq > (subject.read.report_seq or 0):
        subject.change({"report": report, "report_seq": fact.seq, "reported_at": body.at})
    task = subject.task
    tasks.note(tx, task.workspace_id, task.id, {"reported_at": task.reported_at or body.at})
    record(tx, subject.read, "task.reported", subject=task.id, new=body.status)
    return []


def _stop(tx: Transaction, subject: Subject, fact: Fact, body: StopFact) -> list[Effect]:
    """The first durable cause counts; a later one only shortens the ladder."""
    if subject.execution.stop_cause is None:
        subject.change({"stop_cause": body.cause, "stop_seq": fact.seq})
    record(tx, subject.read, "execution.stopping", new=StopCause(body.cause), data={"by": body.by})
    return []


def _artifact(tx: Transaction, subject: Subject, body: ArtifactFact) -> list[Effect]:
    execution = subject.execution
    values = {
        "task_id": subject.task.id,
        "task_number": subject.task.number,
        "execution_id": execution.id,
        "name": body.name,
        "sha256": body.sha256,
        "content_type": body.content_type,
    }
    attached = artifacts.attach(tx, execution.workspace_id, values)
    record(tx, execution, f"artifact.{attached.how}", data={"id": attached.id, "name": body.name})
    return []


def _exit(tx: Transaction, subject: Subject, body: ExitFact) -> list[Effect]:
    values = {"ended_at": body.at, "exit_code": body.code, "exit_signal": body.signal, "exit_reason": body.how}
    subject.move(tx, ExecutionEvent.EXIT, values)
    if body.survivors:
        named = [f"{survivor.pid} {survivor.command}"[:200] for survivor in body.survivors[:20]]
        record(tx, subject.read, "execution.survivors", data={"survivors": named})
        return []  # what they may still use stays held until somebody settles it
    return holds.release(tx, subject.task)


def final(tx: Transaction, subject: Subject, body: FinalFact, stored: StoredOutput | None) -> list[Effect]:
    """The last fact: settle if all of the output is here, else wait for the rest (core.md §3, §4)."""
    if subject.state is ExecutionState.RUNNING:
        # Nobody saw the exit: it has ended all the same, and settles as an unknown one.
        subject.move(tx, ExecutionEvent.EXIT, {"ended_at": body.at})
    subject.change(settlement.output_values(body, stored))
    subject.write(tx)
    if stored is None:
        execution = subject.read
        expected = OutputFinished(
            workspace_id=execution.workspace_id, execution_id=execution.id, output_bytes=body.output_bytes
        )
        return [expected]
    if subject.state is not ExecutionState.ENDING:
        return _forget(tx, subject)
    return [*settlement.conclude(tx, subject.execution, cause="final", task=subject.task), *_forget(tx, subject)]


def _forget(tx: Transaction, subject: Subject) -> list[Effect]:
    """Let the runner forget it: through the session that the facts came by, or the one that it has now."""
    session, execution = subject.session, subject.read
    if session is None:
        return settlement.forget_effects(tx, execution)
    message = Forget(execution_id=execution.id, fence=execution.fence)
    return [SendToRunner(runner_id=session.runner_id, epoch=session.epoch, message=message)]


def _take_late(tx: Transaction, subject: Subject, fact: Fact, stored: StoredOutput | None) -> Sequence[Effect]:
    """A fact of an execution that is over for the hub: kept, and it changes no outcome."""
    match fact.body:
        case ReportFact():
            return _late_report(tx, subject.read, fact)
        case ArtifactFact():
            return _artifact(tx, subject, fact.body)
        case RowFact() | SaidFact():
            return []
        case FinalFact():
            return final(tx, subject, fact.body, stored)
        case VoidFact():
            return _forget(tx, subject)
        case StartedFact() | StopFact() | ExitFact():
            if isinstance(fact.body, StartedFact) and subject.session is not None:
                held.note_ran(tx, subject.session, subject.task.id, fact.fence)
            record(tx, subject.read, "execution.late_fact", data={"fact": fact.body.kind, "seq": fact.seq})
            return []
    assert_never(fact.body)


def _late_report(tx: Transaction, execution: ExecutionRow, fact: Fact) -> list[Effect]:
    body = fact.body.model_dump(mode="json")
    late_id = executions.insert_late_report(tx, execution.workspace_id, execution.id, fact.seq, body)
    record(tx, execution, "task.reported_late", subject=execution.task_id, data={"late_report": late_id})
    return []


def _ack(session: SessionKey, fact: Fact) -> SendToRunner:
    message = FactAck(execution_id=fact.execution_id, fence=fact.fence, seq=fact.seq)
    return SendToRunner(runner_id=session.runner_id, epoch=session.epoch, message=message)
