"""What a task may hold of things that are shared: at most so many of an automation, of a key, of a resource, a minute.

`exceeded` is the one rule: placement asks it before a grant, and `hub.domain.waiting` when it says why a task waits.
What a task wants follows from its automation as it is now, so a changed limit counts for those that wait already.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from hub.domain.parameters import Fault

CONCURRENCY_MAX = 100_000
UNITS_MAX = 1_000_000
PER_S_MAX = 86400
ACCOUNTS_MAX = 1000
VALUE_MAX = 200
"""Characters of a key's value; a longer one is no key, but a payload."""


class LimitKind(StrEnum):
    """Of what there is only so much."""

    AUTOMATION = "automation"
    KEY = "key"
    RESOURCE = "resource"
    RATE = "rate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """At most `count` starts in any `per_s` seconds."""

    count: int
    per_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sharing:
    """How the tasks of an automation share: what a developer says."""

    concurrency: int | None = None
    """At most so many at once: of the automation, or with a key of each of its values."""
    concurrency_key: str | None = None
    """An expression over the parameters; tasks of one value count together, at most one at once if not told else."""
    uses: Mapping[str, int] = field(default_factory=dict)
    """Units that a running task holds, by label of the resource."""
    rate: Rate | None = None

    @property
    def is_free(self) -> bool:
        """Whether its tasks wait for nothing that is shared."""
        return self.concurrency is None and self.concurrency_key is None and not self.uses and self.rate is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Want:
    """What a task needs of one limit while it runs."""

    kind: LimitKind
    limit_key: str
    units: int = 1
    total: int | None = None
    """How many there are; None where the resource knows that."""
    per_s: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stock:
    """How a limit stands."""

    total: int | None
    """How many there are; None: there is no such resource (any more)."""
    used: int
    free_account: str | None = None
    """The account that the next one gets, of a resource that has accounts."""
    free_at: datetime | None = None
    """When the oldest start of a rate falls out of its time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shortage:
    """A limit that a task can't have now."""

    want: Want
    stock: Stock

    @property
    def missing(self) -> int:
        """So many more have to be free."""
        return self.stock.used + self.want.units - (self.stock.total or 0)


def wants(automation_id: str, sharing: Sharing, limit_key: str | None) -> tuple[Want, ...]:
    """All that a task wants, in the order in which it is taken; `limit_key` is the task's own (`key_of`).

    A task from before its automation had a key has none, and counts with nobody.
    """
    found = []
    if sharing.concurrency_key is not None:
        if limit_key is not None:
            found.append(Want(kind=LimitKind.KEY, limit_key=limit_key, total=sharing.concurrency or 1))
    elif sharing.concurrency is not None:
        named = f"{LimitKind.AUTOMATION}:{automation_id}"
        found.append(Want(kind=LimitKind.AUTOMATION, limit_key=named, total=sharing.concurrency))
    if sharing.rate is not None:
        named = f"{LimitKind.RATE}:{automation_id}"
        rate = Want(kind=LimitKind.RATE, limit_key=named, total=sharing.rate.count, per_s=sharing.rate.per_s)
        found.append(rate)
    for label, units in sorted(sharing.uses.items()):
        found.append(Want(kind=LimitKind.RESOURCE, limit_key=resource_key(label), units=units))
    return tuple(found)


def exceeded(wanted: Sequence[Want], stocks: Mapping[str, Stock]) -> list[Shortage]:
    """The limits that keep a task from starting now; empty when it may."""
    return [
        Shortage(want=want, stock=stocks[want.limit_key])
        for want in wanted
        if not is_enough(want, stocks[want.limit_key])
    ]


def is_enough(want: Want, stock: Stock) -> bool:
    """Whether one more task may have what it wants of a limit."""
    return stock.total is not None and stock.used + want.units <= stock.total


def resource_key(label: str) -> str:
    """Under which a resource is held."""
    return f"{LimitKind.RESOURCE}:{label}"


def key_of(automation_id: str, value: Any) -> str | None:
    """Under which a task counts whose expression has this value; None for a value that can't be a key."""
    if isinstance(value, float) and not value.is_integer():
        return None
    if not isinstance(value, str | int | float | bool):
        return None
    text = json.dumps(int(value) if isinstance(value, float) else value, ensure_ascii=False)
    return f"{LimitKind.KEY}:{automation_id}:{text}" if len(text) <= VALUE_MAX else None


def value_of(limit_key: str) -> str:
    """What people call the limit: a resource's label, a key's value; empty for an automation's own."""
    kind, _, rest = limit_key.partition(":")
    match LimitKind(kind):
        case LimitKind.RESOURCE:
            return rest
        case LimitKind.KEY:
            return rest.partition(":")[2]
        case _:
            return ""


def faults_of(sharing: Sharing) -> list[Fault]:
    """What is wrong with the figures, all at once; whether resources exist and a key compiles, others look."""
    found = []
    bounds: list[tuple[str, int | None, int]] = [("concurrency", sharing.concurrency, CONCURRENCY_MAX)]
    bounds += [(f"uses.{label[:64]}", units, UNITS_MAX) for label, units in sorted(sharing.uses.items())]
    if sharing.rate is not None:
        bounds += [("rate.count", sharing.rate.count, CONCURRENCY_MAX), ("rate.per_s", sharing.rate.per_s, PER_S_MAX)]
    for where, value, most in bounds:
        if value is not None and not 1 <= value <= most:
            found.append(Fault(field=where, message=f"{value} is out of range", remedy=f"1 to {most}"))
    return found


def stored(sharing: Sharing) -> dict[str, Any]:
    """As columns of an automation."""
    return {
        "concurrency": sharing.concurrency,
        "concurrency_key": sharing.concurrency_key,
        "uses": dict(sharing.uses) or None,
        "rate": {"count": sharing.rate.count, "per_s": sharing.rate.per_s} if sharing.rate else None,
    }


def read(
    concurrency: int | None, concurrency_key: str | None, uses: Mapping[str, int] | None, rate: Mapping[str, int] | None
) -> Sharing:
    """From columns of an automation."""
    return Sharing(
        concurrency=concurrency,
        concurrency_key=concurrency_key,
        uses=dict(uses or {}),
        rate=Rate(count=rate["count"], per_s=rate["per_s"]) if rate else None,
    )
