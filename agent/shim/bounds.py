"""Pure: the bounds of a bot's tree that its shim watches, and what it says of one that was exceeded (S20).

What the kernel keeps by a control group (memory, pids) is not measured again: there only its counters are looked at.
CPU time and disk are always measured, as no kernel ends a whole tree for them.

A bot is looked at seldom while it is far from every bound, often when it comes near one, and soon after its start.
"""

from dataclasses import dataclass

FIRST_LOOK_S = 0.1
SLOW_LOOK_S = 1.0
_HASTY_LOOK_S = 0.5
_NEARER_LOOK_S = 0.25
_BUSY_SHARE = 20
"""A look that takes long comes seldom: at most one twentieth of the shim's time."""
_FLOOD = 2
"""So many times what its disk bound allows, and a bot is given no time to end by itself."""
MEMORY, PIDS = "memory", "pids"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What a tree may use; None is no bound. ``kept`` names the controllers by which the kernel keeps them."""

    memory_bytes: int | None = None
    processes: int | None = None
    """Processes and threads."""
    cpu_seconds: float | None = None
    disk_bytes: int | None = None
    """Above what stood in its folder when it was started."""
    kept: tuple[str, ...] = ()

    @property
    def is_set(self) -> bool:
        """Whether there is something to look at."""
        return any(each is not None for each in (self.memory_bytes, self.processes, self.cpu_seconds, self.disk_bytes))


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What one look found; what was not measured is 0."""

    memory_bytes: int = 0
    processes: int = 0
    cpu_seconds: float = 0.0
    disk_bytes: int = 0
    oom_kills: int = 0
    refused_forks: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Excess:
    """A bound that was exceeded: a sentence for people; ``is_urgent``: end the tree at once, not by the ladder."""

    text: str
    is_urgent: bool


def excess_of(bounds: Bounds, seen: Seen) -> Excess | None:
    """Return the first bound that is exceeded, those that endanger the machine first."""
    memory, processes, cpu_s, disk = bounds.memory_bytes, bounds.processes, bounds.cpu_seconds, bounds.disk_bytes
    if memory is not None and seen.oom_kills:
        text = f"the memory limit of {size_text(memory)} was reached and the system killed part of it"
        return Excess(text=text, is_urgent=True)
    if memory is not None and seen.memory_bytes > memory:
        text = f"it used {size_text(seen.memory_bytes)} of memory, {size_text(memory)} are allowed"
        return Excess(text=text, is_urgent=True)
    if processes is not None and (seen.refused_forks or seen.processes > processes):
        found = f"it had {seen.processes}" if seen.processes > processes else "it wanted more"
        return Excess(text=f"{found} processes and threads, {processes} are allowed", is_urgent=True)
    if cpu_s is not None and seen.cpu_seconds > cpu_s:
        text = f"it used {seen.cpu_seconds:.1f} s of CPU time, {cpu_s:g} s are allowed"
        return Excess(text=text, is_urgent=False)
    if disk is not None and seen.disk_bytes > disk:
        text = f"it wrote {size_text(seen.disk_bytes)} to its folder, {size_text(disk)} are allowed"
        return Excess(text=text, is_urgent=seen.disk_bytes > disk * _FLOOD)
    return None


def next_look_s(bounds: Bounds, seen: Seen, looks: int, took_s: float) -> float:
    """Return how long to wait after the `looks`-th look, which took `took_s`."""
    shares = [
        found / allowed
        for found, allowed in (
            (seen.memory_bytes, bounds.memory_bytes),
            (seen.processes, bounds.processes),
            (seen.cpu_seconds, bounds.cpu_seconds),
            (seen.disk_bytes, bounds.disk_bytes),
        )
        if allowed is not None
    ]
    share = max(shares, default=0.0)
    usual_s = SLOW_LOOK_S if share < 0.5 else _NEARER_LOOK_S if share < 0.8 else FIRST_LOOK_S
    if bounds.memory_bytes is not None or bounds.processes is not None:
        # These grow fast, and endanger others.
        usual_s = min(usual_s, _HASTY_LOOK_S)
    young_s = FIRST_LOOK_S * (1 << min(looks, 10))
    return max(min(usual_s, young_s), took_s * _BUSY_SHARE)


def size_text(size: float) -> str:
    """A size as people read it: ``64.0 MiB``."""
    for unit in ("bytes", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} GiB"
