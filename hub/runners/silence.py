"""Links without a byte are dead (R42, R43): one look over all of them, instead of a timer for each frame of each.

The hub sends no pings of its own. A runner says a heartbeat every 10 s and is answered, so that both directions carry
bytes more often than any ping would (P8 asks for 15 s); what a ping could find out, its absence has told already.
"""

import asyncio

from hub.runners.sessions import Sessions

_LOOKS = 20
"""In the time that a link may be silent; it is given up at nine tenths, so that the last look is in time."""


class SilenceWatch:
    """Looks while there are sessions."""

    def __init__(self, sessions: Sessions, silence_s: float) -> None:
        self._sessions = sessions
        self._limit_s = silence_s * 0.9
        self._period_s = silence_s / _LOOKS
        self._due_s = 0.0
        self._next: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        """A session has begun."""
        if self._next is None:
            self._look_in(self._period_s)

    def _look_in(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        self._due_s = loop.time() + seconds
        self._next = loop.call_at(self._due_s, self._look)

    def _look(self) -> None:
        self._next = None
        now_s = asyncio.get_running_loop().time()
        live = self._sessions.all()
        # After a pause of this process (R7) what came meanwhile lies unread: the next look finds it read.
        if now_s - self._due_s < self._period_s:
            for session in live:
                if session.silent_s() > self._limit_s:
                    session.give_up()
        if live:
            # None can be dead before the one that was heard the longest ago; new ones are later.
            longest_s = max(session.silent_s() for session in live)
            self._look_in(max(self._period_s, self._limit_s - longest_s))
