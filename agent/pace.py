"""How much output may be under way, so that what comes behind it does not wait long (reliability.md R44).

A heartbeat or a fact overtakes all output that was not handed over yet; what was stands in buffers of this machine, of
proxies and routers, and cannot be overtaken. On a line that takes 1 KB a second a window of 1 MiB (P9) would be a
quarter of an hour. So as much goes out as the hub acknowledges in about a second, whatever the line is: one frame in
flight is watched until its acknowledgement comes, the time that it took says how much is too much. The hub answers
within 250 ms, so a fast line has its full window after a second.
"""

from dataclasses import dataclass

from agent.wire.limits import OUTPUT_ACK_S, OUTPUT_WINDOW_BYTES

FIRST_BYTES = 16 * 1024
LEAST_BYTES = 2 * 1024
FAST_S = 2 * OUTPUT_ACK_S
SLOW_S = 2.0
AIM_S = 1.0
_GROWTH = 4
_NEVER_S = 60.0
"""What is not acknowledged by then is of an execution that the hub does not take."""


@dataclass(frozen=True, slots=True)
class _Watched:
    execution_id: str
    end: int
    sent_at: float


@dataclass(slots=True)
class Pace:
    """The window of each execution on one connection. Times are of one clock, in seconds.

    Not one over all of them: an execution that the hub does not take must not stop the others.
    """

    window_bytes: int = FIRST_BYTES
    """As much output of an execution may be without acknowledgement."""
    _watched: _Watched | None = None
    _is_full: bool = False

    def sent(self, execution_id: str, end: int, under_way: int, now: float) -> None:
        """Output before the offset `end` was handed over; so much of its output is under way by now."""
        self._is_full = self._is_full or under_way * 2 >= self.window_bytes
        if self._watched is None or now - self._watched.sent_at > _NEVER_S:
            self._watched = _Watched(execution_id, end, now)

    def acked(self, execution_id: str, have: int, now: float) -> None:
        """The hub has this execution's output before the offset `have`."""
        watched = self._watched
        if watched is None or watched.execution_id != execution_id or have < watched.end:
            return
        took_s = now - watched.sent_at
        if took_s > SLOW_S:
            self.window_bytes = max(LEAST_BYTES, int(self.window_bytes * AIM_S / took_s))
        elif took_s < FAST_S and self._is_full:
            # A window that was not used says nothing of a larger one.
            self.window_bytes = min(OUTPUT_WINDOW_BYTES, self.window_bytes * _GROWTH)
        self.given_up()

    def given_up(self) -> None:
        """What is watched will not be acknowledged: its execution is gone, or begins again at an earlier offset."""
        self._watched = None
        self._is_full = False
