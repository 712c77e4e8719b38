"""Maintenance windows: when a runner gets no new work, said ahead; what it runs goes on (`hub.domain.window`)."""

from dataclasses import dataclass
from datetime import UTC, datetime

from hub.domain.window import Window, faults_of, open_at
from hub.errors import Conflict, NotFound
from hub.services import runners
from hub.services.automations import invalid
from hub.services.effects import InWindow, WakeWindows
from hub.services.runners import RunnerState, RunnerView
from hub.storage import windows as rows
from hub.storage.transaction import Done, Effect, NewEvent, Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class NewWindow:
    """A window that is asked for."""

    starts_at: datetime | None
    """Now, unless given."""
    ends_at: datetime
    reason: str


def add(tx: Transaction, workspace_id: str, named: str, actor: str, new: NewWindow) -> Done[Window]:
    """Plan a window. Raises NotFound (the runner), Conflict (a revoked one), Invalid with every fault."""
    runner = runners.show(tx, workspace_id, named)
    if runner.state is RunnerState.REVOKED:
        raise Conflict("revoked", f"{runner.name} is revoked and gets no work at any time.")
    starts_at = tx.now if new.starts_at is None else new.starts_at
    known = len(rows.of_runner(tx, workspace_id, runner.id, tx.now))
    faults = faults_of(starts_at, new.ends_at, new.reason, now=tx.now, known=known)
    if faults:
        raise invalid("window", "The window can't be planned so.", faults)
    window = Window(
        id=tx.new_id("wnd"),
        runner_id=runner.id,
        starts_at=starts_at.astimezone(UTC),
        ends_at=new.ends_at.astimezone(UTC),
        reason=new.reason.strip(),
        created_by=actor,
    )
    rows.insert(tx, workspace_id, window)
    _record(tx, runner, window, "runner.window_added", actor)
    return Done(window, [WakeWindows()])


def remove(tx: Transaction, workspace_id: str, named: str, window_id: str, actor: str) -> Done[Window]:
    """Take a window back; one that is open ends at once. Raises NotFound."""
    runner = runners.show(tx, workspace_id, named)
    window = rows.get(tx, workspace_id, runner.id, window_id)
    if window is None or not rows.delete(tx, workspace_id, window):
        told = f"{runner.name} has no window {window_id[:64]!r}. `botyard runner window list {runner.name}` shows all."
        raise NotFound("no_window", told, {"name": window_id[:64]})
    _record(tx, runner, window, "runner.window_removed", actor)
    return Done(window, [WakeWindows()])


def listing(tx: Transaction, workspace_id: str, named: str) -> list[Window]:
    """Windows of a runner, those that ended in the last 30 days too, in order of their start. Raises NotFound."""
    runner = runners.show(tx, workspace_id, named)
    return rows.of_runner(tx, workspace_id, runner.id, tx.now - rows.KEPT)


def on_resume(tx: Transaction, workspace_id: str, runner_id: str) -> list[Effect]:
    """What a session that begins has to know: a runner that comes back in a window gets nothing."""
    window = open_at(rows.of_runner(tx, workspace_id, runner_id, tx.now), tx.now)
    return [] if window is None else [InWindow(runner_id=runner_id)]


def _record(tx: Transaction, runner: RunnerView, window: Window, kind: str, actor: str) -> None:
    data = {
        "window": window.id,
        "starts_at": window.starts_at.isoformat(),
        "ends_at": window.ends_at.isoformat(),
        "reason": window.reason,
    }
    tx.record(
        NewEvent(
            workspace_id=runner.workspace_id, kind=kind, subject=runner.id, actor=actor, runner_id=runner.id, data=data
        )
    )
