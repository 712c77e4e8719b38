"""What tasks hold while they run: looked at before a grant, written with it, freed when the tree is empty (core.md §3).

`hub.domain.demand.exceeded` decides; here are the figures that it decides by. A hold is freed by the exit, which comes
ahead of the output, or with the state `running`, whatever ended that.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from hub.domain.demand import LimitKind, Shortage, Stock, Want, exceeded, value_of, wants
from hub.services.effects import WakeDispatch
from hub.storage import holds, resources
from hub.storage.resources import ResourceRow
from hub.storage.tasks import TaskRow
from hub.storage.transaction import Done, Effect, NewEvent, Transaction
from hub.storage.waiting_kinds import WaitingKind, best_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a task may take now, all of it, under the turn of each limit."""

    wants: Sequence[Want] = ()
    accounts: Mapping[str, str] | None = None
    """The account that it gets of each resource with accounts, by label."""


class Stocks:
    """How limits stand, each looked at once in a transaction."""

    def __init__(self, tx: Transaction, workspace_id: str) -> None:
        self._tx = tx
        self._workspace_id = workspace_id
        self._known: dict[str, Stock] = {}

    def of(self, wanted: Sequence[Want]) -> Mapping[str, Stock]:
        """The stock of each, by limit key."""
        for want in wanted:
            if want.limit_key not in self._known:
                self._known[want.limit_key] = _look(self._tx, self._workspace_id, want)
        return self._known


def best_open(tx: Transaction, workspace_id: str, kind: WaitingKind, stocks: Stocks) -> TaskRow | None:
    """The task of that kind which comes first of those that no limit keeps waiting."""
    if kind.sharing.is_free:
        return best_of(tx, workspace_id, kind)
    if blocked(kind, stocks):
        return None
    return best_of(tx, workspace_id, kind, _per_key(kind))


def blocked(kind: WaitingKind, stocks: Stocks) -> list[Shortage]:
    """The limits that keep all tasks of a kind waiting; those of its keys are each task's own."""
    wanted = wants(kind.automation_id, kind.sharing, None)
    return exceeded(wanted, stocks.of(wanted))


def is_any_open(tx: Transaction, workspace_id: str, kind: WaitingKind) -> bool:
    """Whether a task of a kind that is not `blocked` could have its key."""
    return kind.sharing.concurrency_key is None or best_of(tx, workspace_id, kind, _per_key(kind)) is not None


def room(kind: WaitingKind, stocks: Stocks) -> int | None:
    """How many tasks of a kind its limits have room for, at most; None where it has none but its keys."""
    wanted = wants(kind.automation_id, kind.sharing, None)
    stock = stocks.of(wanted)
    return (
        min(((stock[one.limit_key].total or 0) - stock[one.limit_key].used) // one.units for one in wanted)
        if wanted
        else None
    )


def free_at(shortages: Sequence[Shortage]) -> datetime | None:
    """When these end by themselves: only what is kept by nothing but a rate waits for a moment."""
    if any(one.want.kind is not LimitKind.RATE for one in shortages):
        return None
    return max((one.stock.free_at for one in shortages if one.stock.free_at), default=None)


def take(tx: Transaction, task: TaskRow, kind: WaitingKind) -> Wanted | None:
    """Take the turn of every limit that the task wants and look again; None where one is exceeded by now."""
    wanted = wants(kind.automation_id, kind.sharing, task.limit_key)
    if not wanted:
        return Wanted()
    if any(want.kind is not LimitKind.RESOURCE for want in wanted):
        holds.take_turn(tx, task.workspace_id, kind.automation_id, None)
    labels = sorted(value_of(want.limit_key) for want in wanted if want.kind is LimitKind.RESOURCE)
    for label in labels:
        holds.take_turn(tx, task.workspace_id, None, label)
    stocks = Stocks(tx, task.workspace_id).of(wanted)
    if exceeded(wanted, stocks):
        return None
    accounts = {label: stocks[want.limit_key].free_account for label, want in _by_label(wanted).items()}
    return Wanted(wants=wanted, accounts={label: account for label, account in accounts.items() if account})


def write(tx: Transaction, task: TaskRow, fence: int, wanted: Wanted) -> None:
    """Note what a task that was granted just now holds."""
    accounts = wanted.accounts or {}
    rows = [
        {
            "limit_key": want.limit_key,
            "units": want.units,
            "account": accounts.get(value_of(want.limit_key)) if want.kind is LimitKind.RESOURCE else None,
        }
        for want in wanted.wants
        if want.kind is not LimitKind.RATE
    ]
    if rows:
        holds.insert(tx, task.workspace_id, task.id, rows)
    for want in wanted.wants:
        if want.per_s is not None:
            after = tx.now - timedelta(seconds=want.per_s)
            holds.insert_start(tx, task.workspace_id, want.limit_key, task.id, fence, after)


def release(tx: Transaction, task: TaskRow) -> list[Effect]:
    """Free what a task holds, in the transaction in which it has ended or stops running; what waited is looked at."""
    if not task.holding or not holds.release(tx, task.workspace_id, task.id):
        return []
    return [WakeDispatch(workspace_id=task.workspace_id)]


def never_started(tx: Transaction, task: TaskRow, fence: int) -> list[Effect]:
    """The same for an order that came to nothing: it does not count under a rate."""
    if task.holding:
        holds.forget_start(tx, task.workspace_id, task.id, fence)
    return release(tx, task)


def sweep(tx: Transaction) -> Done[int]:
    """Free what is held without a running task. No path leads there; should one, it is told and mended."""
    stray = holds.delete_stray(tx)
    for workspace_id, limit_key, task_id in stray:
        tx.record(
            NewEvent(
                workspace_id=workspace_id,
                kind="hold.stray",
                subject=task_id,
                actor="hub",
                task_id=task_id,
                data={"limit": limit_key},
            )
        )
    return Done(len(stray), [WakeDispatch(workspace_id=one) for one in {workspace_id for workspace_id, _, _ in stray}])


def _per_key(kind: WaitingKind) -> int | None:
    if kind.sharing.concurrency_key is None:
        return None
    return kind.sharing.concurrency or 1


def _by_label(wanted: Sequence[Want]) -> dict[str, Want]:
    return {value_of(want.limit_key): want for want in wanted if want.kind is LimitKind.RESOURCE}


def _look(tx: Transaction, workspace_id: str, want: Want) -> Stock:
    match want.kind:
        case LimitKind.AUTOMATION | LimitKind.KEY:
            return Stock(total=want.total, used=holds.used(tx, workspace_id, want.limit_key))
        case LimitKind.RATE:
            assert want.per_s is not None
            assert want.total is not None
            length = timedelta(seconds=want.per_s)
            count, oldest = holds.started(tx, workspace_id, want.limit_key, tx.now - length, want.total)
            return Stock(total=want.total, used=count, free_at=oldest + length if oldest else None)
        case LimitKind.RESOURCE:
            row = resources.by_label(tx, workspace_id, value_of(want.limit_key))
            if row is None:
                return Stock(total=None, used=0)
            return stock_of(row, holds.held(tx, workspace_id, want.limit_key))


def stock_of(row: ResourceRow, held: Sequence[tuple[int, str | None]]) -> Stock:
    """How a resource stands. An account that was taken off it while it is held counts no more, nor is it given out."""
    if row.accounts is None:
        return Stock(total=row.capacity, used=sum(units for units, _ in held))
    taken = {account for _, account in held}
    used = sum(units for units, account in held if account is None or account in row.accounts)
    free = next((account for account in row.accounts if account not in taken), None)
    return Stock(total=len(row.accounts), used=used, free_account=free)
