"""The definition of an event trigger: read, and checked with all faults at once but for its expressions."""

import difflib
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

from hub.domain.event_kinds import KINDS, STATES, expand, remedy_of
from hub.domain.event_trigger import UNLESS, EventRule, ends_of
from hub.domain.parameters import Fault
from hub.domain.quantities import duration_text, read_duration
from hub.domain.webhook import map_faults

_LENGTH_MAX_S = 366 * 86400.0
_PATTERNS_MAX = 50
_OF = {
    "automation": ("task", "execution", "item", "items", "effect", "artifact", "artifacts"),
    "queue": ("queue", "item", "items"),
    "runner": ("runner", "task", "execution", "item", "artifact", "artifacts", "build", "effect"),
}
"""Families whose events can name the thing that a filter asks for."""


def read_rule(definition: Mapping[str, Any]) -> EventRule:
    """The rule of a definition that has no faults."""
    on = expand(definition["on"])
    lasts, absent = (_length(definition.get(name), stored=True) for name in ("for", "absent"))
    return EventRule(
        on=on,
        automation=definition.get("automation"),
        queue=definition.get("queue"),
        runner=definition.get("runner"),
        state=frozenset(definition.get("state") or ()),
        when=definition.get("when"),
        map=definition.get("map") or {},
        lasts=lasts,
        unless=frozenset() if lasts is None else ends_of(on, definition.get("unless") or ()),
        absent=absent,
    )


def completed(definition: Mapping[str, Any]) -> dict[str, Any]:
    """A definition as it is stored: one text where a list may stand becomes a list."""
    said = {name: value for name, value in definition.items() if value is not None}
    lists = ("on", "unless", "state")
    return said | {name: [said[name]] for name in lists if isinstance(said.get(name), str)}


def faults_of(said: Mapping[str, Any]) -> list[Fault]:
    """What is wrong with a completed definition, all at once."""
    faults: list[Fault] = []
    if not said.get("on"):
        remedy = "kinds of events, as task.settled or runner.*"
        faults.append(Fault(field="on", message="missing", remedy=remedy))
    faults += _kinds(said, "on") + _kinds(said, "unless") + _states(said)
    for name in ("automation", "queue", "runner", "when"):
        if name in said and (not isinstance(said[name], str) or not said[name]):
            faults.append(Fault(field=name, message="is no text", remedy="leave it out, or give a text"))
    faults += _lengths(said) + map_faults(said.get("map") or {})
    return faults or [*_unended(said), *_never(said)]


def _kinds(said: Mapping[str, Any], name: str) -> list[Fault]:
    return _each(said, name, lambda one: None if expand([one]) else ("is no kind of event", remedy_of(one)))


def _states(said: Mapping[str, Any]) -> list[Fault]:
    def look(one: str) -> tuple[str, str] | None:
        if one in STATES or any(kind.endswith(f".{one}") for kind in KINDS):
            return None
        near = difflib.get_close_matches(one, sorted(STATES), n=3, cutoff=0.5)
        return "is no state", f"did you mean {' or '.join(near)}?" if near else f"one of {', '.join(sorted(STATES))}"

    return _each(said, "state", look)


def _each(said: Mapping[str, Any], name: str, look: Any) -> list[Fault]:
    given = said.get(name, [])
    if not isinstance(given, list) or len(given) > _PATTERNS_MAX or not all(isinstance(one, str) for one in given):
        return [Fault(field=name, message="is no list of texts", remedy=f"at most {_PATTERNS_MAX} of them")]
    faults = []
    for number, one in enumerate(given):
        wrong = look(one)
        if wrong is not None:
            faults.append(Fault(field=f"{name}.{number}", message=f"{one[:64]!r} {wrong[0]}", remedy=wrong[1]))
    return faults


def _lengths(said: Mapping[str, Any]) -> list[Fault]:
    faults = []
    for name in ("for", "absent"):
        if name in said and _length(said[name]) is None:
            told = f"{str(said[name])[:40]!r} is no length of time"
            faults.append(Fault(field=name, message=told, remedy=f"1s to {duration_text(_LENGTH_MAX_S)}, as 10m or 2h"))
    if "for" in said and "absent" in said:
        message = "can't stand beside for"
        faults.append(Fault(field="absent", message=message, remedy="two triggers, one for each"))
    if "unless" in said and "for" not in said:
        faults.append(Fault(field="unless", message="means nothing without for", remedy="say how long it must last"))
    return faults


def _unended(said: Mapping[str, Any]) -> list[Fault]:
    """What must last needs something that can end it."""
    on = expand(said["on"])
    left = [] if said.get("unless") or "for" not in said else sorted(on - UNLESS.keys())
    if not left:
        return []
    message = f"missing: nothing is known that ends what {left[0]} begins"
    return [Fault(field="unless", message=message, remedy="name the kinds of events that end it")]


def _never(said: Mapping[str, Any]) -> list[Fault]:
    """A filter that no event of these kinds can pass would never say why nothing happens."""
    families = {kind.partition(".")[0] for kind in expand(said["on"])}
    return [
        Fault(field=name, message=f"no event of {_words(said['on'])} has one", remedy=f"events of {_words(known)} do")
        for name, known in _OF.items()
        if said.get(name) and families.isdisjoint(known)
    ]


def _words(names: Iterable[str]) -> str:
    return ", ".join(names)


def _length(text: Any, *, stored: bool = False) -> timedelta | None:
    """A length of time that may stand; None for what is none."""
    if not isinstance(text, str):
        return None
    try:
        length_s = read_duration(text, bare=stored)
    except ValueError:
        return None
    return timedelta(seconds=length_s) if length_s and 1 <= length_s <= _LENGTH_MAX_S else None
