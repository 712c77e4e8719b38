"""The gateway's listening socket: taken back from a living shim, else bound anew (`core.md` §6).

Where sockets do not travel (Windows), the port stands in a file of the home, and the next daemon binds it again.
"""

import socket
import sys
from contextlib import suppress
from pathlib import Path

GatewaySocket = socket.socket
_BACKLOG = 512


def bind_gateway(known: Path | None = None) -> GatewaySocket:
    """A new listening socket on loopback, on a port of the kernel's choice, close-on-exec; Windows: on the `known` one.

    Raises OSError.
    """
    if sys.platform != "win32" or known is None:
        return _bind(0)
    # Somebody else may have it by now: then bots of the daemon before are without a gateway, new ones are not.
    with suppress(OSError, ValueError):
        return _bind(int(known.read_text("ascii")))
    listener = _bind(0)
    known.write_text(str(listener.getsockname()[1]), "ascii")
    return listener


def _bind(port: int) -> GatewaySocket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.bind(("127.0.0.1", port))
        listener.listen(_BACKLOG)
        listener.setblocking(False)
    except BaseException:
        listener.close()
        raise
    return listener
