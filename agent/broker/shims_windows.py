# ruff: noqa: E402 - the platform is asserted first, so that a type checker for another one stops there
"""`agent/shims_port.py` for a service of Windows: shims stand in the session of the robot's user."""

import asyncio
import logging
import sys
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Self

assert sys.platform == "win32"  # for the type checker

from agent.broker import calls_windows as calls
from agent.broker.in_session_windows import begin
from agent.broker.sessions import Session, choose
from agent.shims import SystemShims
from agent.shims_port import Zygote as AnyZygote
from agent.zygote_windows import Zygote

log = logging.getLogger(__name__)
_SHIM = "agent.shim.ahead"
_LOOK_EVERY_S = 2.0
_READ_BY_BOTS = ("envs", "builds", "tools", "node")
"""Of the home: what bots are started from. Files of `envs` are links to what uv keeps in `tools`."""


class SessionShims(SystemShims):
    """Processes of the robot's session. Without that session there is no zygote, and no slot is ready."""

    def __init__(self, user: str, home: Path) -> None:
        self._user = user
        self._home = home

    async def start_zygote(self, spares: int) -> AnyZygote:
        """Wait until the robot's user is logged on. Raises OSError."""
        del spares
        is_told = False
        while (session := await asyncio.to_thread(self.session)) is None:
            if not is_told:
                log.warning("nobody is logged on as %s: no bot can start", self._user)
                is_told = True
            await asyncio.sleep(_LOOK_EVERY_S)
        await asyncio.to_thread(self._let_in, session)
        log.info("bots run in session %d of %s", session.number, session.user)
        return await _SessionZygote.of(self, session)

    def session(self) -> Session | None:
        """The one that bots get now. Raises OSError."""
        return choose(calls.sessions(), self._user)

    def _let_in(self, session: Session) -> None:
        user = calls.user_of(session.number)
        for name in _READ_BY_BOTS:
            folder = self._home / name
            folder.mkdir(exist_ok=True)
            calls.let_in(folder, user, may_write=False)


@dataclass(slots=True, kw_only=True, eq=False)
class _SessionZygote(Zygote):
    """Gone as soon as bots get another session, or none."""

    shims: SessionShims
    session: Session

    @classmethod
    async def of(cls, shims: SessionShims, session: Session) -> Self:
        """Starts shims in this session."""
        return cls(launch=partial(begin, session.number, _SHIM), shims=shims, session=session)

    async def wait_gone(self) -> None:
        """Return when it was closed, or bots get another session."""
        while self.is_alive:
            with suppress(OSError):
                now = await asyncio.to_thread(self.shims.session)
                if now is None or now.number != self.session.number:
                    return
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_EVERY_S):
                    await self._gone.wait()
