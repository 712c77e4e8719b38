"""Which of the last events a trigger would have fired for: tried on what is in the feed, and nothing is written."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from hub.domain.event_definition import read_rule
from hub.domain.event_trigger import Awaited, EventRule, Lasting, Silence, passes
from hub.errors import Conflict
from hub.services import event_triggers
from hub.services.automations import invalid
from hub.services.event_matching import Seen, Silent, Unmapped, parameters, why_not, words
from hub.storage import event_watch, events
from hub.storage.events import EventFilter
from hub.storage.transaction import Transaction
from hub.storage.triggers import TriggerRow

LAST_MAX = 2000
SHOWN_MAX = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Would:
    """A task that a trigger would have made."""

    at: datetime
    pos: int | None
    """Position of its event; None for a silence."""
    why: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    fault: str = ""
    """Why it would have failed instead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """What came of it."""

    looked_at: int
    since: datetime | None
    """The moment of the first event that was looked at."""
    matched: int
    fires: Sequence[Would]
    """In order, all of them."""
    unread: str = ""
    """Why `when` came to no value, for the last event of those for which it did."""


def preview(tx: Transaction, workspace_id: str, definition: Mapping[str, Any], last: int) -> Tried:
    """Try a definition on the last events of the workspace. Raises Invalid with every fault."""
    prepared = event_triggers.prepare(tx, workspace_id, definition, None)
    if prepared.faults:
        raise invalid("trigger", "The trigger can't be defined so.", prepared.faults)
    return _tried(tx, workspace_id, read_rule(prepared.definition), last)


def of_trigger(tx: Transaction, row: TriggerRow, last: int) -> Tried:
    """Try a trigger as it stands. Raises Conflict for one that listens to something else."""
    if row.kind != "event":
        raise Conflict("no_events", f"Trigger {row.label!r} does not listen to events: it is of kind {row.kind}.")
    return _tried(tx, row.workspace_id, read_rule(row.definition), last)


def _tried(tx: Transaction, workspace_id: str, rule: EventRule, last: int) -> Tried:
    found = events.page(tx, workspace_id, EventFilter(newest=True, limit=min(last, LAST_MAX)))
    near = [
        Seen(one) for one in event_watch.happenings(tx, [row for row in found if row.kind in rule.on | rule.unless])
    ]
    reasons = {one.event.pos: why_not(rule, one) for one in near if passes(rule, one.event)}
    matched = {pos for pos, reason in reasons.items() if reason is None}
    unread = [reason for reason in reasons.values() if reason and "comes to no value" in reason]
    since = found[0].at if found else None
    return Tried(
        looked_at=len(found),
        since=since,
        matched=len(matched),
        fires=_fires(rule, near, matched, since or tx.now, tx.now),
        unread=unread[-1] if unread else "",
    )


def _fires(rule: EventRule, near: Sequence[Seen], matched: set[int], since: datetime, now: datetime) -> list[Would]:
    if rule.lasts is not None:
        watch = Lasting(lasts=rule.lasts)
        lasted: list[Awaited] = []
        for event in [seen.event for seen in near]:
            is_end = event.kind in rule.unless
            lasted += watch.see(event, is_match=not is_end and event.pos in matched, is_end=is_end)
        return [_of_event(rule, Seen(one.event), one.due_at) for one in [*lasted, *watch.tick(now)]]
    fitting = [seen for seen in near if seen.event.pos in matched]
    if rule.absent is not None:
        silence = Silence(absent=rule.absent, since=since)
        silent = [*(silence.see(seen.event.at) for seen in fitting), silence.tick(now)]
        return [_of_silence(rule, begin, begin + rule.absent) for begin in silent if begin is not None]
    return [_of_event(rule, seen, seen.event.at) for seen in fitting]


def _of_event(rule: EventRule, seen: Seen, at: datetime) -> Would:
    given, fault = _given(rule, seen)
    return Would(at=at, pos=seen.event.pos, why=words(seen.event), parameters=given, fault=fault)


def _of_silence(rule: EventRule, since: datetime, at: datetime) -> Would:
    given, fault = _given(rule, Silent(since))
    return Would(at=at, pos=None, why=f"nothing since {since:%Y-%m-%d %H:%M:%S} UTC", parameters=given, fault=fault)


def _given(rule: EventRule, seen: Seen | Silent) -> tuple[dict[str, Any], str]:
    try:
        return parameters(rule, seen), ""
    except Unmapped as error:
        return {}, str(error)
