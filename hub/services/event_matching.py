"""What an event is to the expressions of a trigger: whether it matches, and which parameters it gives."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from hub.domain.event_trigger import EventRule, Happening, passes
from hub.domain.parameters import Fault
from hub.services import expr
from hub.services.expr import LIST_MAX, Expression, ExpressionFailed, Given

EVENT = frozenset({"event"})
SILENCE = frozenset({"since"})
"""A silence has no event: expressions see since when, as text."""


class Unmapped(Exception):  # noqa: N818 - an outcome of what somebody else wrote
    """The expressions of a map came to no value; the message says which, and why."""


def expression_faults(definition: Mapping[str, Any]) -> list[Fault]:
    """What is wrong with the expressions of a definition."""
    names = SILENCE if "absent" in definition else EVENT
    when, mapped = definition.get("when"), definition.get("map")
    faults = expr.faults(when, "when", EVENT) if isinstance(when, str) else []
    for name, text in (mapped if isinstance(mapped, Mapping) else {}).items():
        faults += expr.faults(text, f"map.{name}", names) if isinstance(text, str) else []
    return faults


class Seen:
    """An event, and what expressions are given of it, made when the first one asks."""

    __slots__ = ("_given", "event")

    def __init__(self, event: Happening) -> None:
        self.event = event
        self._given: Given | None = None

    def value(self, expression: str | Expression) -> Any:
        """The value of an expression over the event. Raises ExpressionFailed."""
        if self._given is None:
            self._given = Given({"event": shown(self.event)})
        return self._given.value(expression)


class Silent:
    """A silence, as expressions see it."""

    __slots__ = ("_given",)

    def __init__(self, since: datetime) -> None:
        self._given = Given({"since": since.isoformat()})

    def value(self, text: str) -> Any:
        """The value of an expression over the silence. Raises ExpressionFailed."""
        return self._given.value(text)


def is_match(rule: EventRule, seen: Seen, when: Expression | None = None) -> bool:
    """Whether an event matches; one on which the expression comes to no value does not (`why_not`)."""
    return passes(rule, seen.event) and why_not(rule, seen, when) is None


def why_not(rule: EventRule, seen: Seen, when: Expression | None = None) -> str | None:
    """Why the expression of a rule does not hold for an event; None where it does, or where there is none.

    `when` is the rule's expression for whoever keeps it compiled.
    """
    if rule.when is None:
        return None
    try:
        found = seen.value(when or rule.when)
    except ExpressionFailed as error:
        return f"when comes to no value: {error}"
    return None if found is True else "when does not hold"


def parameters(rule: EventRule, seen: Seen | Silent) -> dict[str, Any]:
    """The parameters that a map gives. Raises Unmapped with all that is in the way."""
    found: dict[str, Any] = {}
    wrong = []
    for name, text in rule.map.items():
        try:
            found[name] = seen.value(text)
        except ExpressionFailed as error:
            wrong.append(f"map.{name}: {error}")
    if wrong:
        raise Unmapped("; ".join(wrong))
    return found


def shown(event: Happening) -> dict[str, Any]:
    """An event as expressions see it. What is longer than they may look at is left out of its data, at any depth."""
    data = _shortened(event.data)
    return {
        "pos": event.pos,
        "at": event.at.isoformat(),
        "kind": event.kind,
        "subject": event.subject,
        "actor": event.actor,
        "old": event.old or "",
        "new": event.new or "",
        "cause": event.cause or "",
        "task": event.task_id or "",
        "execution": event.execution_id or "",
        "automation": event.automation or "",
        "queue": event.queue or "",
        "runner": event.runner or "",
        "outcome": str(event.data.get("outcome") or ""),
        "data": data,
    }


def words(event: Happening) -> str:
    """An event in a few words for the history."""
    of = event.automation or event.queue or event.runner or event.data.get("label") or event.subject
    told = event.data.get("outcome") or ""
    return f"{event.kind} of {of}{f': {told}' if told else ''}"


def _shortened(value: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: _shortened(one) if isinstance(one, Mapping) else one for name, one in value.items() if not _is_long(one)
    }


def _is_long(value: Any) -> bool:
    """Of a list also whether anything in it is: to leave that out alone would move what stands behind it."""
    if isinstance(value, list):
        return len(value) > LIST_MAX or any(_is_long(one) or _holds_long(one) for one in value)
    return isinstance(value, Mapping) and len(value) > LIST_MAX


def _holds_long(value: Any) -> bool:
    return isinstance(value, Mapping) and any(_is_long(one) or _holds_long(one) for one in value.values())
