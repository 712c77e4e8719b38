"""A store that was restored: nothing of it runs before it is known what ran since the backup (core.md D8, R20).

::

    restore, or a runner with a higher commit position --> every unfinished task `held: restored`, fences + 1000
        every runner has shown what it has and had  --> released, by the hub
        some runner ran it since the backup         --> `held: restored: it ran on …`, until a person decides
        a runner came that the backup does not know --> the hub releases nothing: only a person does

What a runner shows is its inventory and its tombstones: an execution that ended and was forgotten since the backup is
in neither database nor folder. New tasks are not held.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from agent.wire.messages import Hello, Stone
from hub.domain.task import TaskView
from hub.errors import Conflict
from hub.services import settlement
from hub.services import tasks as task_services
from hub.services.effects import CloseSession, WakeDispatch
from hub.services.subject import SessionKey
from hub.storage import access, alerts, events, runners, tasks
from hub.storage import held as rows
from hub.storage.transaction import Done, Effect, NewEvent, Transaction

RESTORED = "restored"
ALERT = "store_restored"
_VOID = "void"
_WORKSPACES = 100_000
RELEASE_MAX = 5000
"""Tasks that one call releases at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Released:
    """What a release of all did."""

    released: int
    left: int
    """At least so many are held still: ask again."""


# --- held ---


def hold(tx: Transaction, why: str) -> Done[int]:
    """Hold every unfinished task, and ask every runner what it has; how many are held. Sessions are begun anew."""
    count = rows.begin(tx, RESTORED)
    store_id = rows.store_id(tx)
    for workspace in access.workspace_page(tx, "", _WORKSPACES):
        data = {"why": why, "held": count}
        tx.record(NewEvent(workspace_id=workspace.id, kind="store.restored", subject=store_id, actor="hub", data=data))
        alerts.raise_alert(tx, workspace.id, ALERT, store_id, f"Unfinished tasks are held: {why}.")
    closed: list[Effect] = [
        CloseSession(runner_id=runner_id, epoch=epoch, reason="replaced", message="the hub's database was restored")
        for runner_id, epoch in runners.open_sessions(tx)
    ]
    return Done(count, closed)


def hold_if_older(tx: Transaction, hello: Hello) -> list[Effect]:
    """Hold where a runner was told a commit position that this store has not reached: an old copy was put back (D8)."""
    if not hello.store_id or hello.store_id != rows.store_id(tx):
        return []
    head = events.head(tx)
    if hello.commit_position <= head:
        return []
    why = f"the database is an older copy: a runner knows its position {hello.commit_position}, it has {head}"
    return list(hold(tx, why).effects)


def must_show(tx: Transaction, workspace_id: str, runner_id: str) -> bool:
    """Whether this runner has to tell all that it has and had, tombstones too."""
    return rows.since(tx) is not None and not rows.has_shown(tx, workspace_id, runner_id)


def note_stranger(tx: Transaction, runner_id: str) -> Done[bool]:
    """A runner came that the restored store does not know: it may have run any of the held tasks."""
    if rows.since(tx) is None or not rows.note_stranger(tx, runner_id):
        return Done(result=False)
    message = f"A runner ({runner_id[:40]}) is newer than the backup: held tasks are released by a person only."
    for workspace in access.workspace_page(tx, "", _WORKSPACES):
        alerts.raise_alert(tx, workspace.id, ALERT, runner_id[:64], message)
    return Done(result=True)


# --- shown ---


def showed(tx: Transaction, session: SessionKey, stones: Sequence[Stone], *, is_told: bool) -> None:
    """A runner has told its tombstones: held tasks that it ran since the backup wait for a person."""
    ran = {stone.execution_id: stone for stone in stones if stone.outcome != _VOID}
    known = rows.known_executions(tx, session.workspace_id, list(ran))
    held = rows.held_among(tx, session.workspace_id, [stone.task_id for stone in ran.values()])
    for stone in ran.values():
        # What the backup knows as settled is no news.
        if stone.task_id in held and known.get(stone.execution_id) not in {"finished", _VOID}:
            note_ran(tx, session, stone.task_id, stone.fence)
    if is_told:
        rows.note_shown(tx, session.workspace_id, session.runner_id)


def note_ran(tx: Transaction, session: SessionKey, task_id: str, fence: int) -> None:
    """A held task was run by this runner after the backup: only a person lets it run again."""
    runner = runners.get(tx, session.workspace_id, session.runner_id)
    name = runner.name if runner else session.runner_id
    why = f"{RESTORED}: it ran on {name} after the backup"
    if rows.change(tx, session.workspace_id, task_id, why, fence):
        tx.record(_event(session.workspace_id, task_id, "task.ran_since_backup", f"runner:{session.runner_id}", why))


# --- released ---


def release(tx: Transaction, workspace_id: str, task_id: str, actor: str) -> Done[TaskView]:
    """Let a held task run, whatever ran since the backup: a person knows better. Raises NotFound, Conflict."""
    task = tasks.get(tx, workspace_id, task_id, lock=True)
    shown = task_services.show(tx, workspace_id, task_id)
    if task is None or not rows.change(tx, workspace_id, task_id, None):
        raise Conflict("not_held", f"Task {shown.number} is not held; there is nothing to release.")
    tx.record(_event(workspace_id, task_id, "task.released", actor, shown.held or ""))
    effects = settlement.look_again(tx, workspace_id, task_id) if task.open_prerequisites else []
    wake = WakeDispatch(workspace_id=workspace_id)
    return Done(task_services.show(tx, workspace_id, task_id), [*effects, wake])


def release_all(tx: Transaction, workspace_id: str, actor: str) -> Done[Released]:
    """Let held tasks of a workspace run, those too that ran since the backup; at most `RELEASE_MAX` in one call."""
    count = 0
    effects: list[Effect] = []
    while count < RELEASE_MAX and (released := _release_slice(tx, workspace_id, actor, None, effects)):
        count += released
    left = len(rows.page(tx, workspace_id))
    if count:
        effects.append(WakeDispatch(workspace_id=workspace_id))
    return Done(Released(released=count, left=left), effects)


def release_shown(tx: Transaction) -> Done[int]:
    """Release what no runner has run since the backup, once all of them have shown; how many, a slice at a time."""
    if rows.since(tx) is None or rows.stranger(tx) is not None:
        return Done(0)
    count, waits = 0, False
    wakes: list[Effect] = []
    for workspace in access.workspace_page(tx, "", _WORKSPACES):
        if rows.not_shown(tx, workspace.id):
            waits = True
            continue
        released = _release_slice(tx, workspace.id, "hub", RESTORED, wakes)
        count += released
        if released:
            wakes.append(WakeDispatch(workspace_id=workspace.id))
    if not count and not waits:
        rows.end(tx)
    return Done(count, wakes)


def is_held(tx: Transaction) -> bool:
    """Whether the store holds: some runner has not shown, or something is not released."""
    return rows.since(tx) is not None


def unshown(tx: Transaction, workspace_id: str) -> list[str]:
    """Runners that a held task waits for, by name."""
    return rows.not_shown(tx, workspace_id)


def _release_slice(tx: Transaction, workspace_id: str, actor: str, why: str | None, effects: list[Effect]) -> int:
    """Release some; how many. What follows from what they were told meanwhile is added to `effects`."""
    released = 0
    for task in rows.page(tx, workspace_id, why):
        if rows.change(tx, workspace_id, task.id, None):
            tx.record(_event(workspace_id, task.id, "task.released", actor, task.held))
            if task.open_prerequisites:
                effects += settlement.look_again(tx, workspace_id, task.id)
            released += 1
    return released


def _event(workspace_id: str, task_id: str, kind: str, actor: str, why: str) -> NewEvent:
    return NewEvent(workspace_id=workspace_id, kind=kind, subject=task_id, actor=actor, cause=why, task_id=task_id)
