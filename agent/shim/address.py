"""Where a shim listens: a Unix socket in its folder; on Windows a loopback port, whose number stands there instead.

The path of a Unix socket is short (108 bytes), a folder's may be long: it is bound and connected through the open
folder.
"""

import os
import socket
import struct
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from agent.shim.wire import SOCKET_NAME

BACKLOG = 8

if sys.platform == "win32":

    def listen(folder: Path) -> socket.socket:
        """Listen for the daemons of this execution. Raises OSError."""
        listener = socket.create_server(("127.0.0.1", 0), backlog=BACKLOG)
        (folder / SOCKET_NAME).write_text(str(listener.getsockname()[1]))
        return listener

    def connect(folder: Path) -> socket.socket:
        """Connect to the shim of this folder. Raises OSError."""
        try:
            port = int((folder / SOCKET_NAME).read_text())
        except ValueError as error:
            raise OSError("no port of a shim") from error
        return socket.create_connection(("127.0.0.1", port), timeout=5)

    def is_same_user(peer: socket.socket) -> bool:
        """Leave it to the nonce: the loopback knows no users."""
        return peer.fileno() >= 0

else:

    def listen(folder: Path) -> socket.socket:
        """Listen for the daemons of this execution. Raises OSError."""
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        forget(folder)
        _at(folder, listener.bind)
        listener.listen(BACKLOG)
        return listener

    def connect(folder: Path) -> socket.socket:
        """Connect to the shim of this folder. Raises OSError."""
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            _at(folder, connection.connect)
        except OSError:
            connection.close()
            raise
        return connection

    def is_same_user(peer: socket.socket) -> bool:
        """Tell whether the other end is this user or root."""
        if sys.platform != "linux":
            # The folder is 0700, and the nonce is asked for in any case.
            return True
        credentials = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        _, uid, _ = struct.unpack("3i", credentials)
        return uid in {0, os.geteuid()}

    def _at(folder: Path, act: Callable[[str], None]) -> None:
        """Call `act` with a short name of the socket in the folder."""
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            if sys.platform == "linux":
                act(f"/proc/self/fd/{fd}/{SOCKET_NAME}")
            else:
                _inside(fd, act)
        finally:
            os.close(fd)

    def _inside(folder: int, act: Callable[[str], None]) -> None:
        # No such name on macOS: step into the folder for a moment. Nothing else runs in this thread meanwhile.
        before = os.open(".", os.O_RDONLY)
        try:
            os.fchdir(folder)
            act(SOCKET_NAME)
        finally:
            os.fchdir(before)
            os.close(before)


def forget(folder: Path) -> None:
    """Take the name away."""
    with suppress(OSError):
        (folder / SOCKET_NAME).unlink()
