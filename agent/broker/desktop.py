"""The desktop of the robot's session, for a daemon outside of it: slot 0's.

Windows tells whether a screen shows it; what is on the screen, a process of ours inside tells (`eye.py`), which is
started when it is needed, and ends with the session or the daemon.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import BinaryIO, Protocol, TypeVar

from agent.broker.eye import ask_grab, ask_look
from agent.broker.sessions import Session, facts_without_screen
from agent.desktops.facts import DesktopFacts
from agent.desktops.nothing import NoDesktops
from agent.desktops.port import Desktop, Frame, ScreenUnreachedError

_T = TypeVar("_T")
_WITHIN_S = 15.0
EYE = "agent.broker.eye"


class Eye(Protocol):
    """A process in a session that looks: see `in_session_windows.InSession`."""

    @property
    def to(self) -> BinaryIO:
        """Where it is asked, and answers."""
        ...

    def close(self) -> None:
        """End it."""
        ...


class SessionDesktop:
    """See `agent.desktops.port.Desktop`. `find` says the session that bots get now, `start` starts an eye in one."""

    slot = 0
    is_virtual = False
    is_there = True
    is_beginning = False
    environment: Mapping[str, str] = {}

    def __init__(self, user: str, find: Callable[[], Session | None], start: Callable[[int], Eye]) -> None:
        self._user = user
        self._find = find
        self._start = start
        self._eye: tuple[int, Eye] | None = None
        self._one = asyncio.Lock()

    async def until_known(self) -> None:
        """It is, as far as anybody here can do something about it."""

    async def look(self) -> DesktopFacts:
        """The session as Windows tells it, and its desktop as it is seen from inside."""
        try:
            async with self._one, asyncio.timeout(_WITHIN_S):
                session = await asyncio.to_thread(self._find)
                unseen = facts_without_screen(session, self._user)
                if session is None or unseen is not None:
                    self.close()
                    return unseen or DesktopFacts(kind="none")
                return await asyncio.to_thread(self._ask, session, ask_look)
        except (OSError, ValueError) as error:
            self.close()
            problem = f"it can't be looked at: {str(error) or 'no answer in time'}"
            return DesktopFacts(kind="windows", name=f"session of {self._user}", problem=problem)

    async def grab(self) -> Frame:
        """A picture, taken inside. Raises ScreenUnreachedError."""
        try:
            async with self._one, asyncio.timeout(_WITHIN_S):
                session = await asyncio.to_thread(self._find)
                if session is None:
                    raise ScreenUnreachedError(f"nobody is logged on as {self._user}")
                return await asyncio.to_thread(self._ask, session, ask_grab)
        except (OSError, ValueError) as error:
            self.close()
            raise ScreenUnreachedError(f"no picture is given: {str(error) or 'no answer in time'}") from error

    def close(self) -> None:
        """Look no more; the next look begins anew."""
        known, self._eye = self._eye, None
        if known is not None:
            known[1].close()

    def _ask(self, session: Session, question: Callable[[BinaryIO], _T]) -> _T:
        if self._eye is not None and self._eye[0] != session.number:
            self.close()
        if self._eye is None:
            self._eye = (session.number, self._start(session.number))
        return question(self._eye[1].to)


class SessionDesktops(NoDesktops):
    """See `agent.desktops.port.Desktops`: slot 0 has the session's, the others are for background bots."""

    def __init__(self, desktop: SessionDesktop) -> None:
        super().__init__()
        self._desktop = desktop

    def of_slot(self, slot: int) -> Desktop | None:
        """Slot 0's."""
        return self._desktop if slot == 0 else None

    def all(self) -> tuple[Desktop, ...]:
        """The one."""
        return (self._desktop,)

    async def end(self, *, at_once: bool) -> None:
        """Its bots live on; who looked ends."""
        del at_once
        self._desktop.close()
