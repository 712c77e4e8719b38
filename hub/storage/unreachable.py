"""Why a database can't be opened, in one sentence that names it without its password."""

import sqlite3
from pathlib import Path

import sqlalchemy as sa

from hub.storage.address import Address
from hub.storage.sqlite.connection import error_code


class CannotOpen(Exception):  # noqa: N818 - a state of the database, told to a person
    """The database can't be opened now."""


def explained(error: Exception, address: Address) -> CannotOpen:
    """The sentence and the remedy for what a driver said while the database was opened."""
    if address.path is not None:
        return CannotOpen(_of_file(error, address.path))
    return CannotOpen(_of_server(error, address.url))


def _of_file(error: Exception, path: Path) -> str:
    code = error_code(error)
    if code == sqlite3.SQLITE_NOTADB:
        return f"{path} is no SQLite database, or it is damaged: restore it from a backup, or give another --data"
    if code == sqlite3.SQLITE_FULL:
        return f"the disk of {path} is full: free some space and start again; nothing is lost"
    if code in {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM}:
        return f"the database {path} can't be opened for writing: the hub's user needs rights on it and its folder"
    if code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
        return f"another program holds the database {path}: end it and start again"
    return f"the database {path} can't be opened: {_short(error)}"


def _of_server(error: Exception, url: sa.URL) -> str:
    where = f"the database {url.database} at {url.host}:{url.port or 5432}"
    root, name = _root(error), type(_root(error)).__name__
    if name in {"InvalidPasswordError", "InvalidAuthorizationSpecificationError"}:
        return f"{where} does not let {url.username} in: look at the name and password in --database"
    if name == "InvalidCatalogNameError":
        return f"{where} does not exist: make it first (createdb {url.database})"
    if name == "InsufficientPrivilegeError":
        return f"{where} gives {url.username} too few rights: it needs to own its schema"
    if isinstance(root, OSError | TimeoutError):
        return f"{where} is not reached ({_short(root)}): is it running, and is --database right?"
    return f"{where} can't be used: {_short(error)}"


def _root(error: BaseException) -> BaseException:
    """The driver's own error below SQLAlchemy's."""
    seen = error
    while (below := getattr(seen, "orig", None) or seen.__cause__) is not None:
        seen = below
    return seen


def _short(error: BaseException) -> str:
    lines = str(_root(error)).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__
