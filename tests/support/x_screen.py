"""A real X server as a session's own desktop, and what spoils it; needs Xvnc, xrandr, xprop and xmessage."""

import asyncio
import os
import shutil
import signal
import struct
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import IO

import pytest

from agent.desktops import x11

PROGRAMS = {
    "Xvnc": "tigervnc-standalone-server",
    "xrandr": "x11-xserver-utils",
    "xprop": "x11-utils",
    "xmessage": "x11-utils",
}
SIZE = (1280, 720)


def missing_programs() -> list[str]:
    """Packages that have what is needed and is not here."""
    return sorted({package for name, package in PROGRAMS.items() if shutil.which(name) is None})


class Screen:
    """One Xvnc. It may be killed and started again on its number."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._server: subprocess.Popen[bytes] | None = None
        self._clients: list[subprocess.Popen[bytes]] = []
        # Its own also while it is dead: servers that choose by themselves begin at 0.
        self.number = 1000 + os.getpid() % 20000

    @property
    def display(self) -> str:
        """``DISPLAY``."""
        return f":{self.number}"

    @property
    def environment(self) -> dict[str, str]:
        """For its clients."""
        return {**os.environ, "DISPLAY": self.display, "XAUTHORITY": os.devnull}

    async def start(self) -> None:
        """Begin, and wait until it answers."""
        reading, writing = os.pipe()
        size = "x".join(map(str, SIZE))
        options = ["-geometry", size, "-depth", "24", "-dpi", "96", "-SecurityTypes", "None", "-rfbport", "-1"]
        options += ["-rfbunixpath", str(self._folder / "vnc"), "-displayfd", str(writing)]
        try:
            with (self._folder / "xvnc.log").open("ab") as log:
                self._server = _begin(["Xvnc", self.display, *options], writing, log)
            os.close(writing)
            writing = -1
            said = await asyncio.to_thread(_line, reading)
            assert said, (self._folder / "xvnc.log").read_text(errors="replace")
        finally:
            os.close(reading)
            if writing >= 0:
                os.close(writing)

    def kill(self) -> None:
        """End it as a crash does, its clients with it."""
        self._end(signal.SIGKILL)

    def close(self) -> None:
        """End it, and what it has in /tmp with it."""
        self._end(signal.SIGTERM)

    def _end(self, how: signal.Signals) -> None:
        if self._server is not None:
            self._server.send_signal(how)
            self._server.wait()
            self._server = None
        self.close_clients()

    def open_client(self, *command: str) -> None:
        """Have a program put a window there."""
        self._clients.append(subprocess.Popen(command, env=self.environment, stderr=subprocess.DEVNULL))

    def close_clients(self) -> None:
        """End those."""
        for client in self._clients:
            client.kill()
            client.wait()
        self._clients.clear()

    async def run(self, *command: str) -> None:
        """A program that changes something there and ends."""
        done = await asyncio.to_thread(
            subprocess.run, command, env=self.environment, capture_output=True, text=True, check=False, timeout=30
        )
        assert done.returncode == 0, done.stderr


def _begin(command: list[str], descriptor: int, log: IO[bytes]) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(command, pass_fds=(descriptor,), stdin=subprocess.DEVNULL, stdout=log, stderr=log)


def _line(descriptor: int) -> bytes:
    """What comes on it to the first line's end."""
    said = b""
    while not said.endswith(b"\n") and (more := os.read(descriptor, 64)):
        said += more
    return said.strip()


@asynccontextmanager
async def screen(folder: Path) -> AsyncIterator[Screen]:
    """One that answers; skips the test where it can't be made."""
    missing = missing_programs()
    if sys.platform != "linux" or missing:
        pytest.skip(f"needs Linux and the packages {', '.join(missing)}")
    made = Screen(folder)
    try:
        await made.start()
        yield made
    finally:
        made.close()


class Curtain:
    """A window of one colour over the whole screen, as a screen saver draws it."""

    def __init__(self) -> None:
        self._writer: asyncio.StreamWriter | None = None

    async def draw(self, shown: Screen) -> None:
        """Put it up; it stays while the connection does."""
        reader, writer = await asyncio.open_unix_connection(str(x11.SOCKETS / f"X{shown.number}"))
        writer.write(x11.setup_request(b""))
        first = await reader.readexactly(8)
        rest = await reader.readexactly(4 * struct.unpack_from("<H", first, 6)[0])
        root = x11.read_setup(first, rest).root
        (window,) = struct.unpack_from("<I", rest, 4)
        width, height = SIZE
        black_and_unmanaged = struct.pack("<III", 0x0202, 0, 1)
        place = struct.pack("<IIhhHHHHI", window, root, 0, 0, width, height, 0, 1, 0)
        writer.write(struct.pack("<BBH", 1, 0, 10) + place + black_and_unmanaged)
        writer.write(struct.pack("<BBHI", 8, 0, 2, window))
        await writer.drain()
        self._writer = writer

    def drop(self) -> None:
        """Take it down."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None
