"""What a part of the campaign is given and what it gives back."""

import statistics
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.history.checker import Verdict, described


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How much is to be tried."""

    folder: Path
    """For histories, logs and data of what fails; the part makes folders of its own in it."""
    tries: int | None = None
    """Seeds, kills, points or cuts; None: as many as the figures of the project ask for."""
    seed: int = 0
    """The same seed makes the same choices."""
    deadline: float = float("inf")
    """`time.monotonic()` after which nothing new is begun."""
    say: Callable[[str], None] = print
    """One line about how far it is."""

    def count(self, aim: int) -> int:
        """How many to try, where nobody said otherwise."""
        return aim if self.tries is None else self.tries

    def is_time_up(self) -> bool:
        """Whether to begin nothing new."""
        return time.monotonic() >= self.deadline


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A promise that was broken: under which seed or at which point, and what was seen."""

    where: str
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Skip:
    """What this machine cannot do, and why."""

    what: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """Durations in seconds that were measured, and what they may be at most."""

    what: str
    samples: Sequence[float]
    limit_s: float | None = None

    @property
    def median(self) -> float:
        """The middle one."""
        return statistics.median(self.samples)

    @property
    def p99(self) -> float:
        """What 99 of 100 do not exceed."""
        ordered = sorted(self.samples)
        return ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]

    @property
    def longest(self) -> float:
        """The longest."""
        return max(self.samples)

    @property
    def is_kept(self) -> bool:
        """Whether none is over the limit."""
        return self.limit_s is None or not self.samples or self.longest <= self.limit_s


@dataclass(slots=True, kw_only=True)
class PartResult:
    """What a part tried and saw; a part fills it as it goes, so that an end in the middle tells what there is."""

    name: str
    promise: str
    """One sentence with the numbers of the rules (R, D, C, T) that it proves."""
    tried: Counter[str] = field(default_factory=Counter)
    """What was tried, by kind: `seeds`, `kills of the hub`, `EIO at fdatasync`, …"""
    judged: Counter[str] = field(default_factory=Counter)
    """How many things each rule of the history checker looked at."""
    failures: list[Failure] = field(default_factory=list)
    skips: list[Skip] = field(default_factory=list)
    times: list[Times] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """Other figures that belong in the report, one sentence each."""
    took_s: float = 0.0

    @property
    def is_good(self) -> bool:
        """Nothing failed, every time within its limit, and something was tried unless it was skipped."""
        has_tried = sum(self.tried.values()) > 0 or bool(self.skips)
        return not self.failures and has_tried and all(times.is_kept for times in self.times)

    def fail(self, where: str, what: str) -> None:
        """Note a broken promise."""
        self.failures.append(Failure(where=where, what=what))

    def broke_off(self, where: str, errors: BaseExceptionGroup[BaseException], folder: Path) -> None:
        """Note what ended a try in its middle; its logs are in `folder`."""
        for error in errors.exceptions:
            if isinstance(error, BaseExceptionGroup):
                self.broke_off(where, error, folder)
            else:
                self.fail(where, f"{type(error).__name__}: {error} (see {folder})")

    def skip(self, what: str, reason: str) -> None:
        """Note what the machine cannot do."""
        self.skips.append(Skip(what=what, reason=reason))

    def take(self, where: str, verdict: Verdict) -> None:
        """Count what the history checker judged, and note its violations."""
        self.judged.update({str(rule): count for rule, count in verdict.judged.items()})
        for violation in verdict.violations:
            self.fail(where, described(violation))


Part = Callable[[Options], PartResult]
