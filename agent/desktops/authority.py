"""The file by which clients prove to an X server that they may come in (Xau: big-endian, length before text)."""

import secrets
import struct

from agent.desktops.x11 import COOKIE_KIND, FAMILY_WILD

COOKIE_BYTES = 16


def new_cookie() -> bytes:
    """One that nobody guesses."""
    return secrets.token_bytes(COOKIE_BYTES)


def authority(cookie: bytes, number: int | None = None) -> bytes:
    """A whole authority file with one entry, for any host name; before the display's number is known for any number."""
    parts = (b"", b"" if number is None else str(number).encode(), COOKIE_KIND, cookie)
    return struct.pack(">H", FAMILY_WILD) + b"".join(struct.pack(">H", len(part)) + part for part in parts)
