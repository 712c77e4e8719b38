"""A real message bus of its own with a logind on it that says what a test wants; needs dbus-daemon."""

import asyncio
import os
import shutil
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from agent.desktops.bus import Question, call, read_fields, socket_of
from agent.desktops.logind import session_path

_RETURN, _CALL = 2, 1
_SENDER, _REPLY_SERIAL, _PATH = 7, 5, 1
_BUS = "org.freedesktop.DBus"


class FakeLogind:
    """One session. Its properties may be changed at any time."""

    def __init__(self, address: str, session: str) -> None:
        self.address = address
        self.session = session
        self.properties: dict[str, bool | str] = {
            "LockedHint": False,
            "State": "active",
            "Active": True,
            "Type": "x11",
        }
        self.is_silent = False
        """Takes questions and answers none."""

    async def serve(self, is_up: asyncio.Event) -> None:
        """Answer until cancelled."""
        reader, writer = await asyncio.open_unix_connection(socket_of(self.address))
        try:
            writer.write(b"\0AUTH EXTERNAL " + str(os.getuid()).encode().hex().encode() + b"\r\n")
            assert (await reader.readline()).startswith(b"OK")
            hello = Question(destination=_BUS, path="/org/freedesktop/DBus", interface=_BUS, member="Hello")
            writer.write(b"BEGIN\r\n" + call(1, hello) + _request_name(2))
            while True:
                await self._answer(reader, writer, is_up)
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, is_up: asyncio.Event) -> None:
        head = await reader.readexactly(16)
        body_bytes, serial, fields_bytes = struct.unpack_from("<III", head, 4)
        rest = await reader.readexactly(fields_bytes + -fields_bytes % 8 + body_bytes)
        fields = read_fields(rest[:fields_bytes], "<")
        if head[1] == _RETURN and fields.get(_REPLY_SERIAL) == 2:
            is_up.set()
        if head[1] != _CALL or self.is_silent:
            return
        name = rest[len(rest) - body_bytes :].rstrip(b"\0").rpartition(b"\0")[2].decode()
        if fields.get(_PATH) == session_path(self.session) and name in self.properties:
            writer.write(_reply(serial, str(fields[_SENDER]), self.properties[name]))
        else:
            writer.write(_error(serial, str(fields[_SENDER])))


def _request_name(serial: int) -> bytes:
    """RequestName takes a text and a number, which a `Question` has not."""
    name = b"org.freedesktop.login1"
    body = struct.pack("<I", len(name)) + name + b"\0"
    body += bytes(-len(body) % 4) + struct.pack("<I", 4)
    told = ((1, b"o", b"/org/freedesktop/DBus"), (2, b"s", _BUS.encode()), (3, b"s", b"RequestName"))
    return _message(_CALL, serial, body, [*told, (6, b"s", _BUS.encode()), (8, b"g", b"su")])


def _reply(serial: int, to: str, value: bool | str) -> bytes:
    kind = b"b" if isinstance(value, bool) else b"s"
    body = b"\x01" + kind + b"\0\0"
    if isinstance(value, bool):
        body += struct.pack("<I", value)
    else:
        body += struct.pack("<I", len(value)) + value.encode() + b"\0"
    return _message(_RETURN, serial, body, [(6, b"s", to.encode()), (8, b"g", b"v")], to_serial=serial)


def _error(serial: int, to: str) -> bytes:
    name = b"org.freedesktop.login1.NoSuchSession"
    return _message(3, serial, b"", [(4, b"s", name), (6, b"s", to.encode())], to_serial=serial)


def _message(
    kind: int, serial: int, body: bytes, told: list[tuple[int, bytes, bytes]], *, to_serial: int | None = None
) -> bytes:
    fields = b"" if to_serial is None else struct.pack("<BBcxI", _REPLY_SERIAL, 1, b"u", to_serial)
    for number, sort, value in told:
        fields += bytes(-len(fields) % 8)
        size = struct.pack("<BBcxB" if sort == b"g" else "<BBcxI", number, 1, sort, len(value))
        fields += size + value + b"\0"
    head = struct.pack("<cBBBIII", b"l", kind, 0, 1, len(body), serial, len(fields))
    return head + fields + bytes(-len(fields) % 8) + body


@asynccontextmanager
async def fake_logind(folder: Path, session: str = "7") -> AsyncIterator[FakeLogind]:
    """A bus in `folder` with a logind on it; skips the test where there is no dbus-daemon."""
    program = shutil.which("dbus-daemon")
    if program is None:
        pytest.skip("needs dbus-daemon (package dbus)")
    address = f"unix:path={folder / 'bus'}"
    daemon = await asyncio.create_subprocess_exec(
        *(program, "--session", "--nofork", "--nosyslog", "--print-address", f"--address={address}"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    serving: asyncio.Task[None] | None = None
    try:
        assert daemon.stdout is not None
        assert await daemon.stdout.readline()
        logind, is_up = FakeLogind(address, session), asyncio.Event()
        serving = asyncio.get_running_loop().create_task(logind.serve(is_up))
        await is_up.wait()
        yield logind
    finally:
        if serving is not None:
            serving.cancel()
            with suppress(asyncio.CancelledError, asyncio.IncompleteReadError, OSError):
                await serving
        daemon.kill()
        await daemon.wait()
