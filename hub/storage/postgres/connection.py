"""The engine, and what PostgreSQL's errors mean for an operation."""

import asyncio
from enum import Enum, auto

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from hub.storage.json_text import dump_json

_CONNECT_S = 10.0
_COMMAND_S = 30.0
"""No statement of a use case takes this long; a server that is silent for so long is taken for gone."""
_SERIALIZATION = {"40001", "40P01"}
_UNIQUE = "23505"
_GONE_CLASSES = ("08", "57", "53")
"""Connection trouble, shutdown, too few resources: the statement was not done, another try may work."""


def make_engine(url: sa.URL, connections: int) -> AsyncEngine:
    """An engine with a pool of exactly `connections`; synchronous_commit stays on, as the server has it."""
    return create_async_engine(
        url,
        pool_size=connections,
        max_overflow=0,
        pool_timeout=_CONNECT_S,
        json_serializer=dump_json,
        query_cache_size=1500,
        connect_args={
            "timeout": _CONNECT_S,
            "command_timeout": _COMMAND_S,
            "server_settings": {"application_name": "botyard", "timezone": "UTC", "jit": "off"},
        },
    )


class Trouble(Enum):
    """What an error says about the transaction it came from."""

    CONFLICT = auto()
    """Another transaction won; the server rolled this one back. The whole of it may be run again (R12)."""
    DUPLICATE = auto()
    """A unique index refused a row: perhaps one that a concurrent transaction made after our look."""
    GONE = auto()
    """The connection or the server is gone. Not committed, unless it happened at COMMIT."""
    OWN = auto()
    """The use case's own error."""


def trouble_of(error: BaseException) -> Trouble:
    """Classify what a transaction raised."""
    if isinstance(error, sa.exc.DBAPIError):
        return _of_state(getattr(error.orig, "sqlstate", None), is_cut=error.connection_invalidated)
    if isinstance(error, OSError | asyncio.TimeoutError | sa.exc.TimeoutError):
        return Trouble.GONE
    return _of_state(getattr(error, "sqlstate", None), is_cut=False)


def _of_state(state: str | None, *, is_cut: bool) -> Trouble:
    if state in _SERIALIZATION:
        return Trouble.CONFLICT
    if state == _UNIQUE:
        return Trouble.DUPLICATE
    if is_cut or (state is not None and state.startswith(_GONE_CLASSES)):
        return Trouble.GONE
    return Trouble.OWN
