"""One cause of a trigger becomes a task, or a line that says why not. The same for every kind.

The caller holds the trigger's row lock. All of it is one transaction: the line of the history, the task, the count of
failures; and a cause that came before is left alone, so that nothing fires twice (R62).
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from hub.domain.automation import Automation
from hub.domain.event_trigger import DEPTH_MAX
from hub.domain.prerequisite import After, When
from hub.domain.trigger import (
    Common,
    FiringOutcome,
    Overlap,
    TriggerKind,
    TriggerState,
    Verdict,
    decide,
    is_spent,
    read_common,
)
from hub.errors import BotyardError
from hub.services import automations, tasks
from hub.services.effects import WakeDispatch
from hub.services.tasks import NewTask
from hub.storage import alerts, triggers
from hub.storage.faults import is_of_store
from hub.storage.transaction import Effect, NewEvent, Transaction
from hub.storage.triggers import TriggerRow

log = logging.getLogger(__name__)

OFF = "trigger_off"
"""Kind of the alert of a trigger that switched itself off."""
KEPT = timedelta(days=90)
"""How long a line of the history is kept."""
_WHY_MAX = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """What makes a trigger fire, once."""

    key: str
    """The same cause has the same key: the moment, the request's id, the file."""
    scheduled_for: datetime | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """Beside the trigger's own; they win."""
    why: str = ""
    """For people: what there was to do."""
    depth: int = 0
    """How many triggers of events in a row led here, this one included."""
    needs: Mapping[str, str] = field(default_factory=dict)
    """Labels that its runner must have, beside what the automation needs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fired:
    """What came of a cause."""

    outcome: FiringOutcome
    why: str = ""
    task_id: str | None = None
    is_off: bool = False
    """It was the failure after which the trigger switched itself off."""


def fire(  # noqa: PLR0913 - what whoever fires many knows already
    tx: Transaction,
    row: TriggerRow,
    cause: Cause,
    *,
    failed_before: int | None = None,
    known: dict[str, Automation] | None = None,
    forgets: bool = True,
) -> tuple[Fired | None, list[Effect]]:
    """Make the task of a cause, as the overlap policy has it; None for a cause that came before.

    `failed_before` is how often it failed in a row just before, where the row that was read is behind. `known` keeps
    automations by id for whoever fires many triggers in one transaction. With each firing the lines of the trigger's
    history go that are older than `KEPT`, unless `forgets` is False: for whoever fires it many times at once.
    """
    if triggers.is_known(tx, row, cause.key):
        return None, []
    common = read_common(row.definition)
    # There may be very many, and only other policies ask.
    unfinished = [] if common.overlap is Overlap.ALLOW else triggers.unfinished(tx, row)
    verdict = decide(common.overlap, len(unfinished))
    effects: list[Effect] = []
    if verdict is Verdict.SKIP:
        fired = Fired(outcome=FiringOutcome.SKIPPED, why=_beside(common, unfinished))
    else:
        if verdict is Verdict.CANCEL_AND_FIRE:
            effects += _cancel(tx, row, unfinished)
        behind = unfinished if verdict is Verdict.FIRE_BEHIND else ()
        new = _new_task(row, cause, common, behind)
        why = f"waits for task {behind[-1][1]}" if behind else cause.why
        fired, more = _make(tx, new, {} if known is None else known, why)
        effects += more
    _write(tx, row, cause, fired)
    if forgets:
        triggers.forget(tx, row, tx.now - KEPT)
    failed = row.failed_in_a_row if failed_before is None else failed_before
    return _counted(tx, row, common, fired, failed), effects


def fail(tx: Transaction, row: TriggerRow, cause: Cause, why: str, *, failed_before: int | None = None) -> Fired | None:
    """Write that a cause can't be followed, and count it; None for one that came before."""
    if triggers.is_known(tx, row, cause.key):
        return None
    fired = Fired(outcome=FiringOutcome.FAILED, why=why[:_WHY_MAX])
    _write(tx, row, cause, fired)
    failed = row.failed_in_a_row if failed_before is None else failed_before
    return _counted(tx, row, read_common(row.definition), fired, failed)


def apart(tx: Transaction, row: TriggerRow, cause: Cause, serve: Callable[[], list[Effect]]) -> list[Effect] | None:
    """Serve one trigger so that what nobody foresaw is its own failure, told and counted; None after that.

    For whoever serves several in one transaction, once that has failed: it costs a savepoint.
    """
    try:
        with tx.attempt():
            return serve()
    except Exception as error:
        if is_of_store(error):
            raise
        log.exception("trigger %s (%s) failed", row.label, row.id)
        why = f"an error in the hub, {type(error).__name__}: {error}"[:_WHY_MAX]
    try:
        with tx.attempt():
            fail(tx, row, cause, why)
    except Exception as error:
        if is_of_store(error):
            raise
        # Not even its definition can be read: nothing can be counted, and nothing be waited for.
        switch_off(tx, row, why)
    return None


def skip(  # noqa: PLR0913 - a line of the history, field by field
    tx: Transaction, row: TriggerRow, key: str, scheduled_for: datetime | None, why: str, *, depth: int = 0
) -> None:
    """Write that a cause, or a run of them, is passed over."""
    if not triggers.is_known(tx, row, key):
        fired = Fired(outcome=FiringOutcome.SKIPPED, why=why)
        _write(tx, row, Cause(key=key, scheduled_for=scheduled_for, depth=depth), fired)


def switch_off(tx: Transaction, row: TriggerRow, why: str) -> None:
    """The trigger fires no more until somebody resumes it, and an alert says so."""
    triggers.change(tx, row.workspace_id, row.id, {"state": TriggerState.OFF, "off_why": why, "next_at": None})
    disarm(tx, row)
    message = f"Trigger {row.label} switched itself off: {why} When it is mended: botyard trigger resume {row.label}"
    alerts.raise_alert(tx, row.workspace_id, OFF, row.id, message)
    record(tx, row, "trigger.off", f"trigger:{row.label}", old=row.state, new=TriggerState.OFF, data={"why": why})


def disarm(tx: Transaction, row: TriggerRow) -> None:
    """What it waited for is waited for no more: it was paused, switched off, or says something else now."""
    if row.kind == TriggerKind.EVENT:
        triggers.forget_awaited(tx, row.workspace_id, row.id)


def waking_once(effects: Sequence[Effect]) -> list[Effect]:
    """Each workspace's dispatch is woken once, however many tasks there are; all else stays as it is."""
    wakes = [effect for effect in effects if isinstance(effect, WakeDispatch)]
    return [*(effect for effect in effects if not isinstance(effect, WakeDispatch)), *dict.fromkeys(wakes)]


def record(  # noqa: PLR0913 - an event, field by field
    tx: Transaction,
    row: TriggerRow,
    kind: str,
    actor: str,
    *,
    old: str | None = None,
    new: str | None = None,
    cause: str | None = None,
    data: Mapping[str, Any] | None = None,
) -> None:
    """Record an event of a trigger."""
    tx.record(
        NewEvent(
            workspace_id=row.workspace_id,
            kind=kind,
            subject=row.id,
            actor=actor,
            old=old,
            new=new,
            cause=cause,
            data={"label": row.label, **(data or {})},
        )
    )


def said_of(error: BotyardError) -> str:
    """Why it could not be done, with every fault, on one line."""
    faults = error.details.get("errors", ())
    lines = [f"{fault['field']}: {fault['message']} ({fault['remedy']})" for fault in faults]
    return " ".join([error.message, *lines])[:_WHY_MAX]


def _new_task(row: TriggerRow, cause: Cause, common: Common, behind: Sequence[tuple[str, int]]) -> NewTask:
    after = After(tasks=tuple(task_id for task_id, _ in behind), when=When.FINISHED) if behind else None
    return NewTask(
        workspace_id=row.workspace_id,
        automation=row.automation_id,
        parameters={**row.parameters, **cause.parameters},
        priority=common.priority,
        after=after,
        needs=cause.needs,
        trigger_id=row.id,
        actor=f"trigger:{row.label}",
    )


def _make(tx: Transaction, new: NewTask, known: dict[str, Automation], why: str) -> tuple[Fired, list[Effect]]:
    try:
        automation = known.get(new.automation)
        if automation is None:
            automation = known[new.automation] = automations.show(tx, new.workspace_id, new.automation)
        done = tasks.make(tx, new, automation=automation)
    except BotyardError as error:
        # It is refused before anything of it is written.
        return Fired(outcome=FiringOutcome.FAILED, why=said_of(error)), []
    return Fired(outcome=FiringOutcome.FIRED, why=why, task_id=done.result), [*done.effects]


def _cancel(tx: Transaction, row: TriggerRow, unfinished: Sequence[tuple[str, int]]) -> list[Effect]:
    effects: list[Effect] = []
    for task_id, _ in unfinished:
        effects += tasks.cancel(tx, row.workspace_id, task_id, f"trigger:{row.label}").effects
    return effects


def _beside(common: Common, unfinished: Sequence[tuple[str, int]]) -> str:
    numbers = " and ".join(str(number) for _, number in unfinished[:2])
    are = "is" if len(unfinished) == 1 else "are"
    return f"task {numbers} {are} not finished (overlap {common.overlap})"


def _write(tx: Transaction, row: TriggerRow, cause: Cause, fired: Fired) -> None:
    values = {
        "id": tx.new_id("frg"),
        "cause_key": cause.key,
        "scheduled_for": cause.scheduled_for,
        "outcome": fired.outcome,
        "why": fired.why,
        "task_id": fired.task_id,
        "depth": cause.depth,
    }
    triggers.insert_firing(tx, row, values)
    if fired.outcome is not FiringOutcome.FIRED and cause.depth <= DEPTH_MAX + 1:
        # Refused because of its depth is told once: who listens to failures is refused too, and told by its history.
        # One that fired is told by its task's own event, whose actor is the trigger.
        data = {"why": fired.why, **({"depth": cause.depth} if cause.depth else {})}
        record(tx, row, f"trigger.{fired.outcome}", f"trigger:{row.label}", cause=cause.key, data=data)


def _counted(tx: Transaction, row: TriggerRow, common: Common, fired: Fired, failed: int) -> Fired:
    """Count failures in a row; after too many it switches itself off. What was skipped counts as neither."""
    if fired.outcome is FiringOutcome.FIRED and failed:
        triggers.progress(tx, row, {"failed_in_a_row": 0})
    if fired.outcome is not FiringOutcome.FAILED:
        return fired
    triggers.progress(tx, row, {"failed_in_a_row": failed + 1})
    if not is_spent(common, failed + 1):
        return fired
    switch_off(tx, row, f"{failed + 1} failures in a row, the last: {fired.why}")
    return Fired(outcome=fired.outcome, why=fired.why, is_off=True)
