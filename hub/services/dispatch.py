"""Dispatch: one credit, one task, one transaction (core.md §1, D4).

`grant` is the only way to a permit, for the fast path (a task is created while a credit is free) and for the dispatch
loop alike: the credit is taken on the loop before, one guarded write makes the execution, and `Start` leaves as an
effect of the commit. It picks the first task that the credit could serve, so the fast path never overtakes.
"""

from dataclasses import dataclass

from agent.wire.words import BuildState, ExecutionState, Reason, TaskState
from hub.domain.credits import Credit
from hub.domain.limits import stored
from hub.domain.placement import fits
from hub.domain.task import TaskEvent, move
from hub.services import orders, preparations
from hub.services.effects import ReturnCredit, SendToRunner, WakeDispatch
from hub.services.settlement import refuse
from hub.storage import executions, runners, tasks
from hub.storage.store import claim
from hub.storage.tasks import Target, TaskRow, WaitingKind
from hub.storage.transaction import Done, Effect, NewEvent, Transaction

_TRIES = 5
"""Another hub may take the task that was picked; then the next best is looked for, this often."""
_SLICE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Granted:
    """What a credit was used for."""

    task_id: str
    execution_id: str


@claim
def grant(tx: Transaction, credit: Credit) -> Done[Granted | None]:
    """Use the credit for the task that comes first among those it could serve; hand it back when there is none."""
    holder = runners.holds_session(tx, credit.workspace_id, credit.runner_id, credit.epoch)
    if holder is None:
        return Done(None)  # the session ended, and the credit with it
    for _ in range(_TRIES):
        task = _first(tx, credit)
        if task is None:
            return Done(None, [ReturnCredit(credit=credit)])
        target = tasks.target(tx, task.workspace_id, task.id)
        is_runnable = target.build_id in credit.builds and target.build_state == BuildState.READY
        if is_runnable and tasks.grant(tx, task, credit.runner_id, str(target.build_id)):
            return _granted(tx, credit, task, target, holder)
    return Done(None, [ReturnCredit(credit=credit), WakeDispatch(workspace_id=credit.workspace_id)])


def waiting_kinds(tx: Transaction, workspace_id: str) -> list[WaitingKind]:
    """What is waited for, each (needs, bot) once."""
    return tasks.waiting_kinds(tx, workspace_id)


def workspaces_with_queued(tx: Transaction) -> list[str]:
    """Where anything is waited for; the safety sweep's question."""
    return tasks.workspaces_with_queued(tx)


def refuse_hopeless(tx: Transaction, workspace_id: str) -> Done[int]:
    """Settle `refused: environment` what every fit runner failed to prepare for good, at most a slice at a time."""
    effects: list[Effect] = []
    refused = 0
    for kind in tasks.waiting_kinds(tx, workspace_id):
        why = preparations.cannot_be_prepared(tx, workspace_id, kind.build_id) if kind.build_id else None
        while why is not None and refused < _SLICE:
            task = tasks.best_of(tx, workspace_id, kind)
            if task is None:
                break
            message = f"the environment could not be prepared: {why}"
            effects += refuse(tx, task, Reason.ENVIRONMENT, message)
            refused += 1
    if refused == _SLICE:
        effects.append(WakeDispatch(workspace_id=workspace_id))
    return Done(refused, effects)


def _first(tx: Transaction, credit: Credit) -> TaskRow | None:
    """The task that comes first: highest priority, then oldest, over all kinds that this credit counts for."""
    served = [
        tasks.best_of(tx, credit.workspace_id, kind)
        for kind in tasks.waiting_kinds(tx, credit.workspace_id)
        if kind.build_id in credit.builds and fits(credit.labels, kind.needs)
    ]
    found = [task for task in served if task is not None]
    return min(found, key=lambda task: (-task.priority, task.created_at, task.id), default=None)


def _granted(
    tx: Transaction, credit: Credit, task: TaskRow, target: Target, holder: tuple[str, str]
) -> Done[Granted | None]:
    home_id, runner = holder
    execution_id = tx.new_id("exe")
    fence = task.fence + 1
    work = orders.work(task, target, runner)
    executions.insert(
        tx,
        {
            "workspace_id": task.workspace_id,
            "id": execution_id,
            "task_id": task.id,
            "runner_id": credit.runner_id,
            "home_id": home_id,
            "build_id": target.build_id,
            "build_digest": target.digest,
            "fence": fence,
            "state": ExecutionState.GRANTED,
            "epoch": credit.epoch,
            "slot": credit.slot,
            "generation": credit.generation,
            "on_disconnect": target.on_disconnect,
            "lost_after_s": target.lost_after_s,
            "limits": stored(work.limits),
            "granted_at": tx.now,
            "sent_at": tx.now,
        },
    )
    tx.record(
        NewEvent(
            workspace_id=task.workspace_id,
            kind="execution.granted",
            subject=execution_id,
            actor="hub",
            old=TaskState.QUEUED,
            new=move(task.id, TaskState.QUEUED, TaskEvent.GRANTED),
            task_id=task.id,
            execution_id=execution_id,
            runner_id=credit.runner_id,
            data={"fence": fence, "build_id": target.build_id},
        )
    )
    order = orders.start(execution_id, fence, credit, task, work)
    sent = SendToRunner(runner_id=credit.runner_id, epoch=credit.epoch, message=order)
    return Done(Granted(task_id=task.id, execution_id=execution_id), [sent])
