"""Which runner may run what: an automation's needs against a runner's labels.

A need is a label that must be there: ``{"os": "windows"}`` is met by ``os=windows``; an empty value, ``{"sap": ""}``,
by any value of ``sap``. Every runner has the label `RUNNER` beside its own: ``{"runner": "vm1"}`` is met by vm1 alone.

And which task comes first: the more urgent one, but waiting makes urgent. A task gains a level of priority for every
`LEVEL` that it waits, so a stream of urgent tasks, however long, delays an old one only so far; where that leaves two
alike, the automation comes first that has fewer tasks running.

And whether it may start at all: of an automation that a failure stopped, nothing does.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

RUNNER = "runner"
"""The label that every runner has by itself: its name."""
LEVEL = timedelta(minutes=30)
"""Of waiting, that weighs as much as one level of priority."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """The best of one kind of waiting tasks, as `first` sees it."""

    task_id: str
    automation_id: str
    ranked_at: datetime


def ranked_at(priority: int, since: datetime) -> datetime:
    """The moment by which tasks are in order: the earlier, the sooner. It never changes while a task waits.

    `since` is when it could have run for the first time.
    """
    return since - priority * LEVEL


def level(ranked: datetime, now: datetime) -> int:
    """The priority that a task has by now, with what it gained by waiting, in whole levels."""
    return (now - ranked) // LEVEL


def are_alike(candidates: Sequence[Candidate], now: datetime) -> bool:
    """Whether the most urgent of them are of several automations, so that `first` has to know what runs of each."""
    if len(candidates) < 2:
        return False
    highest = max(level(one.ranked_at, now) for one in candidates)
    return len({one.automation_id for one in candidates if level(one.ranked_at, now) == highest}) > 1


def first(candidates: Iterable[Candidate], running: Mapping[str, int], now: datetime) -> Candidate | None:
    """Which of the best of each kind is granted now; `running` counts the tasks that run, by automation."""
    return min(
        candidates,
        key=lambda one: (
            -level(one.ranked_at, now),
            running.get(one.automation_id, 0),
            one.ranked_at,
            one.task_id,
        ),
        default=None,
    )


def may_start(stopped_at: datetime | None) -> bool:
    """Whether waiting tasks of an automation start: not while a failure has it stopped (`hub.domain.retry.Route.STOP`).

    A pause by a person is none: it keeps new tasks out, and those that wait go on.
    """
    return stopped_at is None


def labels_of(name: str, labels: Mapping[str, str]) -> dict[str, str]:
    """What a runner of that name has: its own labels, and its name."""
    return {**labels, RUNNER: name}


def fits(labels: Mapping[str, str], needs: Mapping[str, str]) -> bool:
    """Whether a runner with these labels meets all needs."""
    return all(_meets(labels, name, value) for name, value in needs.items())


def unmet(every_labels: Iterable[Mapping[str, str]], needs: Mapping[str, str]) -> tuple[str, ...]:
    """The needs that no single one of the given runners meets, as ``name=value``; for telling people what is missing.

    Empty when each need is met by somebody, though perhaps not all by the same runner.
    """
    runners = list(every_labels)
    return tuple(
        f"{name}={value}" if value else name
        for name, value in sorted(needs.items())
        if not any(_meets(labels, name, value) for labels in runners)
    )


def _meets(labels: Mapping[str, str], name: str, value: str) -> bool:
    return name in labels and value in ("", labels[name])
