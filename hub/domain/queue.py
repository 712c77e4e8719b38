"""A queue: what its items look like, in which order they are handed out, and what happens when one fails."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from hub.domain.automation import label_name_faults
from hub.domain.parameters import Fault, Parameter, definition_faults
from hub.domain.payload import schema_faults

ATTEMPTS_MAX = 50
DAY_S = 86400
_UNIQUE_MAX = 4


class Consumption(StrEnum):
    """Which of two items of the same deadline and priority comes first."""

    FIFO = "fifo"
    LIFO = "lifo"


class QueueState(StrEnum):
    """A paused queue takes items and hands none out."""

    ACTIVE = "active"
    PAUSED = "paused"


class Stock(StrEnum):
    """What a queue holds of open work, as the feed tells it."""

    NONE = "none"
    IN_WORK = "in_work"
    """Nothing waits, something is in work."""
    WAITING = "waiting"


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemRetry:
    """How often an item is tried, and how long it waits in between: full jitter over a doubling bound (R60)."""

    attempts: int = 3
    """In all, the first included; those in which the machine was at fault do not count."""
    base_s: int = 30
    cap_s: int = 3600

    @classmethod
    def read(cls, stored: Mapping[str, Any]) -> "ItemRetry":
        """As a queue's row holds it."""
        return cls(**stored)

    def delay_s(self, tries: int, share: float) -> float:
        """How long to wait after the `tries`-th counted try; `share` is a random number of 0 to 1."""
        doubled: int = self.base_s << min(max(tries - 1, 0), 30)
        return share * min(self.cap_s, doubled)


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueDefinition:
    """Everything that a developer says of a queue; times in seconds."""

    label: str
    name: str = ""
    """For people; the label where it is empty."""
    description: str = ""
    fields: Sequence[Parameter] = ()
    """Of the payload; none declared: any payload is taken."""
    display: Sequence[str] = ()
    """Fields that tell people which item it is."""
    unique: Sequence[str] = ()
    """Fields that no two living items share."""
    schema: Mapping[str, Any] | None = None
    """JSON Schema of the payload, beside the fields."""
    consumption: Consumption = Consumption.FIFO
    concurrency: int | None = None
    """Items that may be in work at once."""
    retry: ItemRetry = field(default_factory=ItemRetry)
    lease_s: int = 900
    expected_s: int | None = None
    """Longest time that one attempt is expected to take: then nobody renews its lease but the bot itself."""
    retention_days: int | None = None
    success_queue: str | None = None
    """Where a copy of each finished item goes."""
    failure_queue: str | None = None
    unique_references: bool = False
    stop_after: int | None = None
    """Failures in a row that pause it."""
    target: str | None = None
    """The application that its items need; its breaker guards them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """A stored queue."""

    id: str
    workspace_id: str
    definition: QueueDefinition
    state: QueueState
    paused_why: str | None
    success_queue_id: str | None
    failure_queue_id: str | None
    created_at: datetime
    updated_at: datetime


def faults_of(new: QueueDefinition) -> list[Fault]:
    """What is wrong with a definition, all at once; empty when it can stand."""
    faults = [*label_name_faults(new.label), *_field_faults(new), *schema_faults(new.schema)]
    bounds = (
        ("concurrency", new.concurrency, 1, 100_000),
        ("retry.attempts", new.retry.attempts, 1, ATTEMPTS_MAX),
        ("retry.base_s", new.retry.base_s, 0, DAY_S),
        ("retry.cap_s", new.retry.cap_s, 0, 7 * DAY_S),
        ("lease_s", new.lease_s, 5, DAY_S),
        ("expected_s", new.expected_s, 5, 7 * DAY_S),
        ("retention_days", new.retention_days, 1, 36_500),
        ("stop_after", new.stop_after, 1, 10_000),
    )
    for name, value, low, high in bounds:
        if value is not None and not low <= value <= high:
            faults.append(Fault(field=name, message=f"{value} is out of range", remedy=f"{low} to {high}"))
    return faults


def _field_faults(new: QueueDefinition) -> list[Fault]:
    faults = [
        Fault(field=one.field.replace("parameters", "fields", 1), message=one.message, remedy=one.remedy)
        for one in definition_faults(new.fields)
    ]
    faults += [
        Fault(field=f"fields.{index}", message="a field of an item is no secret", remedy="keep it in the vault")
        for index, one in enumerate(new.fields)
        if one.secret
    ]
    known = {one.name for one in new.fields}
    for where, names in (("display", new.display), ("unique", new.unique)):
        for name in names:
            if name not in known:
                remedy = f"one of {', '.join(sorted(known))}" if known else "declare fields first"
                faults.append(Fault(field=where, message=f"{name[:64]!r} is no field", remedy=remedy))
    if len(new.unique) > _UNIQUE_MAX:
        faults.append(Fault(field="unique", message=f"more than {_UNIQUE_MAX} fields", remedy="name fewer"))
    if new.unique and new.unique_references:
        message = "either fields or the reference make an item unique"
        faults.append(Fault(field="unique_references", message=message, remedy="choose one of the two"))
    return faults
