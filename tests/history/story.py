"""A history sorted by what it is about, and the shape of a judgement; what the rules stand on."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from tests.history.events import (
    Acked,
    Closed,
    Ended,
    Event,
    Fault,
    FaultKind,
    Granted,
    Reported,
    Seen,
    Started,
    Stored,
    Voided,
    Wrote,
)


class Rule(StrEnum):
    """What is judged (`reliability.md` T2); C9, C13 and C14 come with what they are about."""

    ENDS = "C1"
    ONE_START = "C2"
    NO_OVERLAP = "C3"
    OUTPUT = "C4"
    TRUE_END = "C5"
    FROZEN = "C6"
    ONE_COMPLETION = "C7"
    ONE_TASK = "C8"
    NO_SECRET = "C10"
    NOTHING_LEFT = "C11"
    BOUNDED = "C12"
    NOT_LOST_EARLY = "D9"


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """One thing that a rule looked at; `problem` is empty where it holds."""

    rule: Rule
    about: tuple[str, ...]
    problem: str = ""
    events: tuple[Event, ...] = ()


Judgements = Iterator[Judgement]


@dataclass(slots=True)
class Story:
    """The events by what they are about."""

    events: Sequence[Event]
    acked: dict[str, Acked] = field(default_factory=dict)
    granted: dict[str, Granted] = field(default_factory=dict)
    started: dict[str, list[Started]] = field(default_factory=lambda: defaultdict(list))
    voided: dict[str, Voided] = field(default_factory=dict)
    ended: dict[str, Ended] = field(default_factory=dict)
    reported: dict[str, Reported] = field(default_factory=dict)
    wrote: dict[tuple[str, str], list[Wrote]] = field(default_factory=lambda: defaultdict(list))
    stored: dict[tuple[str, str], Stored] = field(default_factory=dict)
    seen: dict[str, list[Seen]] = field(default_factory=lambda: defaultdict(list))
    faults: list[Fault] = field(default_factory=list)
    is_closed: bool = False

    def __post_init__(self) -> None:
        for event in self.events:
            self._take(event)
        for known in self.wrote.values():
            known.sort(key=lambda wrote: wrote.length)

    def _take(self, event: Event) -> None:
        match event:
            case Acked():
                self.acked.setdefault(event.task, event)
            case Granted():
                self.granted[event.execution] = event
            case Started():
                self.started[event.execution].append(event)
            case Voided():
                self.voided[event.execution] = event
            case Wrote():
                self.wrote[event.execution, event.stream].append(event)
            case Stored():
                self.stored[event.execution, event.stream] = event
            case _:
                self._take_more(event)

    def _take_more(self, event: Event) -> None:
        match event:
            case Ended():
                self.ended[event.execution] = event
            case Reported():
                self.reported[event.execution] = event
            case Seen():
                self.seen[event.task].append(event)
            case Fault():
                self.faults.append(event)
            case Closed():
                self.is_closed = True

    def starts(self) -> Iterable[Started]:
        """All starts, in the order of their time."""
        return sorted((one for several in self.started.values() for one in several), key=lambda one: one.at)

    def finished(self, task: str) -> Seen | None:
        """The first look that showed the task finished."""
        return next((seen for seen in self.seen.get(task, ()) if seen.state == "finished"), None)

    def last_seen(self, execution: str) -> Seen | None:
        """The last look at a task while this was its newest execution."""
        looks = [seen for several in self.seen.values() for seen in several if seen.execution == execution]
        return max(looks, key=lambda seen: seen.at, default=None)

    def runner(self, execution: str) -> str | None:
        """Where this execution was sent."""
        if execution in self.granted:
            return self.granted[execution].runner
        return self.started[execution][0].runner if self.started.get(execution) else None

    def struck(self, execution: str, kinds: Iterable[FaultKind]) -> bool:
        """Whether a fault of these kinds struck this execution, its runner, or all."""
        runner = self.runner(execution)
        return any(
            fault.what in kinds and fault.execution in {None, execution} and fault.runner in {None, runner}
            for fault in self.faults
        )
