"""The shim's look at its bot's tree: when, and what came of it. Only where a bound needs it (S20)."""

import signal
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from agent.cgroups.readings import refused_forks
from agent.shim.bounds import FIRST_LOOK_S, PIDS, Bounds, Excess, Seen, excess_of, next_look_s, size_text
from agent.shim.measure import Meter, disk_used
from agent.wire.words import ExitKind

if TYPE_CHECKING:
    from agent.ports.clock import Clock
    from agent.shim.body import Tree
    from agent.shim.order import ShimOrder
    from agent.shim.supervisor import House

_NS = 1_000_000_000
_WALK_AGAIN_NS = 5_000_000


class Watch:
    """Looks at one tree; driven by the supervisor's loop."""

    def __init__(self, bounds: Bounds, meter: "Meter", clock: "Clock") -> None:
        self._clock = clock
        self._bounds = bounds
        self._meter = meter
        self._looks = 0
        self._took_ns = 0
        self._was_killed_in = False
        self._due_ns = clock.boot_ns() + int(FIRST_LOOK_S * _NS)

    @property
    def bounds(self) -> Bounds:
        """Those that count now."""
        return self._bounds

    @property
    def due_ns(self) -> int | None:
        """When to look next, by `Clock.boot_ns`; None while nothing is bounded any more."""
        return self._due_ns if self._bounds.is_set else None

    def set_bounds(self, bounds: Bounds) -> None:
        """Keep these from now on; they are looked at at once."""
        self._bounds = bounds
        self._due_ns = self._clock.boot_ns()

    def look(self, now_ns: int) -> Excess | None:
        """Measure if it is time; return the bound that is exceeded."""
        if now_ns < self._due_ns or not self._bounds.is_set:
            return None
        seen = self._meter.read(self._bounds)
        self._took_ns += self._clock.boot_ns() - now_ns
        if self._meter.is_walking:
            self._due_ns = now_ns + _WALK_AGAIN_NS
        else:
            self._due_ns = now_ns + int(next_look_s(self._bounds, seen, self._looks, self._took_ns / _NS) * _NS)
            self._looks += 1
            self._took_ns = 0
        if seen.oom_kills and not self._was_killed_in:
            # The kernel may be ending all of it just now: then that is how it ended, and this is no stop of ours.
            self._was_killed_in = True
            self._due_ns = now_ns + int(FIRST_LOOK_S * _NS)
            seen = replace(seen, oom_kills=0)
        return excess_of(self._bounds, seen)


def watch_of(house: "House", tree: "Tree") -> Watch | None:
    """Return the watch that an order needs; None where nothing is bounded, and then nothing is looked at."""
    bounds = house.order.bounds
    return begin_watch(house, tree, bounds) if bounds.is_set else None


def begin_watch(house: "House", tree: "Tree", bounds: Bounds) -> Watch:
    """Watch a tree from now on; what its folder held before it was started is not counted."""
    groups = {controller: Path(folder) for controller, folder in house.order.groups.items()}
    before = house.disk_before
    if before is None:
        before = disk_used(house.folder)
    meter = Meter(tree, house.folder, groups, before)
    return Watch(bounds, meter, house.clock)


def limit_that_ended(order: "ShimOrder", bounds: Bounds, tree: "Tree", how: ExitKind) -> str:
    """Say which limit a bot ended by without a stop of ours, where one did; else nothing. `bounds`: those of now."""
    memory, exited = bounds.memory_bytes, tree.exited
    if how is ExitKind.OOM_KILLED and memory is not None:
        return f"the memory limit of {size_text(memory)} was reached"
    largest = order.rlimits.get("FSIZE")
    if largest is not None and exited is not None and exited.signal == getattr(signal, "SIGXFSZ", None):
        return f"a file would have become larger than the {size_text(largest[0])} that are allowed"
    pids = order.groups.get(PIDS)
    if exited is not None and exited.code != 0 and pids is not None and PIDS in bounds.kept:
        # It failed by the refusal before the watch looked.
        excess = excess_of(Bounds(processes=bounds.processes), Seen(refused_forks=refused_forks(Path(pids))))
        return excess.text if excess is not None else ""
    return ""
