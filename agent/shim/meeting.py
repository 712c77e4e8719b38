"""Two of our processes that share no handle meet on loopback: who was told the word is let in (Windows' sessions).

    meeting = Meeting()                                 the daemon
    ... start a process with `meeting.variables` ...
    stream = meeting.wait(20, process_is_alive)         raises OSError
                                    stream = come()     the process; raises OSError, None where it was not asked

The word is random, made for one meeting, and stands in the environment of that process: its own user and the system can
read it there, and no one else.
"""

import os
import secrets
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import BinaryIO, cast

_VARIABLE = "BOTYARD_MEETING"
_LOOK_S = 0.25
_WORD_S = 5.0


class Stream:
    """One end. Blocks."""

    def __init__(self, connection: socket.socket) -> None:
        connection.settimeout(None)
        self._connection = connection
        self.file = cast("BinaryIO", connection.makefile("rwb"))

    def close(self) -> None:
        """Close it, whoever reads from it now: that one finds the end."""
        with suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)
        with suppress(OSError):
            self.file.close()
        self._connection.close()


class Meeting:
    """Where a process that is about to start finds this one. Raises OSError."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=1)
        self._word = secrets.token_hex(32).encode()

    @property
    def variables(self) -> Mapping[str, str]:
        """What the process needs in its environment."""
        return {_VARIABLE: f"{self._listener.getsockname()[1]} {self._word.decode()}"}

    def wait(self, within_s: float, is_alive: Callable[[], bool]) -> Stream:
        """The stream to it. Raises OSError when it ends first, or does not come in time."""
        self._listener.settimeout(_LOOK_S)
        with self._listener:
            for _ in range(int(within_s / _LOOK_S)):
                connection = self._next()
                if connection is not None:
                    return Stream(connection)
                if not is_alive():
                    raise OSError("the process in the session ended before it came")
        raise TimeoutError("the process in the session did not come")

    def close(self) -> None:
        """Wait for nobody."""
        self._listener.close()

    def _next(self) -> socket.socket | None:
        """Whoever comes within a moment and knows the word."""
        try:
            connection, _ = self._listener.accept()
        except TimeoutError:
            return None
        if self._knows_word(connection):
            return connection
        connection.close()
        return None

    def _knows_word(self, connection: socket.socket) -> bool:
        said = b""
        connection.settimeout(_WORD_S)
        try:
            while len(said) < len(self._word) and (more := connection.recv(len(self._word) - len(said))):
                said += more
        except OSError:
            return False
        return secrets.compare_digest(said, self._word)


def come() -> Stream | None:
    """Meet whoever started this process; None where nobody said so. Raises OSError. No child is told the word."""
    place = os.environ.pop(_VARIABLE, "")
    if not place:
        return None
    port, word = place.split()
    connection = socket.create_connection(("127.0.0.1", int(port)), timeout=_WORD_S)
    connection.sendall(word.encode())
    return Stream(connection)
