"""How many tasks a queue trigger makes: enough for the items that are there, never more than it may.

It is looked at whenever items come, fall due, or one of its tasks ends, so it scales up with the work and down by
itself: a task that finds nothing more to take ends, and is followed by none.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hub.domain.parameters import Fault

MEMBERS = ("queue", "threshold", "items_per_task", "max_tasks")
_TASKS_MAX = 1000
_ITEMS_MAX = 1_000_000
_PAUSE_BASE_S = 30.0
_PAUSE_CAP_S = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueRule:
    """What a definition says."""

    queue: str
    """Label of the queue."""
    threshold: int = 1
    """Items that must wait before any task is made."""
    items_per_task: int = 1
    """One more task for each so many items that wait or are in work."""
    max_tasks: int = 1
    """Of its tasks, unfinished at once."""


def read_rule(definition: Mapping[str, Any]) -> QueueRule:
    """The rule of a stored definition."""
    return QueueRule(**{name: definition[name] for name in MEMBERS if definition.get(name) is not None})


def faults_of(definition: Mapping[str, Any]) -> list[Fault]:
    """What is wrong with a definition, all at once."""
    faults = []
    if not isinstance(definition.get("queue"), str) or not definition["queue"]:
        faults.append(Fault(field="queue", message="missing", remedy="the label of a queue"))
    for name, high in (("threshold", _ITEMS_MAX), ("items_per_task", _ITEMS_MAX), ("max_tasks", _TASKS_MAX)):
        value = definition.get(name, 1)
        if type(value) is not int or not 1 <= value <= high:
            faults.append(Fault(field=name, message=f"{str(value)[:40]!r} is out of range", remedy=f"1 to {high}"))
    if definition.get("overlap") is not None:
        message = "means nothing for a queue"
        faults.append(Fault(field="overlap", message=message, remedy="say max_tasks"))
    return faults


def tasks_to_make(rule: QueueRule, *, pending: int, processing: int, unfinished: int) -> int:
    """How many tasks to make now, beside so many unfinished ones of this trigger."""
    if pending < rule.threshold:
        return 0
    enough = -(-(pending + processing) // rule.items_per_task)
    return max(0, min(enough, rule.max_tasks) - unfinished)


def pause_s(failed_in_a_row: int) -> float:
    """How long nothing is made after so many failures in a row: work that nobody can do is no reason to spin."""
    if failed_in_a_row <= 0:
        return 0.0
    return float(min(_PAUSE_CAP_S, _PAUSE_BASE_S * 2 ** min(failed_in_a_row - 1, 20)))
