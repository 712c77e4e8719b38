"""Dispatch: one credit, one task, one transaction (core.md §1, D4).

`grant` is the only way to a permit, for the fast path (a task is created while a credit is free) and for the dispatch
loop alike: the credit is taken on the loop before, one guarded write makes the execution, and `Start` leaves as an
effect of the commit. It picks the first task that the credit could serve, so the fast path never overtakes.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from agent.wire.task import Work
from agent.wire.words import BuildState, ExecutionState, Reason, TaskState
from hub.domain.condition import read
from hub.domain.credits import Credit
from hub.domain.limits import stored
from hub.domain.placement import Candidate, are_alike, first, fits, may_start
from hub.domain.retry import OtherRunner, keeps_away
from hub.domain.task import TaskEvent, move
from hub.domain.window import open_at
from hub.services import holds, orders, preparations
from hub.services.effects import ReturnCredit, SendToRunner, WakeDispatch
from hub.services.settlement import refuse
from hub.storage import automations, executions, fleet, runners, tasks, windows
from hub.storage import holds as hold_rows
from hub.storage import waiting_kinds as kind_rows
from hub.storage.store import claim
from hub.storage.tasks import Target, TaskRow
from hub.storage.transaction import Done, Effect, NewEvent, Transaction
from hub.storage.waiting_kinds import WaitingKind

_TRIES = 5
"""Another hub may take the task that was picked; then the next best is looked for, this often."""
_SLICE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Granted:
    """What a credit was used for."""

    task_id: str
    execution_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """A kind of which a task could be granted."""

    kind: WaitingKind
    room: int | None
    """So many at most, as its limits stand; None where it has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Openings:
    """All of a workspace."""

    found: Sequence[Opening]
    again_s: float | None
    """In so many seconds a rate has room again for one that is not among them."""


@claim
def grant(tx: Transaction, credit: Credit, kinds: Sequence[WaitingKind] | None = None) -> Done[Granted | None]:
    """Use the credit for the task that comes first among those it could serve; hand it back when there is none.

    `kinds` are those that the caller has looked up just now, where it did: many credits share one look.
    """
    holder = runners.holds_session(tx, credit.workspace_id, credit.runner_id, credit.epoch)
    if holder is None:
        return Done(None)  # the session ended, and the credit with it
    for _ in range(_TRIES):
        chosen = _first(tx, credit, kinds)
        if chosen is None:
            return Done(None, [ReturnCredit(credit=credit)])
        task, kind = chosen
        target = tasks.target(tx, task.workspace_id, task.id)
        if not may_start(target.stopped_at):  # stopped after the caller's look
            kinds = None if kinds is None else [one for one in kinds if one.automation_id != task.automation_id]
            continue
        is_runnable = target.build_id in credit.builds and target.build_state == BuildState.READY
        wanted = holds.take(tx, task, kind) if is_runnable else None
        if wanted is None:
            continue
        if tasks.grant(tx, task, credit.runner_id, str(target.build_id), holds=bool(wanted.wants)):
            holds.write(tx, task, task.fence + 1, wanted)
            work = orders.work(task, target, kind.needs, holder[1], wanted.accounts)
            return _granted(tx, credit, work, task, target, holder)
    return Done(None, [ReturnCredit(credit=credit), WakeDispatch(workspace_id=credit.workspace_id)])


@claim
def grant_each(tx: Transaction, credits_taken: Sequence[Credit], kinds: Sequence[WaitingKind]) -> Done[int]:
    """`grant` for each of a few credits, in one transaction; how many tasks got one."""
    count, effects = 0, list[Effect]()
    for credit in credits_taken:
        done = grant(tx, credit, kinds)
        count += done.result is not None
        effects += done.effects
    return Done(count, effects)


def waiting_kinds(tx: Transaction, workspace_id: str) -> list[WaitingKind]:
    """What is waited for and may start, each kind once."""
    kinds = [one for one in kind_rows.waiting_kinds(tx, workspace_id) if may_start(one.stopped_at)]
    if not any(kind.avoid_runner_id for kind in kinds):
        return kinds
    known = others(tx, workspace_id)
    return [replace(kind, keeps_away=keeps_away(kind.avoid_runner_id, kind.needs, known, tx.now)) for kind in kinds]


def others(tx: Transaction, workspace_id: str) -> list[OtherRunner]:
    """The fleet, for deciding whether a task that failed on one runner has another to go to."""
    planned = windows.to_come(tx, workspace_id)
    return [
        OtherRunner(
            id=row.id,
            labels=row.labels,
            is_usable=row.quarantined_at is None
            and row.benched_at is None
            and not row.draining
            and open_at(planned.get(row.id, ()), tx.now) is None,
            gone_since=None if row.session_epoch is not None else row.unreachable_since or row.created_at,
            slots=row.slots,
            condition=read(row.condition),
        )
        for row in fleet.members(tx, workspace_id, None)
    ]


def workspaces_with_queued(tx: Transaction) -> list[str]:
    """Where anything is waited for; the safety sweep's question."""
    return tasks.workspaces_with_queued(tx)


def refuse_hopeless(tx: Transaction, workspace_id: str) -> Done[int]:
    """Settle `refused: environment` what every fit runner failed to prepare for good, at most a slice at a time.

    Where the first such failure stops the automation, the others are kept for whoever mends it.
    """
    effects: list[Effect] = []
    refused = 0
    for kind in kind_rows.waiting_kinds(tx, workspace_id):
        why = preparations.cannot_be_prepared(tx, workspace_id, kind.build_id) if kind.build_id else None
        while why is not None and refused < _SLICE:
            if not may_start(automations.stopped_at(tx, workspace_id, kind.automation_id)):
                break
            task = kind_rows.best_of(tx, workspace_id, kind)
            if task is None:
                break
            message = f"the environment could not be prepared: {why}"
            effects += refuse(tx, task, Reason.ENVIRONMENT, message)
            refused += 1
    if refused == _SLICE:
        effects.append(WakeDispatch(workspace_id=workspace_id))
    return Done(refused, effects)


def openings(tx: Transaction, workspace_id: str) -> Openings:
    """The kinds of which a task could be granted, were a fit runner free: no limit keeps all of them waiting."""
    stocks = holds.Stocks(tx, workspace_id)
    found = []
    moments = []
    for kind in waiting_kinds(tx, workspace_id):
        shortages = holds.blocked(kind, stocks)
        moment = holds.free_at(shortages)
        if moment is not None:
            moments.append(moment)
        if not shortages and holds.is_any_open(tx, workspace_id, kind):
            found.append(Opening(kind=kind, room=holds.room(kind, stocks)))
    again_s = (min(moments) - tx.now).total_seconds() if moments else None
    return Openings(found=found, again_s=again_s)


def _first(tx: Transaction, credit: Credit, kinds: Sequence[WaitingKind] | None) -> tuple[TaskRow, WaitingKind] | None:
    """The task that comes first of all kinds that this credit counts for, and that no limit keeps (`placement`)."""
    stocks = holds.Stocks(tx, credit.workspace_id)
    served = [
        (holds.best_open(tx, credit.workspace_id, kind, stocks), kind)
        for kind in (waiting_kinds(tx, credit.workspace_id) if kinds is None else kinds)
        if kind.build_id in credit.builds
        and fits(credit.labels, kind.needs)
        and not (kind.keeps_away and kind.avoid_runner_id == credit.runner_id)
    ]
    found = {task.id: (task, kind) for task, kind in served if task is not None}
    if len(found) < 2:
        return next(iter(found.values()), None)
    candidates = [
        Candidate(task_id=task.id, automation_id=task.automation_id, ranked_at=task.ranked_at)
        for task, _ in found.values()
    ]
    running = hold_rows.running(tx, credit.workspace_id) if are_alike(candidates, tx.now) else {}
    best = first(candidates, running, tx.now)
    return found[best.task_id] if best else None


def _granted(  # noqa: PLR0913, PLR0917 - all that a grant is written from
    tx: Transaction, credit: Credit, work: Work, task: TaskRow, target: Target, holder: tuple[str, str]
) -> Done[Granted | None]:
    home_id, _ = holder
    execution_id = tx.new_id("exe")
    fence = task.fence + 1
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
