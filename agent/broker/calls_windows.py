# ruff: noqa: E402 - the platform is asserted first, so that a type checker for another one stops there
"""The calls of the broker: sessions, tokens, processes in them, rights to folders. No decision stands here."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

assert sys.platform == "win32"  # for the type checker

import ntsecuritycon
import pywintypes
import win32api
import win32con
import win32process
import win32profile
import win32security
import win32ts
import winerror

from agent.broker.sessions import Connection, Session

DESKTOP = r"winsta0\default"
_CONNECTIONS = {win32ts.WTSActive: Connection.ACTIVE, win32ts.WTSDisconnected: Connection.DISCONNECTED}
_FLAGS = win32process.CREATE_UNICODE_ENVIRONMENT | win32process.CREATE_NO_WINDOW | win32process.CREATE_NEW_PROCESS_GROUP
_INHERITED = ntsecuritycon.OBJECT_INHERIT_ACE | ntsecuritycon.CONTAINER_INHERIT_ACE
_STILL_ACTIVE = 259


def sessions() -> list[Session]:
    """Those of this machine. Raises OSError."""
    try:
        told = {int(one["SessionId"]): int(one["State"]) for one in win32ts.WTSEnumerateSessions()}
        console: int = win32ts.WTSGetActiveConsoleSessionId()  # type: ignore[no-untyped-call]
        if not told and console > 0:
            told[console] = win32ts.WTSActive  # Wine, which enumerates none
        return [_session(number, state) for number, state in told.items()]
    except pywintypes.error as error:
        raise _of(error) from error


def _session(number: int, state: int) -> Session:
    return Session(
        number=number,
        user=_asked(number, win32ts.WTSUserName),
        domain=_asked(number, win32ts.WTSDomainName),
        connection=_CONNECTIONS.get(state, Connection.OTHER),
    )


def _asked(number: int, what: int) -> str:
    try:
        here: Any = None  # its stub wants a handle
        return str(win32ts.WTSQuerySessionInformation(here, number, what) or "")
    except pywintypes.error:
        return ""  # it is ending


@dataclass(slots=True)
class SessionProcess:
    """A process in a session, held by its handle."""

    pid: int
    handle: Any

    @property
    def is_alive(self) -> bool:
        """False when it has ended."""
        return bool(win32process.GetExitCodeProcess(self.handle) == _STILL_ACTIVE)


def start_in(session: int, command: str, folder: str, variables: Mapping[str, str]) -> SessionProcess:
    """Start a program as the user of a session, on its desktop, without a window. Raises OSError.

    It stands in no job of ours: it outlives the daemon, and holds the job of its bot itself.
    """
    try:
        token = _token_of(session)
        environment = {**win32profile.CreateEnvironmentBlock(token, False), **variables}
        look = win32process.STARTUPINFO()
        look.lpDesktop = DESKTOP
        create: Any = win32process.CreateProcessAsUser  # its stub knows no None
        process, thread, pid, _ = create(token, None, command, None, None, False, _FLAGS, environment, folder, look)
    except pywintypes.error as error:
        raise _of(error) from error
    win32api.CloseHandle(thread)
    return SessionProcess(pid=pid, handle=process)


def _token_of(session: int) -> Any:
    """A primary token of the session's user; only the system may ask for it."""
    token = win32ts.WTSQueryUserToken(session)
    kind, level = win32security.TokenPrimary, win32security.SecurityImpersonation
    return win32security.DuplicateTokenEx(token, level, win32con.MAXIMUM_ALLOWED, kind, None)


def user_of(session: int) -> Any:
    """The SID of a session's user. Raises OSError."""
    try:
        return win32security.GetTokenInformation(win32ts.WTSQueryUserToken(session), win32security.TokenUser)[0]
    except pywintypes.error as error:
        raise _of(error) from error


def let_in(folder: Path, user: Any, *, may_write: bool) -> None:
    """Give a user a folder and all below it, now and later, beside those who have it. Raises OSError."""
    read, kind = ntsecuritycon.FILE_GENERIC_READ | ntsecuritycon.FILE_GENERIC_EXECUTE, win32security.SE_FILE_OBJECT
    write = ntsecuritycon.FILE_GENERIC_WRITE | ntsecuritycon.DELETE
    what = win32security.DACL_SECURITY_INFORMATION
    try:
        told = win32security.GetNamedSecurityInfo(str(folder), kind, what)
        acl = told.GetSecurityDescriptorDacl()
        rights = read | write if may_write else read
        acl.AddAccessAllowedAceEx(win32security.ACL_REVISION_DS, _INHERITED, rights, user)
        win32security.SetNamedSecurityInfo(str(folder), kind, what, None, None, acl, None)
    except pywintypes.error as error:
        raise _of(error) from error


def _of(error: Any) -> OSError:
    if error.winerror == winerror.ERROR_PRIVILEGE_NOT_HELD:
        return PermissionError("only a service that runs as LocalSystem starts programs in sessions of users")
    return OSError(0, f"{error.funcname}: {error.strerror}", None, error.winerror)
