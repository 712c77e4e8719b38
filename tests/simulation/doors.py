"""The doors of a simulated daemon (`agent.daemon.doors.Doors`): no sockets, the machine brings signals and calls."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Protocol

from agent.daemon.bots import Bots
from agent.daemon.control import Handler
from agent.daemon.house import House

SIGTERM = 15


class Owner(Protocol):
    """The machine, as its daemon's doors need it."""

    def opened(self, bots: Bots) -> None:
        """The daemon takes bots' calls from here on."""
        ...

    def kill_daemon(self) -> None:
        """End it at once."""
        ...


class SimDoors:
    """See `agent.daemon.doors.Doors`: no sockets, the machine brings calls."""

    def __init__(self, runner: Owner) -> None:
        self._runner = runner

    def hear_signals(self, polite: Callable[[], None], at_once: Callable[[], None]) -> None:
        """See the port."""
        asyncio.get_running_loop().add_signal_handler(SIGTERM, polite)

    async def bind(self, house: House) -> None:
        """See the port."""

    def open(self, house: House, bots: Bots, handlers: Mapping[str, Handler], group: asyncio.TaskGroup) -> None:
        """See the port."""
        self._runner.opened(bots)

    def leave_within(self, seconds: float) -> None:
        """See the port."""
        asyncio.get_running_loop().call_later(seconds, self._runner.kill_daemon)

    def leave(self) -> None:
        """See the port."""
        self._runner.kill_daemon()
