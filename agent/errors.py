"""What can go wrong in the runner, and what its exit code then is (`packaging.md` §2).

    AgentError            75: try again, the manager restarts at once
    ├── SetupError        78: will not get better alone; managers must not restart
    └── UsageError         2: what was typed can't be meant so

One sentence each, for the person who reads the journal. `is_retryable` says which failures of the network are worth
another try.
"""

import errno
import ssl
from pathlib import Path

EXIT_ASKED = 0
EXIT_TRY_AGAIN = 75
EXIT_SETUP = 78
EXIT_USAGE = 2


class AgentError(Exception):
    """The daemon, or one of its commands, cannot go on now."""

    exit_code = EXIT_TRY_AGAIN


class SetupError(AgentError):
    """Something that only a person can mend: not enrolled, revoked, another machine, a bad setting."""

    exit_code = EXIT_SETUP


class UsageError(AgentError):
    """A command was typed with a value that it can't take; names the option and what it takes."""

    exit_code = EXIT_USAGE


def is_retryable(error: BaseException) -> bool:
    """Whether a failed connection to the hub may work when it is tried again.

    A certificate that does not fit is one of them: it is renewed on the other side while this one keeps trying (R51).
    """
    return isinstance(error, (OSError, TimeoutError, ssl.SSLError, EOFError))


_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def of_system(error: OSError, home: Path) -> AgentError:
    """What the system refused a command on `home`, as one sentence with its remedy."""
    where = error.filename or home
    if error.errno in _FULL:
        return AgentError(f"the disk of {home} is full: free some space and try again")
    if error.errno in {errno.ENOTDIR, errno.EEXIST}:
        return SetupError(f"{where} is a file, or lies below one, where a folder is needed: give another --home")
    if isinstance(error, PermissionError):
        return SetupError(f"{where}: permission denied: run as its owner, or give another --home")
    return AgentError(f"{where}: {(error.strerror or str(error)).lower()}")
