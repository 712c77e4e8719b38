"""Triggers that listen to the event feed: one trigger, locked, takes in events and fires what follows from them.

Whoever calls holds the trigger's row lock. Its `event_pos` moves in the transaction that fires, and a cause is the
position of its event: each event is considered, and fires once, whoever brings it (`event_pass`, or the clock here).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from hub.domain.automation import Automation
from hub.domain.event_definition import completed, faults_of, read_rule
from hub.domain.event_trigger import DEPTH_MAX, MEMBERS, Awaited, EventRule, Happening, Lasting, Silence, is_own
from hub.domain.parameters import Fault
from hub.domain.trigger import COMMON_MEMBERS, FiringOutcome, TriggerState
from hub.services import firing
from hub.services.effects import WakeTriggers
from hub.services.event_matching import Seen, Silent, Unmapped, expression_faults, is_match, parameters, words
from hub.services.expr import Expression
from hub.services.firing import Cause, Fired
from hub.services.schedules import Prepared
from hub.storage import automations, event_watch, events, queues, runners, triggers
from hub.storage.transaction import Effect, Transaction
from hub.storage.triggers import TriggerRow

CURSOR = "event triggers"
"""The reader of the feed for all of them: what is behind it was considered by every one."""
HELD_MAX = 10_000
"""Things that one trigger awaits at once."""
FIRED_AT_ONCE = 10
_CATCH_UP = 200
_LATER = timedelta(seconds=0.2)
_KEPT = timedelta(days=90)
_TOLD_KEPT = timedelta(days=30)


def merge(known: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """A definition with changed members; None takes one away. `for` and `absent` take each other's place."""
    merged = {**known, **changes}
    if changes.get("absent") is not None:
        merged |= {"for": changes.get("for"), "unless": changes.get("unless")}
    elif changes.get("for") is not None:
        merged |= {"absent": None}
    return {name: value for name, value in merged.items() if value is not None}


def is_same_watch(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Whether a trigger with another definition goes on waiting for what it waits for."""
    return all(before.get(name) == after.get(name) for name in MEMBERS)


def prepare(tx: Transaction, workspace_id: str, definition: Mapping[str, Any], calendar_id: str | None) -> Prepared:
    """Check a definition, all faults at once, and arm it: events from now on count, and a silence begins now."""
    said = completed({name: value for name, value in definition.items() if name in {*MEMBERS, *COMMON_MEMBERS}})
    known = f"known are {', '.join(MEMBERS)}"
    faults = [
        Fault(field=name, message="means nothing for events", remedy=known) for name in sorted({*definition} - {*said})
    ]
    if calendar_id is not None:
        faults.append(Fault(field="calendar", message="means nothing for events", remedy="leave it out"))
    faults += [*faults_of(said), *expression_faults(said), *_unknown(tx, workspace_id, said)]
    if faults:
        return Prepared(faults=faults)
    absent = read_rule(said).absent
    columns = {"event_pos": events.head(tx), "considered_at": tx.now, "next_at": tx.now + absent if absent else None}
    return Prepared(definition=said, columns=columns)


def consider(
    tx: Transaction,
    row: TriggerRow,
    found: Sequence[Happening],
    *,
    until: datetime | None = None,
    known: dict[str, Automation] | None = None,
) -> list[Effect]:
    """Take in the next events of the feed, in order, then what has lasted by `until`: there are no more before it."""
    if row.state != TriggerState.ACTIVE:
        return []
    run = _Run(tx=tx, row=row, rule=read_rule(row.definition), known={} if known is None else known)
    fresh = [Seen(event) for event in found if event.pos > (row.event_pos or 0)]
    if run.rule.lasts is not None:
        values = _lasting(run, run.rule.lasts, fresh, until)
    elif run.rule.absent is not None:
        values = _silent(run, run.rule.absent, fresh, until)
    else:
        values = _each(run, fresh)
    if fresh:
        values |= {"event_pos": fresh[-1].event.pos}
    if run.is_off:
        values.pop("next_at", None)
    if values:
        triggers.progress(tx, row, values)
    next_at = values.get("next_at")
    if next_at is not None and (row.next_at is None or next_at < row.next_at):
        run.effects.append(WakeTriggers())
    return run.effects


def turn(tx: Transaction, row: TriggerRow, known: dict[str, Automation]) -> list[Effect]:
    """Its moment has come: take in what it has not seen, then fire what has lasted or stayed away by now."""
    rule = read_rule(row.definition)
    unread = event_watch.first_unnumbered(tx, row.workspace_id)
    if unread is not None and unread < _due_at(tx, row, rule):
        # Committed, and without a position yet: it may be what the trigger waited for. A later one is not.
        triggers.progress(tx, row, {"next_at": tx.now + _LATER})
        return []
    _tidy(tx, row)
    behind = max(row.event_pos or 0, events.cursor(tx, CURSOR))
    found = events.read_after(tx, behind, _CATCH_UP, row.workspace_id)
    near = [event for event in found if event.kind in rule.on | rule.unless]
    is_caught_up = len(found) < _CATCH_UP
    until = min(unread or tx.now, tx.now) if is_caught_up else None
    effects = consider(tx, row, event_watch.happenings(tx, near), until=until, known=known)
    if found:
        triggers.progress(tx, row, {"event_pos": found[-1].pos})
    if not is_caught_up:
        triggers.progress_active(tx, row, {"next_at": tx.now})
    return effects


def _due_at(tx: Transaction, row: TriggerRow, rule: EventRule) -> datetime:
    """The moment that its turn is about; `next_at` may be a later try."""
    if rule.absent is not None:
        return _since(tx, row) + rule.absent
    return event_watch.earliest(tx, row) or tx.now


def _since(tx: Transaction, row: TriggerRow) -> datetime:
    """When its silence began: never later than now, also where the clock was ahead for a while."""
    return min(row.considered_at or row.created_at, tx.now)


def missed(tx: Transaction, row: TriggerRow, first: int, last: int) -> None:
    """Tell in the history that events were taken away before the trigger could look at them."""
    why = f"events {first} to {last} were no longer kept when the hub came to them"
    firing.skip(tx, row, f"gap {first}-{last}", None, why)


def signs(rule: EventRule, row: TriggerRow, seen: Seen, when: Expression | None = None) -> tuple[bool, bool]:
    """(Whether an event matches, whether it ends what the rule waits for to last); `when` as in `why_not`."""
    is_end = seen.event.kind in rule.unless
    # A silence that its own task breaks is broken: it can fire no faster than it is long.
    is_kept_out = rule.absent is None and is_own(seen.event, row.id, row.label)
    return not is_kept_out and not is_end and is_match(rule, seen, when), is_end


@dataclass(slots=True, kw_only=True)
class _Run:
    """One trigger firing, perhaps several times, in one transaction."""

    tx: Transaction
    row: TriggerRow
    rule: EventRule
    known: dict[str, Automation]
    effects: list[Effect] = field(default_factory=list)
    failed: int = -1
    is_off: bool = False

    def __post_init__(self) -> None:
        self.failed = self.row.failed_in_a_row

    def of_event(self, seen: Seen, why: str, due_at: datetime | None = None) -> None:
        """Fire because of an event."""
        event = seen.event
        cause = Cause(key=f"event {event.pos}", scheduled_for=due_at, why=why, depth=event.depth + 1)
        if event.depth >= DEPTH_MAX:
            told = f"{DEPTH_MAX} triggers of events in a row led to {words(event)}: no further, it may be a loop."
            self._fail(cause, told)
        else:
            self._fire(cause, seen)

    def of_silence(self, since: datetime, due_at: datetime) -> None:
        """Fire because nothing came."""
        text = since.isoformat()
        why = f"nothing since {since:%Y-%m-%d %H:%M:%S} UTC"
        self._fire(Cause(key=f"silence since {text}", scheduled_for=due_at, why=why, depth=1), Silent(since))

    def _fire(self, cause: Cause, seen: Seen | Silent) -> None:
        if self.is_off:
            return
        try:
            made = replace(cause, parameters=parameters(self.rule, seen))
        except Unmapped as error:
            self._fail(cause, str(error))
            return
        fired, effects = firing.fire(self.tx, self.row, made, failed_before=self.failed, known=self.known)
        self.effects += effects
        self._note(fired)

    def _fail(self, cause: Cause, why: str) -> None:
        if not self.is_off:
            self._note(firing.fail(self.tx, self.row, cause, why, failed_before=self.failed))

    def _note(self, fired: Fired | None) -> None:
        if fired is None or fired.outcome is FiringOutcome.SKIPPED:
            return
        self.failed = self.failed + 1 if fired.outcome is FiringOutcome.FAILED else 0
        self.is_off = self.is_off or fired.is_off


def _each(run: _Run, found: Sequence[Seen]) -> dict[str, Any]:
    for seen in found:
        if not run.is_off and signs(run.rule, run.row, seen)[0]:
            run.of_event(seen, words(seen.event))
    if not found:
        return {}
    _tidy(run.tx, run.row)
    return {"considered_at": run.tx.now}


def _lasting(run: _Run, lasts: timedelta, found: Sequence[Seen], until: datetime | None) -> dict[str, Any]:
    tx, row = run.tx, run.row
    seen = [(one.event, *signs(run.rule, row, one)) for one in found]
    abouts: set[str] = set()
    for event, _, is_end in seen:
        abouts |= event.concerns if is_end else {event.about}
    before = event_watch.awaited_about(tx, row, abouts)
    if until is not None:
        before |= event_watch.awaited_due(tx, row, FIRED_AT_ONCE)
    watch = Lasting(lasts=lasts, held=dict(before))
    room = HELD_MAX - event_watch.count(tx, row) if any(matches for _, matches, _ in seen) else 0
    fired: list[Awaited] = []
    for event, matches, is_end in seen:
        is_new = matches and event.about not in watch.held
        if is_new and room <= 0:
            why = f"{HELD_MAX} things are awaited already"
            firing.skip(tx, row, f"event {event.pos}", None, why, depth=event.depth + 1)
        fired += watch.see(event, is_match=matches and not (is_new and room <= 0), is_end=is_end)
        room -= is_new
    if until is not None:
        fired += watch.tick(until)
    event_watch.keep(tx, row, before, watch.held)
    for one in fired:
        run.of_event(Seen(one.event), f"{words(one.event)}, since {one.since:%H:%M:%S} UTC", one.due_at)
    return {"next_at": event_watch.earliest(tx, row), "considered_at": tx.now}


def _silent(run: _Run, absent: timedelta, found: Sequence[Seen], until: datetime | None) -> dict[str, Any]:
    tx, row = run.tx, run.row
    silence = Silence(absent=absent, since=_since(tx, row), is_told=row.next_at is None)
    for seen in found:
        if signs(run.rule, row, seen)[0]:
            _told(run, silence, silence.see(min(seen.event.at, tx.now)))
    if until is not None:
        _told(run, silence, silence.tick(until))
    return {"considered_at": silence.since, "next_at": None if silence.is_told else silence.due_at}


def _told(run: _Run, silence: Silence, since: datetime | None) -> None:
    if since is not None:
        run.of_silence(since, since + silence.absent)


def _tidy(tx: Transaction, row: TriggerRow) -> None:
    """Forget old lines of the history, once an hour of its life."""
    last = row.considered_at
    if last is None or last.replace(minute=0, second=0, microsecond=0) <= tx.now - timedelta(hours=1):
        triggers.forget(tx, row, tx.now - _KEPT)
        event_watch.forget_told(tx, row, tx.now - _TOLD_KEPT)


def _unknown(tx: Transaction, workspace_id: str, said: Mapping[str, Any]) -> list[Fault]:
    """Filters that name what is not there would match nothing, silently."""
    named = {name: said[name] for name in ("automation", "queue", "runner") if isinstance(said.get(name), str)}
    there: Mapping[str, Callable[[str], object]] = {
        "automation": lambda label: automations.by_label(tx, workspace_id, label),
        "queue": lambda label: queues.by_label(tx, workspace_id, label),
        "runner": lambda name: runners.named(tx, workspace_id, name) or runners.get(tx, workspace_id, name),
    }
    return [
        Fault(field=name, message=f"there is no {name} {text[:128]!r}", remedy=f"botyard {name} list shows all")
        for name, text in named.items()
        if text and there[name](text) is None
    ]
