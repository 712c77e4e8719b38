"""Whose fault an error is that a transaction raised: the database's, or that of what was to be done."""

import sqlite3

import sqlalchemy as sa

from hub.errors import Unavailable

_BAD_VALUE = "22"
"""PostgreSQL's class of errors for values that a column can't take."""


def is_of_store(error: BaseException) -> bool:
    """Whether the database could not go on, or wants the whole transaction again; False for what was asked of it."""
    if isinstance(error, sa.exc.DBAPIError):
        state = getattr(error.orig, "sqlstate", None)
        return error.connection_invalidated or not (state or "").startswith(_BAD_VALUE)
    return isinstance(error, sqlite3.Error | OSError | TimeoutError | sa.exc.TimeoutError | Unavailable)
