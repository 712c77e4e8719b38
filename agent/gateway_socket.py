"""The gateway's listening socket: taken back from a living shim, else bound anew (`core.md` §6)."""

import socket

GatewaySocket = socket.socket
_BACKLOG = 512


def bind_gateway() -> GatewaySocket:
    """A new listening socket on loopback, on a port of the kernel's choice; close-on-exec."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.bind(("127.0.0.1", 0))
        listener.listen(_BACKLOG)
        listener.setblocking(False)
    except BaseException:
        listener.close()
        raise
    return listener
