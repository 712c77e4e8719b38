"""One connected socket of the daemon's loop: bytes and descriptors in, bytes out.

Linux and macOS: the loop watches the socket. Windows: its loop cannot watch a socket that way, so a thread reads.
"""

import asyncio
import socket
import sys
from collections.abc import Callable, Sequence
from typing import Protocol

Take = Callable[[bytes, Sequence[int]], None]
"""Gets what arrived; empty bytes once at the end."""
_READ_BYTES = 256 * 1024


class Wire(Protocol):
    """A connection to a shim, which calls `Take` with what arrives."""

    async def send(self, data: bytes) -> None:
        """Send all of it; raises OSError."""
        ...

    def close(self) -> None:
        """End it."""
        ...


if sys.platform == "win32":
    import threading
    from contextlib import suppress

    class Channel:
        """Calls `take` on the running loop with whatever arrives, until `close`."""

        def __init__(self, connection: socket.socket, take: Take) -> None:
            self._connection = connection
            self._take = take
            self._loop = asyncio.get_running_loop()
            connection.setblocking(True)
            self._reader = threading.Thread(target=self._read, name="shim-channel", daemon=True)
            self._reader.start()

        async def send(self, data: bytes) -> None:
            """Send all of it; raises OSError."""
            await asyncio.to_thread(self._connection.sendall, data)

        def close(self) -> None:
            """Stop reading and close the socket."""
            with suppress(OSError):
                self._connection.shutdown(socket.SHUT_RDWR)
            self._connection.close()

        def _read(self) -> None:
            data = b"first"
            while data:
                try:
                    data = self._connection.recv(_READ_BYTES)
                except OSError:
                    data = b""
                # A loop that is closed meanwhile needs nothing any more.
                with suppress(RuntimeError):
                    self._loop.call_soon_threadsafe(self._take, data, ())

else:
    import array

    class Channel:
        """Calls `take` on the running loop with whatever arrives, until `close`."""

        def __init__(self, connection: socket.socket, take: Take) -> None:
            self._connection = connection
            self._take = take
            self._loop = asyncio.get_running_loop()
            connection.setblocking(False)
            self._loop.add_reader(connection.fileno(), self._on_readable)

        async def send(self, data: bytes) -> None:
            """Send all of it; raises OSError."""
            await self._loop.sock_sendall(self._connection, data)

        def close(self) -> None:
            """Stop reading and close the socket."""
            self._loop.remove_reader(self._connection.fileno())
            self._connection.close()

        def _on_readable(self) -> None:
            try:
                data, descriptors = receive_with(self._connection, _READ_BYTES)
            except BlockingIOError:
                return
            except OSError:
                data, descriptors = b"", []
            self._take(data, descriptors)

    def receive_with(connection: socket.socket, size: int, descriptors: int = 2) -> tuple[bytes, list[int]]:
        """Receive bytes and up to so many descriptors, which no child inherits. Raises OSError."""
        width = array.array("i").itemsize
        cloexec = getattr(socket, "MSG_CMSG_CLOEXEC", 0)
        data, rights, _, _ = connection.recvmsg(size, socket.CMSG_SPACE(descriptors * width), cloexec)
        found = array.array("i")
        for level, kind, content in rights:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                found.frombytes(content[: len(content) - len(content) % width])
        return data, found.tolist()
