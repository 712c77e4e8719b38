"""What applying documents changes: their order, the differences member by member, and a name for the whole plan.

A document says all of what it defines: a member that it leaves out has its default. What people decide while things run
is not taken back by silence: a pause stays, and so do values of secret parameters.
"""

import graphlib
import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

DOCUMENTS_MAX = 500
"""In one apply: all of it is one transaction, which others wait for."""
HIDDEN = "••••••"
"""Stands for a value that nobody may read."""


class DocumentKind(StrEnum):
    """What a document defines; in the order in which they need each other."""

    CALENDAR = "calendar"
    RESOURCE = "resource"
    QUEUE = "queue"
    AUTOMATION = "automation"
    TRIGGER = "trigger"


class Action(StrEnum):
    """What applying does to one thing."""

    CREATE = "create"
    CHANGE = "change"
    UNCHANGED = "unchanged"


Thing = tuple[DocumentKind, str]
"""Kind and label: what a document defines."""


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """A thing as a document would say it, with nothing left out."""

    members: Mapping[str, Any]
    hidden: Collection[str] = ()
    """Members, with dots, whose values nobody may read."""
    stored: Any = None
    """What it was read from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One member that becomes another; None for one that is not there."""

    member: str
    old: Any
    new: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What is done for one document."""

    index: int
    kind: DocumentKind
    label: str
    action: Action
    changes: Sequence[Change] = ()
    note: str = ""
    """What is still to be done by hand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All steps, in order of kind and label."""

    steps: Sequence[Step]
    wanted: str = ""
    """Digest of the documents: steps do not show all that they make, nor any secret."""

    @property
    def digest(self) -> str:
        """Names the plan: two of the same name do the same."""
        steps = [
            (one.kind, one.label, one.action, [(c.member, c.old, c.new) for c in one.changes]) for one in self.steps
        ]
        said = [self.wanted, steps]
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:32]


def plan_of(steps: Sequence[Step], wanted: str = "") -> Plan:
    """A plan as it is shown."""
    kinds = list(DocumentKind)
    return Plan(steps=sorted(steps, key=lambda one: (kinds.index(one.kind), one.label)), wanted=wanted)


def in_order(needs: Mapping[Thing, Collection[Thing]]) -> tuple[list[Thing], Sequence[Thing]]:
    """(things, each behind those of them that it needs; a circle among them, empty where there is none).

    Things of a circle come where their kinds stand.
    """
    kinds = list(DocumentKind)
    things = sorted(needs, key=lambda one: kinds.index(one[0]))
    sorter = graphlib.TopologicalSorter({one: [other for other in needs[one] if other in needs] for one in things})
    try:
        return list(sorter.static_order()), ()
    except graphlib.CycleError as error:
        return things, error.args[1][1:]


def differences(old: State, new: State) -> list[Change]:
    """Every member that differs, those of objects one by one; hidden values are compared and not shown."""
    hidden = {*old.hidden, *new.hidden}
    before, after = _flat(old.members, new.members, hidden)
    found = []
    for member in dict.fromkeys([*before, *after]):
        was, becomes = before.get(member), after.get(member)
        if _same(was, becomes):
            continue
        if any(f"{one}.".startswith(f"{member}.") for one in hidden):
            was, becomes = (None if one is None else HIDDEN for one in (was, becomes))
        found.append(Change(member=member, old=was, new=becomes))
    return found


def brief(members: Mapping[str, Any], usual: Mapping[str, Any]) -> dict[str, Any]:
    """The members that differ from the usual ones; objects that both have are looked into."""
    found: dict[str, Any] = {}
    for name, value in members.items():
        standard = usual.get(name)
        if name in usual and _same(value, standard):
            continue
        if isinstance(value, Mapping) and isinstance(standard, Mapping):
            found[name] = brief(value, standard)
        else:
            found[name] = value
    return found


def _flat(
    old: Mapping[str, Any], new: Mapping[str, Any], whole: Collection[str], under: str = ""
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Both with dotted names; an object is taken apart where both have one, but for those of `whole`."""
    before: dict[str, Any] = {}
    after: dict[str, Any] = {}
    for name in dict.fromkeys([*old, *new]):
        was, becomes, where = old.get(name), new.get(name), f"{under}{name}"
        if isinstance(was, Mapping) and isinstance(becomes, Mapping) and where not in whole:
            inner = _flat(was, becomes, whole, f"{where}.")
            before |= inner[0]
            after |= inner[1]
            continue
        before[where], after[where] = was, becomes
    return before, after


def _same(one: Any, other: Any) -> bool:
    """Equal as JSON: true is not 1."""
    return bool(one == other) and json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
