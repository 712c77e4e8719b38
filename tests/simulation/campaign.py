"""Many worlds, one after another, and what they found."""

import gc
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from tests.simulation.world import MakeMachine, Outcome, run_world


@dataclass(slots=True, kw_only=True)
class Findings:
    """What a campaign tried, and which seeds broke a rule."""

    seeds: int = 0
    broken: list[Outcome] = field(default_factory=list)
    tried: Counter[str] = field(default_factory=Counter)
    """Faults, by kind."""
    judged: Counter[str] = field(default_factory=Counter)
    """How many things each rule of the checker looked at."""
    virtual_s: float = 0.0
    steps: int = 0
    took_s: float = 0.0
    """Of this machine's time."""

    def add(self, outcome: Outcome) -> None:
        """Count one world."""
        self.seeds += 1
        self.tried += outcome.tried
        self.judged += outcome.judged
        self.virtual_s += outcome.virtual_s
        self.steps += outcome.steps
        if outcome.violations:
            self.broken.append(outcome)

    def text(self) -> str:
        """All of it for people."""
        lines = [f"seed {one.seed}: {violation}" for one in self.broken for violation in one.violations]
        lines.append("faults   " + ", ".join(f"{kind} {count}" for kind, count in sorted(self.tried.items())))
        lines.append("judged   " + ", ".join(f"{rule} {count}" for rule, count in sorted(self.judged.items())))
        pace = self.seeds / self.took_s if self.took_s else 0.0
        lines.append(
            f"{self.seeds} seeds, {len(self.broken)} with violations; {self.virtual_s / 3600:.1f} virtual hours, "
            f"{self.steps} steps in {self.took_s:.1f} s ({pace:.2f} seeds/s)"
        )
        return "\n".join(lines)


def run(
    seeds: Iterable[int],
    make: MakeMachine,
    *,
    is_over: Callable[[], bool] = lambda: False,
    on_outcome: Callable[[Outcome], None] | None = None,
) -> Findings:
    """Run the worlds of these seeds until `is_over` says so."""
    findings = Findings()
    began = time.monotonic()
    gc.collect()
    gc.freeze()  # what is there now need not be looked through after each world
    try:
        for seed in seeds:
            if is_over():
                break
            outcome = run_world(seed, make)
            findings.add(outcome)
            findings.took_s = time.monotonic() - began
            if on_outcome is not None:
                on_outcome(outcome)
    finally:
        gc.unfreeze()
    return findings
