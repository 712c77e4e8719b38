"""Where there is no uvloop (Windows): asyncio's own TLS buffers 256 KiB a connection; 16 are enough (core.md §5).

283 KB a connection [M], 42 with the smaller buffer. The name is CPython's own affair; a test fails when it is gone.
"""

from asyncio import sslproto

BUFFER_BYTES = 16 * 1024
"""A TLS record holds no more."""


def slim() -> None:
    """Give every connection from now on the smaller buffer."""
    sslproto.SSLProtocol.max_size = BUFFER_BYTES
