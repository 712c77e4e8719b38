"""Importing the server: what its libraries would do at import, and we pay for at each start, is left out.

aiohttp's client reads the system's whole store of certificate authorities when it is imported (a tenth of the time, for
connections that a hub never makes); the collector walks over every module's objects again and again, and then, for as
long as the hub lives, at each full collection. Measured: `tests/bench/starts.py`.
"""

import gc
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def loading() -> Iterator[None]:
    """Import the server in this block. What was made in it is never looked at by the collector again."""
    known = ssl.create_default_context
    ssl.create_default_context = _without_authorities
    gc.disable()
    try:
        yield
    finally:
        ssl.create_default_context = known
        gc.enable()
        gc.freeze()


def _without_authorities(*_: Any, **__: Any) -> ssl.SSLContext:
    """A context that trusts nobody: whoever used it by mistake would be refused, not fooled."""
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
