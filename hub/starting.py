"""Why a hub does not start: one sentence with its remedy for each cause that a person can mend (design.md §5)."""

import errno
from collections.abc import Iterator

from hub.config import Settings
from hub.data_folder import DataInUse, HalfRestored
from hub.identity import KEY_FILE
from hub.storage.store import SchemaMismatch
from hub.storage.unreachable import CannotOpen
from hub.tls import BadCertificate

_OURS = (DataInUse, HalfRestored, SchemaMismatch, CannotOpen, BadCertificate)
_NO_SUCH_ADDRESS = frozenset({errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT})
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_NO_FOLDER = frozenset({errno.ENOTDIR, errno.EEXIST})


def why_not(error: BaseException, settings: Settings) -> str | None:
    """The sentence; None for what only a developer can mend, which deserves its traceback."""
    for cause in _leaves(error):
        if isinstance(cause, _OURS):
            return str(cause)
        if isinstance(cause, OSError):
            return _of_system(cause, settings)
        if isinstance(cause, ValueError) and KEY_FILE in str(cause):
            return str(cause)
    return None


def _of_system(error: OSError, settings: Settings) -> str:
    where = f"{settings.host}:{settings.port}"
    if error.errno == errno.EADDRINUSE:
        return f"something listens at {where} already: another hub, or another program. End it, or say --port"
    if error.errno in _NO_SUCH_ADDRESS or type(error).__name__ == "gaierror":
        return f"{settings.host} is no address of this machine: say --host 127.0.0.1, or 0.0.0.0 for all of its own"
    if error.errno in _FULL:
        return f"the disk of {settings.data} is full: free some space and start again; nothing is lost"
    if error.errno in _NO_FOLDER:
        return f"{error.filename or settings.data} is a file where --data needs a folder: give another --data"
    if isinstance(error, PermissionError) and not error.filename:
        return f"this user may not listen on port {settings.port}: take one above 1023, and a proxy for the low one"
    if isinstance(error, PermissionError):
        return f"this user has no rights on {error.filename}: give them (chown), or another --data"
    if error.errno == errno.EROFS:
        return f"{error.filename or settings.data} can't be written, its disk is read-only: give another --data"
    return f"{error.filename or settings.data}: {(error.strerror or str(error)).lower()}"


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for one in error.exceptions:
            yield from _leaves(one)
    else:
        yield error
