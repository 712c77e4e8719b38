"""A trigger: what makes tasks of an automation by itself (design.md §1).

What all kinds share is here: states, the history's words, what happens while an earlier task of the same trigger is not
finished (overlap), and when a trigger gives up. What a kind listens to is in a file of its own (`schedule/`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, assert_never

from hub.domain.parameters import Fault

OFF_AFTER_MAX = 1000
COMMON_MEMBERS = frozenset({"kind", "overlap", "off_after", "priority"})
"""What a definition may say whatever its kind; `kind` itself is there for whoever reads the stored one."""


class TriggerKind(StrEnum):
    """What it listens to."""

    SCHEDULE = "schedule"
    QUEUE = "queue"
    WEBHOOK = "webhook"
    FILE = "file"
    EVENT = "event"


class TriggerState(StrEnum):
    """Whether it fires."""

    ACTIVE = "active"
    PAUSED = "paused"
    """By a person."""
    OFF = "off"
    """By itself, after too many failures in a row."""
    ENDED = "ended"
    """Its last moment has passed."""


class FiringOutcome(StrEnum):
    """What came of one cause."""

    FIRED = "fired"
    SKIPPED = "skipped"
    FAILED = "failed"


class Overlap(StrEnum):
    """What a cause does while earlier tasks of its trigger are not finished."""

    ALLOW = "allow"
    SKIP = "skip"
    QUEUE = "queue"
    """One more task waits for the end of the one before; a third is skipped."""
    CANCEL = "cancel"
    """The earlier ones are canceled; the new one does not wait for their end."""


class Verdict(StrEnum):
    """What is done with a cause."""

    FIRE = "fire"
    FIRE_BEHIND = "fire_behind"
    """A task that waits for the trigger's earlier one."""
    CANCEL_AND_FIRE = "cancel_and_fire"
    SKIP = "skip"


@dataclass(frozen=True, slots=True, kw_only=True)
class Common:
    """What a definition of any kind may say."""

    overlap: Overlap = Overlap.ALLOW
    off_after: int = 5
    """Failures in a row after which it switches itself off; 0: never."""
    priority: int | None = None
    """Of its tasks; None: the automation's."""


def read_common(definition: Mapping[str, Any]) -> Common:
    """The common members of a stored definition."""
    return Common(
        overlap=Overlap(definition.get("overlap", Overlap.ALLOW)),
        off_after=int(definition.get("off_after", 5)),
        priority=definition.get("priority"),
    )


def common_faults(definition: Mapping[str, Any]) -> list[Fault]:
    """What is wrong with the common members, all at once."""
    faults = []
    overlap = definition.get("overlap", Overlap.ALLOW)
    if overlap not in set(Overlap):
        remedy = f"one of {', '.join(Overlap)}"
        faults.append(Fault(field="overlap", message=f"{str(overlap)[:40]!r} is no overlap policy", remedy=remedy))
    for name, high in (("off_after", OFF_AFTER_MAX), ("priority", 10)):
        value = definition.get(name)
        if value is not None and (type(value) is not int or not 0 <= value <= high):
            faults.append(Fault(field=name, message=f"{str(value)[:40]!r} is out of range", remedy=f"0 to {high}"))
    return faults


def decide(overlap: Overlap, unfinished: int) -> Verdict:
    """What a cause does beside so many unfinished tasks of its trigger."""
    if unfinished == 0:
        return Verdict.FIRE
    match overlap:
        case Overlap.ALLOW:
            return Verdict.FIRE
        case Overlap.SKIP:
            return Verdict.SKIP
        case Overlap.CANCEL:
            return Verdict.CANCEL_AND_FIRE
        case Overlap.QUEUE:
            return Verdict.FIRE_BEHIND if unfinished == 1 else Verdict.SKIP
    assert_never(overlap)


def is_spent(common: Common, failed_in_a_row: int) -> bool:
    """Whether a trigger that has failed so often in a row switches itself off."""
    return 0 < common.off_after <= failed_in_a_row
