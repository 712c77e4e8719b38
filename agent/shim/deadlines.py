"""Pure: the clocks that a shim keeps by itself, from its order (core.md D10, §4).

Run limit: from the verdict. Dead-man (`on_disconnect: stop`): the shim begins to stop at
min(lost_after - 60 s, 0.8 x lost_after) since the send time of the last heartbeat that the hub acknowledged, by both
clocks of D3: the larger elapsed time counts. So the hub, which waits the whole `lost_after` from its receipt, is
always later.

No progress: from the last output, progress line or call of the gateway, by the clock that counts suspend. It is kept
here, so it goes on while there is no daemon; a call that waits for the next daemon is no progress until that takes it.
"""

from dataclasses import dataclass, replace

from agent.shim.order import ShimOrder, Stamp
from agent.wire.words import OnDisconnect, StopCause

_NS = 1_000_000_000
WALL_LOOK_NS = 15 * _NS
"""A wall clock that jumps wakes nobody: look at it this often while a dead-man deadline runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadlines:
    """What is kept: when the run ends by `Clock.boot_ns`, and the heartbeat that the dead-man deadline counts from."""

    run_until_ns: int | None
    heartbeat: Stamp | None
    silence_s: float
    no_progress_s: float | None = None
    progress_ns: int = 0
    """When it was last known to get on, by `Clock.boot_ns`."""

    def extended(self, heartbeat: Stamp) -> "Deadlines":
        """Count from a later heartbeat; an earlier one changes nothing."""
        if self.heartbeat is None or heartbeat.boot_ns <= self.heartbeat.boot_ns:
            return self
        return replace(self, heartbeat=heartbeat)

    def with_run_limit(self, run_until_ns: int | None) -> "Deadlines":
        """Let the run end at another time."""
        return replace(self, run_until_ns=run_until_ns)

    def with_no_progress(self, no_progress_s: float | None) -> "Deadlines":
        """Keep another bound for silence; the time since the last progress stands."""
        return replace(self, no_progress_s=no_progress_s)

    def progressed(self, now_ns: int) -> "Deadlines":
        """It gets on."""
        return replace(self, progress_ns=now_ns)

    def passed(self, now: Stamp) -> StopCause | None:
        """Return why the bot must stop now, if it must."""
        if self.run_until_ns is not None and now.boot_ns >= self.run_until_ns:
            return StopCause.TIMEOUT
        if self._is_silent(now.boot_ns):
            return StopCause.NO_PROGRESS
        if self.heartbeat is None:
            return None
        boot_ns = now.boot_ns - self.heartbeat.boot_ns
        wall_ns = now.wall_ns - self.heartbeat.wall_ns
        return StopCause.DEAD_MAN if max(boot_ns, wall_ns) >= self.silence_s * _NS else None

    def next_look_ns(self, now_ns: int) -> int | None:
        """When to ask `passed` again."""
        looks = [] if self.run_until_ns is None else [self.run_until_ns]
        if self.no_progress_s is not None:
            looks.append(self.progress_ns + int(self.no_progress_s * _NS))
        if self.heartbeat is not None:
            looks.append(min(self.heartbeat.boot_ns + int(self.silence_s * _NS), now_ns + WALL_LOOK_NS))
        return min(looks, default=None)

    def _is_silent(self, now_ns: int) -> bool:
        return self.no_progress_s is not None and now_ns - self.progress_ns >= self.no_progress_s * _NS


def dead_man_after_s(lost_after_s: float) -> float:
    """When a shim begins to stop after the last acknowledged heartbeat (reliability.md G3)."""
    return min(lost_after_s - 60.0, 0.8 * lost_after_s)


def deadlines_of(order: ShimOrder, started_ns: int) -> Deadlines:
    """What an order asks for, counted from its verdict."""
    is_stop = order.on_disconnect is OnDisconnect.STOP
    limit = order.run_limit_s
    return Deadlines(
        run_until_ns=None if limit is None else started_ns + int(limit * _NS),
        heartbeat=order.heartbeat if is_stop else None,
        silence_s=dead_man_after_s(order.lost_after_s),
        no_progress_s=order.no_progress_s,
        progress_ns=started_ns,
    )
