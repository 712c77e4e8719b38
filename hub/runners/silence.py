"""Links without a byte are dead (R42, R43): one look over all of them, instead of a timer for each frame of each."""

import asyncio

from hub.runners.sessions import Sessions

_LOOKS = 10
"""In the time that a link may be silent; it is given up at nine tenths, so that the last look is in time."""


class SilenceWatch:
    """Looks while there are sessions."""

    def __init__(self, sessions: Sessions, silence_s: float) -> None:
        self._sessions = sessions
        self._limit_s = silence_s * (1 - 1 / _LOOKS)
        self._period_s = silence_s / _LOOKS
        self._next: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        """A session has begun."""
        if self._next is None:
            self._next = asyncio.get_running_loop().call_later(self._period_s, self._look)

    def _look(self) -> None:
        self._next = None
        now_s = asyncio.get_running_loop().time()
        live = self._sessions.all()
        for session in live:
            if now_s - session.heard_s > self._limit_s:
                session.give_up()
        if live:
            self.begin()
