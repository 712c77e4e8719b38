"""How the runner's private key lies in its home: a file of its own user's (0600); on Windows, sealed by DPAPI, too.

There the machine opens what lies outside of users' folders, where the home of a service is, and only administrators and
the system can read the file; what lies in a user's folder, only that user opens. A raw key of an older home is read.
"""

import re
import sys
from pathlib import Path

from agent.errors import SetupError

_OF_A_USER = re.compile(r"[a-z]:[\\/]+users[\\/]", re.IGNORECASE)


def is_users(home: str) -> bool:
    """Whether a home of Windows lies in a user's folder."""
    return _OF_A_USER.match(home) is not None


if sys.platform == "win32":
    import pywintypes
    import win32crypt

    _MARK = b"DPAPI\n"
    _ENTROPY = b"botyard-agent"
    _NO_DIALOG, _MACHINE = 0x1, 0x4

    def seal_key(key: bytes, home: Path) -> bytes:
        """What is written."""
        flags = _NO_DIALOG if is_users(str(home)) else _NO_DIALOG | _MACHINE
        protect = win32crypt.CryptProtectData
        return _MARK + bytes(protect(key, "", _ENTROPY, None, None, flags))

    def open_key(kept: bytes) -> bytes:
        """The key. Raises SetupError where this user, or this machine, can't open it."""
        if not kept.startswith(_MARK):
            return kept
        try:
            opened = win32crypt.CryptUnprotectData(kept.removeprefix(_MARK), _ENTROPY, None, None, _NO_DIALOG)
        except pywintypes.error as error:
            raise SetupError(f"the key was sealed by another user or machine ({error.strerror}): enrol again") from None
        return bytes(opened[1])

else:

    def seal_key(key: bytes, home: Path) -> bytes:
        """What is written: the file's rights keep it."""
        del home
        return key

    def open_key(kept: bytes) -> bytes:
        """The key."""
        return kept
