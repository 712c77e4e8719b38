"""Resume: a new session's inventory against what should be; reconcile, not replay (P2, core.md D8, §4)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, cast

from agent.wire.facts import FinalFact
from agent.wire.messages import Held, Resumed, Stone, StopOrder
from agent.wire.words import ExecutionState, OnDisconnect, Outcome, OutputState, StopCause
from hub.domain.execution import ExecutionEvent
from hub.domain.session import KnownExecution, answer
from hub.services import held as held_tasks
from hub.services import preparations, settlement, strangers, windows
from hub.services.effects import (
    OutputFinished,
    RefreshDesired,
    RefreshWatched,
    SendToRunner,
    SessionResumed,
    WakeDispatch,
)
from hub.services.facts import guard, release
from hub.services.limits import again
from hub.services.subject import SessionKey, Subject
from hub.storage import executions, runners, tasks
from hub.storage import preparations as build_rows
from hub.storage.executions import ExecutionRow
from hub.storage.tasks import TaskRow
from hub.storage.transaction import Done, Effect, NewEvent, Transaction

_Action = Literal["continue", "stop", "upload_rest", "forget"]


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputPosition:
    """Where the hub's copy of an output stands."""

    have: int
    safe: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """All that a runner holds, complete (`ResumeEnd` came)."""

    held: Sequence[Held]
    prepared: tuple[str, ...]
    last_epoch: int
    """The last epoch that its hello named as durable in this home."""
    positions: Mapping[str, OutputPosition]
    """Of the held executions, by id."""
    stones: Sequence[Stone] = ()
    """What it has forgotten at the hub's word, where a restored store asked for it (R20)."""
    stones_told: bool = False
    """All of them were told."""


def resume(tx: Transaction, session: SessionKey, inventory: Inventory) -> Done[frozenset[str]]:
    """Answer every held execution; what the permit's home does not hold never started (D8); open the credits.

    The result names the held executions that are this runner's; output of others is not taken from it. Raises
    SessionOver. The answers leave before anything else that this session is sent.
    """
    guard(tx, session)
    runner = runners.get(tx, session.workspace_id, session.runner_id, lock=True)
    assert runner is not None
    effects: list[Effect] = []
    known: set[str] = set()
    must_show = held_tasks.must_show(tx, session.workspace_id, session.runner_id)
    for held in inventory.held:
        execution = _own(tx, session, held)
        if execution is None and must_show:
            execution = strangers.adopt(tx, session, held)
        if execution is not None:
            known.add(execution.id)
        effects += _answer_one(tx, session, held, execution, inventory.positions.get(held.execution_id))
    names = frozenset(held.execution_id for held in inventory.held)
    if must_show:
        held_tasks.showed(tx, session, inventory.stones, is_told=inventory.stones_told)
    for execution in executions.live_of_runner(tx, session.workspace_id, session.runner_id):
        if execution.id not in names and execution.home_id == runner.home_id:
            effects += _absent(tx, session, execution, inventory, must_show=must_show)
    effects += preparations.resumed(tx, session.workspace_id, session.runner_id, inventory.prepared).effects
    opened = SessionResumed(
        runner_id=session.runner_id,
        epoch=session.epoch,
        builds=frozenset(inventory.prepared),
        draining=runner.draining or runner.benched_at is not None,
        proven=frozenset(build_rows.proven(tx, session.workspace_id, session.runner_id)),
    )
    effects += [opened, *windows.on_resume(tx, session.workspace_id, session.runner_id)]
    effects += [RefreshDesired(workspace_id=session.workspace_id, runner_id=session.runner_id)]
    effects += [RefreshWatched(workspace_id=session.workspace_id, runner_id=session.runner_id)]
    return Done(frozenset(known), [*effects, WakeDispatch(workspace_id=session.workspace_id)])


def _own(tx: Transaction, session: SessionKey, held: Held) -> ExecutionRow | None:
    """The execution that a runner says it holds, if it is one of its own."""
    execution = executions.get(tx, session.workspace_id, held.execution_id)
    if execution is None or execution.runner_id != session.runner_id or execution.fence != held.fence:
        return None
    return execution


def _answer_one(
    tx: Transaction,
    session: SessionKey,
    held: Held,
    execution: ExecutionRow | None,
    position: OutputPosition | None,
) -> list[Effect]:
    task = tasks.get(tx, session.workspace_id, execution.task_id) if execution else None
    known = _known(tx, execution, task) if execution and task else None
    decided = answer(held, known)
    if known is None:
        _record_stranger(tx, session, held)
    if execution and decided.stop is not None:
        executions.change(tx, execution, {"stop_asked_at": tx.now, "stop_asked_cause": decided.stop})
    message = Resumed(
        execution_id=held.execution_id,
        fence=held.fence,
        action=cast("_Action", decided.action),
        fact=execution.last_fact if execution else 0,
        have=position.have if position else 0,
        safe=position.safe if position else 0,
        stop=StopOrder(cause=decided.stop, by=_by(task)) if decided.stop else None,
    )
    sent = SendToRunner(runner_id=session.runner_id, epoch=session.epoch, message=message)
    redone = again(execution, session.runner_id, session.epoch) if execution and decided.action == "continue" else []
    return [sent, *redone, *_expect_output(tx, execution)]


def _known(tx: Transaction, execution: ExecutionRow, task: TaskRow) -> KnownExecution:
    is_whole = execution.output_state not in {OutputState.NONE, OutputState.ARRIVING}
    if not is_whole and execution.state == ExecutionState.VOID:
        is_whole = True
    newest = tasks.rounds(tx, task.workspace_id, task.number)[-1]
    return KnownExecution(
        state=ExecutionState(execution.state),
        # A restore raises the task's fence alone (R20): what has not settled is the task's one attempt all the same.
        is_current=execution.state in executions.LIVE,
        is_lost=(task.outcome == Outcome.LOST or task.held is not None) and newest.id == task.id,
        on_disconnect=OnDisconnect(execution.on_disconnect),
        is_whole=is_whole,
        stop=_asked(task),
    )


def _asked(task: TaskRow) -> StopCause | None:
    if task.kill_requested_at is not None:
        return StopCause.KILL
    return StopCause.CANCEL if task.cancel_requested_at is not None else None


def _by(task: TaskRow | None) -> str:
    return (task.kill_requested_by or task.cancel_requested_by or "") if task else ""


def _expect_output(tx: Transaction, execution: ExecutionRow | None) -> list[Effect]:
    """A hub that restarted waits again for an output whose length it was told before."""
    if execution is None or execution.output_state != OutputState.ARRIVING:
        return []
    body = executions.last_body(tx, execution.workspace_id, execution.id, "final")
    if body is None:
        return []
    final = FinalFact.model_validate(body)
    expected = OutputFinished(
        workspace_id=execution.workspace_id, execution_id=execution.id, output_bytes=final.output_bytes
    )
    return [expected]


def _absent(
    tx: Transaction, session: SessionKey, execution: ExecutionRow, inventory: Inventory, *, must_show: bool
) -> list[Effect]:
    """An unsettled execution that a complete resume does not name.

    Of a restored store it may be one that ended and was forgotten since the backup: its tombstone says so, and it never
    counts as one that was not started (R20).
    """
    stones = {stone.execution_id: stone for stone in inventory.stones}
    if must_show and not inventory.stones_told:
        return []
    if execution.id in stones and stones[execution.id].outcome != "void":
        event = ExecutionEvent.SETTLED if execution.state == ExecutionState.ENDING else ExecutionEvent.LOST
        return settlement.conclude(tx, execution, event, cause="ended after the backup")
    return _settle_absent(tx, session, execution, inventory.last_epoch)


def _settle_absent(tx: Transaction, session: SessionKey, execution: ExecutionRow, last_epoch: int) -> list[Effect]:
    """An unsettled execution that a complete resume does not name."""
    task = tasks.get(tx, session.workspace_id, execution.task_id, lock=True)
    assert task is not None
    if execution.state == ExecutionState.GRANTED:
        # Valid absence: this home, a durable epoch at or after the permit's, a join counter that grew (hello), and
        # the guard of the statement.
        if last_epoch < execution.epoch or not executions.void_absent(tx, execution, session.epoch):
            return []
        return _release_absent(tx, execution, task)
    # It had started and is not held any more: nothing more will ever be told of it.
    executions.change(tx, execution, {"output_state": OutputState.INCOMPLETE})
    event = ExecutionEvent.SETTLED if execution.state == ExecutionState.ENDING else ExecutionEvent.LOST
    return settlement.conclude(tx, execution, event, cause="not held any more")


def _release_absent(tx: Transaction, execution: ExecutionRow, task: TaskRow) -> list[Effect]:
    tx.record(
        NewEvent(
            workspace_id=execution.workspace_id,
            kind="execution.void",
            subject=execution.id,
            actor=f"runner:{execution.runner_id}",
            old=ExecutionState.GRANTED,
            new=ExecutionState.VOID,
            cause="absent",
            task_id=execution.task_id,
            execution_id=execution.id,
            runner_id=execution.runner_id,
        )
    )
    gone = executions.get(tx, execution.workspace_id, execution.id)
    assert gone is not None
    return release(tx, Subject(read=gone, task=task), ExecutionEvent.ABSENT, "absent")


def _record_stranger(tx: Transaction, session: SessionKey, held: Held) -> None:
    tx.record(
        NewEvent(
            workspace_id=session.workspace_id,
            kind="runner.holds_stranger",
            subject=session.runner_id,
            actor=f"runner:{session.runner_id}",
            execution_id=held.execution_id,
            runner_id=session.runner_id,
            data={"fence": held.fence, "verdict": held.verdict},
        )
    )
