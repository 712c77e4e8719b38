"""Executions between their facts: asked about, given up, settled without `final`, shown (core.md §3, D8-D10)."""

from agent.wire.facts import FinalFact
from agent.wire.messages import Query
from agent.wire.words import ExecutionState, StopCause
from hub.domain.execution import ExecutionEvent
from hub.domain.output import StoredOutput
from hub.services import facts, settlement
from hub.services.effects import SendToRunner
from hub.services.subject import Subject
from hub.services.tasks import ask_stop
from hub.storage import executions, runners, tasks
from hub.storage.executions import ExecutionRow, LiveRow
from hub.storage.transaction import Done, Transaction


def unsettled(tx: Transaction) -> list[LiveRow]:
    """Every execution that has not settled, with what its runner's row says; the sweeps' question."""
    return executions.live(tx)


def query(tx: Transaction, workspace_id: str, execution_id: str) -> Done[bool]:
    """Ask the runner what became of an order, once in each session; it answers by making a verdict (D9)."""
    execution = executions.get(tx, workspace_id, execution_id, lock=True)
    if execution is None or execution.state != ExecutionState.GRANTED:
        return Done(result=False)
    runner = runners.get(tx, workspace_id, execution.runner_id)
    executions.change(tx, execution, {"queried_at": tx.now})
    if runner is None or runner.session_epoch is None:
        return Done(result=False)
    message = Query(execution_id=execution.id, task_id=execution.task_id, fence=execution.fence)
    return Done(True, [SendToRunner(runner_id=runner.id, epoch=runner.session_epoch, message=message)])


def repeat_stop(tx: Transaction, workspace_id: str, execution_id: str) -> Done[bool]:
    """Send a stop again that no fact has answered (D9)."""
    execution = executions.get(tx, workspace_id, execution_id, lock=True)
    if execution is None or not _is_live(execution) or execution.stop_seq is not None:
        return Done(result=False)
    task = tasks.get(tx, workspace_id, execution.task_id)
    if task is None or not (task.cancel_requested_at or task.kill_requested_at):
        return Done(result=False)
    cause = StopCause.KILL if task.kill_requested_at else StopCause.CANCEL
    by = task.kill_requested_by or task.cancel_requested_by
    return Done(True, ask_stop(tx, execution, cause, by))


def lose(tx: Transaction, workspace_id: str, execution_id: str, why: str, epoch: int | None = None) -> Done[bool]:
    """Give up an execution whose link is gone past its limit; not if its runner came back meanwhile (D8, D9).

    `epoch` is the session that the sweep saw on the runner's row: any other one now, and nothing is done.
    """
    execution = executions.get(tx, workspace_id, execution_id)
    if execution is None or not _is_live(execution):
        return Done(result=False)
    runner = runners.get(tx, workspace_id, execution.runner_id, lock=True)
    execution = executions.get(tx, workspace_id, execution_id, lock=True)
    if runner is None or runner.session_epoch != epoch or execution is None or not _is_live(execution):
        return Done(result=False)
    event = ExecutionEvent.SETTLED if execution.state == ExecutionState.ENDING else ExecutionEvent.LOST
    # Of a runner that was revoked just now, the dead-man's switch may not have ended it yet (D10).
    is_over = runner.state != "revoked"
    return Done(True, settlement.conclude(tx, execution, event, cause=why, is_over=is_over))


def settle_overdue(tx: Transaction, workspace_id: str, execution_id: str) -> Done[bool]:
    """`output_grace` passed after the exit: settle with what is here, `output: arriving` (core.md §3)."""
    execution = executions.get(tx, workspace_id, execution_id, lock=True)
    if execution is None or execution.state != ExecutionState.ENDING:
        return Done(result=False)
    executions.change(tx, execution, settlement.output_values(None, None))
    return Done(True, settlement.conclude(tx, execution, cause="output_grace passed"))


def output_arrived(tx: Transaction, workspace_id: str, execution_id: str, stored: StoredOutput) -> Done[bool]:
    """All of an output is here and durable: settle an execution that waited for it, and let its runner forget."""
    execution = executions.get(tx, workspace_id, execution_id, lock=True)
    body = executions.last_body(tx, workspace_id, execution_id, "final") if execution else None
    if execution is None or body is None:
        return Done(result=False)
    task = tasks.get(tx, workspace_id, execution.task_id, lock=True)
    assert task is not None
    subject = Subject(read=execution, task=task)
    return Done(True, facts.final(tx, subject, FinalFact.model_validate(body), stored))


def _is_live(execution: ExecutionRow) -> bool:
    return execution.state in executions.LIVE
