# ruff: noqa: E402 - the platform is asserted first, so that a type checker for another one stops there
"""The daemon of a service of Windows: `botyard-agent run` with other doors, and shims in the session of the robot."""

import argparse
import asyncio
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

assert sys.platform == "win32"  # for the type checker

from agent import log as logs
from agent.broker.desktop import EYE, SessionDesktop, SessionDesktops
from agent.broker.in_session_windows import begin
from agent.broker.shims_windows import SessionShims
from agent.config import Settings, current_environment, load_settings
from agent.daemon.bots import Bots
from agent.daemon.control import Handler
from agent.daemon.doors import SystemDoors
from agent.daemon.house import House
from agent.daemon.root import Ports, run
from agent.desktops.making import Ground
from agent.desktops.nothing import NoDesktops
from agent.desktops.port import Desktops
from agent.errors import EXIT_ASKED
from agent.home import Home
from agent.ports import SystemDisk
from agent.service.service_windows import AgentService


class ServiceDoors(SystemDoors):
    """A service has no signals, and says where it stands by its state."""

    def __init__(self, service: AgentService) -> None:
        super().__init__()
        self._service = service

    def hear_signals(self, polite: Callable[[], None], at_once: Callable[[], None]) -> None:
        """Controls; `service stop --now` ends the bots by the daemon's own pipe."""
        del at_once
        self._service.hear(asyncio.get_running_loop(), polite)

    def open(self, house: House, bots: Bots, handlers: Mapping[str, Handler], group: asyncio.TaskGroup) -> None:
        """Let bots and people in, and say that it runs."""
        super().open(house, bots, handlers, group)
        self._service.running()

    def leave_within(self, seconds: float) -> None:
        """End the process then."""
        asyncio.get_running_loop().call_later(seconds, self._service.end, EXIT_ASKED)

    def leave(self) -> None:
        """End the process here."""
        self._service.end(EXIT_ASKED)


def live(options: argparse.Namespace, service: AgentService) -> int:
    """The daemon of a home, as `botyard-agent run` makes it. Raises AgentError."""
    path = Path(options.home)
    settings = load_settings(path, current_environment(), {})
    logs.set_up(settings.log_level, settings.log_format, path / "logs" / "agent.log")
    home = Home.of_runner(path, SystemDisk())
    try:
        shims = SessionShims(options.user, path)
        desktops = SessionDesktops(SessionDesktop(options.user, shims.session, lambda number: begin(number, EYE)))

        def make_desktops(settings: Settings, ground: Ground) -> Desktops:
            del ground
            return NoDesktops() if settings.desktops == "none" else desktops

        ports = Ports(doors=ServiceDoors(service), shims=shims, make_desktops=make_desktops)
        return asyncio.run(run(home, settings, ports))
    finally:
        home.release()
