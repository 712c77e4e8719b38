"""What a daemon tells its service manager by the protocol of `sd_notify`: ready, how it is, alive, stopping.

One datagram each, to the socket in NOTIFY_SOCKET; without it (no systemd, Windows, macOS) nothing is sent. A message
that does not get through is no fault of the daemon's: the manager's watchdog is what decides.
"""

import os
import socket
from collections.abc import Mapping, MutableMapping
from contextlib import suppress

SOCKET, INTERVAL, PID = "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"
_LINE = 300
"""Characters of a status that `systemctl status` can show in a line."""


class Notifier:
    """The way to the manager; `watchdog_s` is how long it waits for a sign of life, None where it does not wait."""

    def __init__(self, address: str | None, watchdog_s: float | None) -> None:
        self._address = address
        self.watchdog_s = watchdog_s

    @property
    def is_heard(self) -> bool:
        """Whether there is a manager that listens."""
        return self._address is not None

    def send(self, **fields: str) -> None:
        """Send `KEY=value` lines as one message; never waits and never raises."""
        if self._address is None or not hasattr(socket, "AF_UNIX"):
            return
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
            channel.setblocking(False)
            channel.sendto(message(fields), self._address)


def message(fields: Mapping[str, str]) -> bytes:
    """One datagram: a line for each field; a value of many lines becomes one, so that it can forge no other field."""
    shown = {name: " ".join(value.split())[:_LINE] for name, value in fields.items()}
    return "\n".join(f"{name}={value}" for name, value in shown.items()).encode()


def from_environment(environment: MutableMapping[str, str], pid: int) -> Notifier:
    """The manager's socket, taken out of the environment, so that no child of ours speaks in our name.

    An address that begins with @ is an abstract one. The interval counts only where it is meant for this process.
    """
    address, usec, of = (environment.pop(name, "") for name in (SOCKET, INTERVAL, PID))
    if not address.startswith(("/", "@")):
        return Notifier(None, None)
    is_ours = usec.isdigit() and int(usec) > 0 and of in {"", str(pid)}
    where = f"\0{address[1:]}" if address.startswith("@") else address
    return Notifier(where, int(usec) / 1_000_000 if is_ours else None)


def own_notifier() -> Notifier:
    """That of this process."""
    return from_environment(os.environ, os.getpid())
