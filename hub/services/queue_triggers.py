"""Triggers that make tasks for the items of a queue: looked at when items come, fall due, or one of their tasks ends.

The trigger's row lock makes one decision of all that happens at once, here and in other hubs.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from agent.wire.words import Outcome
from hub.domain.automation import Automation
from hub.domain.parameters import Fault
from hub.domain.queue_trigger import MEMBERS, QueueRule, faults_of, pause_s, read_rule, tasks_to_make
from hub.domain.trigger import (
    COMMON_MEMBERS,
    FiringOutcome,
    TriggerKind,
    TriggerState,
    is_spent,
    read_common,
)
from hub.services import firing
from hub.services.effects import WakeTrigger, WakeTriggers
from hub.services.firing import Cause
from hub.services.schedules import Prepared
from hub.storage import queue_watch, triggers
from hub.storage import queues as queue_rows
from hub.storage.queue_watch import End
from hub.storage.transaction import Done, Effect, Transaction
from hub.storage.triggers import TriggerRow

_GOOD = frozenset({Outcome.SUCCEEDED, Outcome.PARTIAL, Outcome.CANCELED})
"""What somebody canceled says nothing of the work."""
_PAUSES = 10
"""So many failures in a row are counted for a trigger that is never off: the pause grows no longer."""
TURN = 20
"""Tasks of one transaction: nobody else's write waits longer for it than the store's budget, 20 ms."""


def merge(known: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """A definition with changed members; None takes one away."""
    merged = {**known, **changes}
    return {name: value for name, value in merged.items() if value is not None}


def prepare(tx: Transaction, workspace_id: str, definition: Mapping[str, Any], calendar_id: str | None) -> Prepared:
    """Check a definition, all faults at once, and arm it: it looks at its queue at once."""
    said = {name: value for name, value in definition.items() if name in {*MEMBERS, *COMMON_MEMBERS}}
    faults = faults_of(said)
    unknown = sorted(set(definition) - set(said))
    faults += [
        Fault(field=name, message="means nothing for a queue", remedy=f"known are {', '.join(MEMBERS)}")
        for name in unknown
    ]
    if calendar_id is not None:
        faults.append(Fault(field="calendar", message="means nothing for a queue", remedy="leave it out"))
    queue = queue_rows.by_label(tx, workspace_id, str(said.get("queue", "")))
    if queue is None and not any(fault.field == "queue" for fault in faults):
        message = f"there is no queue {str(said['queue'])[:128]!r}"
        faults.append(Fault(field="queue", message=message, remedy="botyard queue create makes it"))
    if faults or queue is None:
        return Prepared(faults=faults)
    # Due at once: what waits in the queue already counts.
    return Prepared(definition=said, columns={"queue_id": queue.id, "next_at": tx.now, "considered_at": tx.now})


def of_queue(tx: Transaction, workspace_id: str, queue_id: str) -> Done[int]:
    """Let every trigger of a queue make the tasks that are wanted now; how many that were."""
    made, effects = 0, list[Effect]()
    for trigger_id in queue_watch.triggers_of(tx, workspace_id, queue_id):
        row = triggers.by_id(tx, workspace_id, trigger_id, lock=True)
        if row is not None:
            more, found = consider(tx, row)
            made += more
            effects += found
    return Done(made, effects)


def of_trigger(tx: Transaction, workspace_id: str, trigger_id: str) -> Done[int]:
    """Let one trigger make the tasks that are wanted now, if it listens to a queue; how many that were."""
    row = triggers.by_id(tx, workspace_id, trigger_id, lock=True)
    return Done(0) if row is None or row.kind != TriggerKind.QUEUE else Done(*consider(tx, row))


def consider(tx: Transaction, row: TriggerRow) -> tuple[int, list[Effect]]:
    """Make the tasks that a trigger, locked, wants now; (how many, effects).

    After a task that failed, or came for nothing, it pauses, longer each time, and after too many in a row it is off:
    a bot that can't do the work would be started for ever.
    """
    is_pausing = row.next_at is not None and row.next_at > tx.now
    if row.state != TriggerState.ACTIVE or row.queue_id is None or is_pausing:
        return 0, []
    if row.next_at is not None:
        triggers.progress(tx, row, {"next_at": None})
    common = read_common(row.definition)
    ends = queue_watch.newest_ends(tx, row, common.off_after or _PAUSES)
    failed = _in_vain(tx, row, row.queue_id, ends)
    if is_spent(common, failed):
        told = f"{failed} of its tasks in a row failed or took nothing of what waited, the last: {ends[0].outcome}."
        firing.switch_off(tx, row, told)
        return 0, []
    goes_on = ends[0].settled_at + timedelta(seconds=pause_s(failed)) if failed else tx.now
    if goes_on > tx.now:
        return 0, _pause(tx, row, goes_on)
    rule = read_rule(row.definition)
    waiting = queue_watch.waiting(tx, row.workspace_id, row.queue_id, _enough(rule))
    unfinished = len(triggers.unfinished(tx, row))
    wanted = tasks_to_make(rule, pending=waiting.pending, processing=waiting.processing, unfinished=unfinished)
    return _make(tx, row, wanted, f"{waiting.pending}{'+' if waiting.is_more else ''} items of {rule.queue} wait")


def _in_vain(tx: Transaction, row: TriggerRow, queue_id: str, ends: Sequence[End]) -> int:
    """How many of the newest tasks, in a row, failed, or took nothing though something waited since before they began.

    One that another was faster than, or that ended before an item came, says nothing of the work.
    """
    since: datetime | None = None
    for place, one in enumerate(ends):
        if one.outcome not in _GOOD:
            continue
        if one.outcome == Outcome.CANCELED or queue_watch.took_any(tx, row.workspace_id, one.id):
            return place
        since = since or queue_watch.waits_since(tx, row.workspace_id, queue_id)
        if since is None or one.created_at < since:
            return place
    return len(ends)


def _enough(rule: QueueRule) -> int:
    """So many items decide all: the others change nothing."""
    return max(rule.threshold, rule.max_tasks * rule.items_per_task)


def _make(tx: Transaction, row: TriggerRow, wanted: int, why: str) -> tuple[int, list[Effect]]:
    """At most a turn's worth; for the others it looks again, and the sweep does where this process dies before."""
    effects: list[Effect] = []
    known: dict[str, Automation] = {}
    turn = min(wanted, TURN)
    for made in range(turn):
        cause = Cause(key=f"items {tx.new_id('frg')}", why=why)
        fired, more = firing.fire(tx, row, cause, known=known, forgets=made == 0)
        effects += more
        if fired is not None and fired.outcome is FiringOutcome.FAILED:
            pause = timedelta(seconds=pause_s(row.failed_in_a_row + 1))
            return made, [*effects, *([] if fired.is_off else _pause(tx, row, tx.now + pause))]
    if wanted > turn:
        effects.append(WakeTrigger(workspace_id=row.workspace_id, trigger_id=row.id))
    return turn, list(dict.fromkeys(effects))


def _pause(tx: Transaction, row: TriggerRow, until: datetime) -> list[Effect]:
    triggers.progress(tx, row, {"next_at": until})
    return [WakeTriggers()]
