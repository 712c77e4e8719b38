"""One pass over the feed for all triggers of events: what is new is read and matched once, then fired in slices.

`plan` only reads: the events behind the cursor, and which trigger each of them is for. `carry_out` fires a slice of
that and moves the cursor in the same transaction. Whatever dies between is planned anew; a trigger that was served
knows so by its own position. Of two hubs the one that moves the cursor first goes on, the other plans again.
"""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from itertools import pairwise

from hub.domain.automation import Automation
from hub.domain.event_definition import read_rule
from hub.domain.event_trigger import EventRule, Happening, passes
from hub.services import event_triggers, firing
from hub.services.event_matching import Seen
from hub.services.event_triggers import CURSOR
from hub.services.expr import Expression
from hub.services.firing import Cause
from hub.storage import event_watch, events, triggers
from hub.storage.events import Event
from hub.storage.transaction import Done, Effect, Transaction
from hub.storage.triggers import TriggerRow

log = logging.getLogger(__name__)

BATCH = 500
_CHANGES = frozenset(
    f"trigger.{what}" for what in ("created", "edited", "paused", "resumed", "deleted", "off", "ended")
)
"""After these the triggers are read anew."""
_EFFORT_MAX = 10_000
"""Of one plan: so many looks of a trigger at an event, some 3 µs each, while nobody else computes."""
_EXPRESSION = 10
"""What an expression weighs beside that."""
_SLICE = 100
_PLAIN, _LASTING, _ABSENT = 10, 3, 1
"""What serving a trigger weighs: 10 plain firings fill a slice, as for every other kind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """An active trigger of events, read."""

    row: TriggerRow
    rule: EventRule
    when: Expression | None = None
    """That of the rule, compiled once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listening:
    """All active triggers of events, and where the feed is read on."""

    by_kind: Mapping[tuple[str, str], Mapping[str, Listener]]
    """By (workspace, kind), then by id."""
    listeners: Mapping[tuple[str, str], Listener]
    """By (workspace, id)."""
    kept: int
    """The cursor as it is stored."""
    begin: int
    """Where reading begins: nobody waits for what is before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """An event and a trigger that it is for."""

    listener: Listener
    event: Happening


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What one look at the feed found."""

    listening: Listening
    to: int
    """The last position that was looked at."""
    is_more: bool
    work: Sequence[Served] = ()
    """In order of the feed."""
    is_edited: bool = False
    """A trigger was edited: what was looked at before is not looked at again as it is now, also after a restart."""
    gap: tuple[int, int] | None = None
    """Events that are not kept any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """A part of a plan for one transaction, and where the cursor stands behind it."""

    to: int
    work: Sequence[Served] = field(default_factory=list)


def listen(tx: Transaction) -> Listening:
    """Read all active triggers of events."""
    found = triggers.listening(tx)
    kept = events.cursor(tx, CURSOR)
    made = _reread(Listening(by_kind={}, listeners={}, kept=kept, begin=kept), set(), found)
    first = min((one.row.event_pos or 0 for one in made.listeners.values()), default=events.head(tx))
    return replace(made, begin=max(kept, first))


def _changed(tx: Transaction, listening: Listening, found: Sequence[Event]) -> Listening:
    """With the triggers that these events name read anew: all of them, of 10,000, would take seconds."""
    named: dict[str, set[str]] = {}
    for event in found:
        if event.kind in _CHANGES:
            named.setdefault(event.workspace_id, set()).add(event.subject)
    for workspace_id, ids in named.items():
        now = triggers.listening_of(tx, workspace_id, sorted(ids))
        listening = _reread(listening, {(workspace_id, one) for one in ids}, now)
    return listening


def _reread(listening: Listening, gone: AbstractSet[tuple[str, str]], now: Sequence[TriggerRow]) -> Listening:
    """Without some triggers, and with others."""
    listeners = dict(listening.listeners)
    left = [one for key in sorted(gone) if (one := listeners.pop(key, None)) is not None]
    come = [one for row in now if (one := _listener(row)) is not None]
    by_kind = {**listening.by_kind}
    touched = {(one.row.workspace_id, kind) for one in [*left, *come] for kind in one.rule.on | one.rule.unless}
    made = {key: dict(by_kind.get(key, {})) for key in touched}
    for one in left:
        for kind in one.rule.on | one.rule.unless:
            made[one.row.workspace_id, kind].pop(one.row.id, None)
    for one in come:
        listeners[one.row.workspace_id, one.row.id] = one
        for kind in one.rule.on | one.rule.unless:
            made[one.row.workspace_id, kind][one.row.id] = one
    by_kind |= made
    return replace(listening, by_kind={key: some for key, some in by_kind.items() if some}, listeners=listeners)


def plan(tx: Transaction, listening: Listening, position: int) -> Plan:
    """Look at the events behind `position`: which triggers they are for."""
    found = events.read_after(tx, position, BATCH)
    kinds = {event.kind for event in found}
    if not _CHANGES.isdisjoint(kinds):
        listening = _changed(tx, listening, found)
    if not found:
        return Plan(listening=listening, to=position, is_more=False)
    gap = (position + 1, found[0].pos - 1) if found[0].pos > position + 1 else None
    near = [event for event in found if (event.workspace_id, event.kind) in listening.by_kind]
    work: list[Served] = []
    left, to = _EFFORT_MAX, found[-1].pos
    for before, event in pairwise([None, *event_watch.happenings(tx, near)]):
        assert event is not None
        if left <= 0 and before is not None:
            to = before.pos
            break
        wanted = listening.by_kind[event.workspace_id, event.kind].values()
        left -= sum(1 if one.rule.when is None else _EXPRESSION for one in wanted)
        work += _served(wanted, event)
    is_more = to < found[-1].pos or len(found) == BATCH
    work = _without_idle(work)
    return Plan(listening=listening, to=to, is_more=is_more, work=work, is_edited="trigger.edited" in kinds, gap=gap)


def slices(made: Plan) -> Iterator[Slice]:
    """The transactions of a plan; the last one moves the cursor to its end."""
    part: list[Served] = []
    weight = 0
    for one in made.work:
        if weight >= _SLICE:
            # An event whose triggers do not all stand in this part is not behind the cursor yet.
            yield Slice(to=one.event.pos - 1, work=part)
            part, weight = [], 0
        part.append(one)
        weight += _weight(one.listener.rule)
    yield Slice(to=made.to, work=part)


def carry_out(tx: Transaction, kept: int, part: Slice) -> Done[bool]:
    """Fire a slice and move the cursor from `kept`; False, and nothing done, when another hub was first."""
    if part.to > kept and not events.move_cursor(tx, CURSOR, kept, part.to):
        return Done(result=False)
    by_trigger: dict[tuple[str, str], list[Happening]] = {}
    for one in part.work:
        by_trigger.setdefault((one.listener.row.workspace_id, one.listener.row.id), []).append(one.event)
    effects: list[Effect] = []
    known: dict[str, Automation] = {}
    # Always in the same order: two transactions never wait for each other's rows.
    for workspace_id, trigger_id in sorted(by_trigger):
        row = triggers.by_id(tx, workspace_id, trigger_id, lock=True)
        if row is not None:
            effects += event_triggers.consider(tx, row, by_trigger[workspace_id, trigger_id], known=known)
    return Done(True, firing.waking_once(effects))


def carry_out_apart(tx: Transaction, kept: int, part: Slice) -> Done[bool]:
    """As `carry_out`, for after that has failed: each firing by itself, so that only what is at fault has failed."""
    if part.to > kept and not events.move_cursor(tx, CURSOR, kept, part.to):
        return Done(result=False)
    effects: list[Effect] = []
    for one in sorted(part.work, key=lambda one: (one.listener.row.workspace_id, one.listener.row.id, one.event.pos)):
        pos = one.event.pos
        row = triggers.by_id(tx, one.listener.row.workspace_id, one.listener.row.id, lock=True)
        if row is None or pos <= (row.event_pos or 0):
            continue
        cause = Cause(key=f"error event {pos}", depth=one.event.depth + 1)
        found = firing.apart(tx, row, cause, partial(event_triggers.consider, tx, row, [one.event]))
        effects += found or []
        if found is None:
            triggers.progress(tx, row, {"event_pos": pos})
    return Done(True, firing.waking_once(effects))


def standing_at(listening: Listening, kept: int) -> Listening:
    """The same, with the cursor stored there."""
    return replace(listening, kept=kept)


def tell_gap(tx: Transaction, first: int, last: int, trigger_ids: Sequence[tuple[str, str]]) -> Done[None]:
    """Every trigger that should have looked at these events says in its history that they were gone."""
    for workspace_id, trigger_id in trigger_ids:
        row = triggers.by_id(tx, workspace_id, trigger_id, lock=True)
        if row is not None:
            event_triggers.missed(tx, row, first, last)
    return Done(None)


def _served(wanted: Iterable[Listener], event: Happening) -> Iterator[Served]:
    seen = Seen(event)
    for one in wanted:
        if event.pos <= (one.row.event_pos or 0) or not (passes(one.rule, event) or event.kind in one.rule.unless):
            continue
        if _concerns(one, seen):
            yield Served(listener=one, event=event)


def _listener(row: TriggerRow) -> Listener | None:
    """None for one that can't be read, as after a program that knew more was taken back: the others are served."""
    try:
        rule = read_rule(row.definition)
    except Exception:
        log.exception("trigger %s (%s) can't be read, and hears nothing", row.label, row.id)
        return None
    return Listener(row=row, rule=rule, when=None if rule.when is None else Expression(rule.when))


def _concerns(one: Listener, seen: Seen) -> bool:
    try:
        return any(event_triggers.signs(one.rule, one.row, seen, one.when))
    except Exception:  # noqa: BLE001 - it fails again where it is carried out, which counts and tells it
        return True


def _without_idle(work: Sequence[Served]) -> list[Served]:
    """Of events that only break a silence, one after the other, the last says all."""
    left: list[Served] = []
    later: dict[str, datetime] = {}
    for one in reversed(work):
        absent, trigger_id = one.listener.rule.absent, one.listener.row.id
        if absent is not None:
            following = later.get(trigger_id)
            later[trigger_id] = one.event.at
            if following is not None and following - one.event.at < absent:
                continue
        left.append(one)
    return left[::-1]


def _weight(rule: EventRule) -> int:
    return _PLAIN if rule.is_plain else _LASTING if rule.lasts is not None else _ABSENT
