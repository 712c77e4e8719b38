"""Where others come in to the daemon: signals, the bots' gateway, control socket, service manager; its own way out."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Mapping
from typing import Protocol

from agent.daemon import adoption
from agent.daemon.bots import Bots
from agent.daemon.control import ControlSocket, Handler
from agent.daemon.house import House
from agent.daemon.signs import give_signs
from agent.errors import EXIT_ASKED
from agent.gateway import Gateway, GatewaySettings
from agent.gateway_socket import bind_gateway
from agent.ports.notify import own_notifier


class Doors(Protocol):
    """What is not the link, the disk or a shim; the simulator has its own."""

    def hear_signals(self, polite: Callable[[], None], at_once: Callable[[], None]) -> None:
        """Call `polite` for each request to stop, `at_once` for one that ends the bots, too."""
        ...

    async def bind(self, house: House) -> None:
        """Put the gateway's socket into the house: that which a living shim keeps, else a new one."""
        ...

    def open(self, house: House, bots: Bots, handlers: Mapping[str, Handler], group: asyncio.TaskGroup) -> None:
        """Let bots and people in, by tasks of the group."""
        ...

    def leave_within(self, seconds: float) -> None:
        """End the process then, whatever still runs: a thread that installs packages cannot be stopped."""
        ...

    def leave(self) -> None:
        """End the process here: whatever is durable is durable already."""
        ...


class SystemDoors:
    """Those of a process."""

    def __init__(self) -> None:
        self._notifier = own_notifier()

    def hear_signals(self, polite: Callable[[], None], at_once: Callable[[], None]) -> None:
        """SIGTERM and SIGINT, and SIGUSR1; on Windows Ctrl-C and Ctrl-Break, where there is a console."""
        loop = asyncio.get_running_loop()
        if sys.platform == "win32":
            for number in (signal.SIGINT, signal.SIGBREAK):
                signal.signal(number, lambda _number, _frame: loop.call_soon_threadsafe(polite))
            return
        loop.add_signal_handler(signal.SIGTERM, polite)
        loop.add_signal_handler(signal.SIGINT, polite)
        loop.add_signal_handler(signal.SIGUSR1, at_once)

    async def bind(self, house: House) -> None:
        """Put the gateway's socket into the house: that which a living shim keeps, else a new one."""
        house.gateway_socket = await adoption.take_gateway_socket(house) or bind_gateway(house.folders.gateway_port)

    def open(self, house: House, bots: Bots, handlers: Mapping[str, Handler], group: asyncio.TaskGroup) -> None:
        """Serve gateway and control socket."""
        assert house.gateway_socket is not None
        gateway = Gateway(bots, house.clock, GatewaySettings(upload_folder=house.folders.uploads))
        control = ControlSocket(house.folders.control, handlers)
        # Its own copy: the gateway closes it, while ours is what shims are given.
        group.create_task(gateway.serve(house.gateway_socket.dup()), name="gateway")
        group.create_task(control.serve(), name="control")
        signs = give_signs(self._notifier, handlers["status"], lambda: house.spool.note("sign of life"))
        group.create_task(signs, name="signs of life")

    def leave_within(self, seconds: float) -> None:
        """End the process then."""
        self._notifier.send(STOPPING="1", STATUS="stopping; bots live on")
        asyncio.get_running_loop().call_later(seconds, os._exit, EXIT_ASKED)

    def leave(self) -> None:
        """End the process here."""
        os._exit(EXIT_ASKED)
