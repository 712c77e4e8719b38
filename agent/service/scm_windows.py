# ruff: noqa: E402 - the platform is asserted first, so that a type checker for another one stops there
"""What `botyard-agent service` does to a Windows machine, a step a call: `windows_service.py` says which.

    python -I -m agent.service.scm_windows secure|tidy HOME, load DEFINITION, start|restart|stop|unload|state NAME

Prints one line that says what is wrong, and ends with 1 then. Twice is as good as once.
"""

import json
import sys
import winreg
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

assert sys.platform == "win32"  # for the type checker

import ntsecuritycon
import pywintypes
import servicemanager
import win32security
import win32service
import win32serviceutil
import winerror

_EVENT_SOURCES = r"SYSTEM\CurrentControlSet\Services\EventLog\Application"
_ALL_EVENT_TYPES = 7
_START_S, _STOP_S = 60, 90
_INHERITED = ntsecuritycon.OBJECT_INHERIT_ACE | ntsecuritycon.CONTAINER_INHERIT_ACE
_NOT_THERE = winerror.ERROR_SERVICE_DOES_NOT_EXIST


def secure(home: str) -> None:
    """Make the home, the system's and the administrators' alone; one that somebody else made is refused."""
    # What lies above could be moved away with the home in it by whoever made it first.
    above = [Path(home).parent] if Path(home).parent.name.lower() == "botyard" else []
    ours = [_sid(win32security.WinLocalSystemSid), _sid(win32security.WinBuiltinAdministratorsSid)]
    for folder in (*above, Path(home)):
        folder.mkdir(parents=True, exist_ok=True)
        _check_owner(folder, {str(one) for one in ours})
        acl = win32security.ACL()
        for sid in ours:
            acl.AddAccessAllowedAceEx(win32security.ACL_REVISION, _INHERITED, ntsecuritycon.FILE_ALL_ACCESS, sid)
        win32security.SetNamedSecurityInfo(
            str(folder),
            win32security.SE_FILE_OBJECT,
            win32security.DACL_SECURITY_INFORMATION | win32security.PROTECTED_DACL_SECURITY_INFORMATION,
            *(None, None, acl, None),
        )


def _check_owner(folder: Path, ours: set[str]) -> None:
    told = win32security.GetNamedSecurityInfo(
        str(folder), win32security.SE_FILE_OBJECT, win32security.OWNER_SECURITY_INFORMATION
    )
    owner = told.GetSecurityDescriptorOwner()
    me = win32security.GetTokenInformation(_own_token(), win32security.TokenUser)[0]
    if str(owner) not in {*ours, str(me)} and any(folder.iterdir()):
        name = win32security.LookupAccountSid(None, owner)[0]
        raise OSError(f"{folder} was made by {name}: look what is in it, and remove it")


def load(definition: str) -> None:
    """Create the service, or bring the one that is there up to date."""
    wanted = json.loads(Path(definition).read_text("utf-8"))
    manager = win32service.OpenSCManager(None, None, win32service.SC_MANAGER_ALL_ACCESS)
    own, automatic = win32service.SERVICE_WIN32_OWN_PROCESS, win32service.SERVICE_AUTO_START
    kind = (own, automatic, win32service.SERVICE_ERROR_NORMAL, wanted["image_path"], None)
    try:
        service = win32service.OpenService(manager, wanted["name"], win32service.SERVICE_ALL_ACCESS)
    except pywintypes.error as error:
        if error.winerror != _NOT_THERE:
            raise
        access, name = win32service.SERVICE_ALL_ACCESS, wanted["display_name"]
        service = win32service.CreateService(manager, wanted["name"], name, access, *kind, False, None, None, None)
    else:
        win32service.ChangeServiceConfig(service, *kind, False, None, "LocalSystem", None, wanted["display_name"])
    _configure(service, wanted)
    with winreg.CreateKey(winreg.HKEY_LOCAL_MACHINE, rf"{_EVENT_SOURCES}\{wanted['name']}") as key:
        winreg.SetValueEx(key, "EventMessageFile", 0, winreg.REG_SZ, servicemanager.__file__)
        winreg.SetValueEx(key, "TypesSupported", 0, winreg.REG_DWORD, _ALL_EVENT_TYPES)


def _configure(service: Any, wanted: dict[str, Any]) -> None:
    actions = [(win32service.SC_ACTION_RESTART, seconds * 1000) for seconds in wanted["restart_after_s"]]
    failure = {"ResetPeriod": wanted["reset_after_s"], "RebootMsg": "", "Command": "", "Actions": actions}
    for level, value in (
        (win32service.SERVICE_CONFIG_DESCRIPTION, wanted["description"]),
        (win32service.SERVICE_CONFIG_DELAYED_AUTO_START_INFO, wanted["delayed"]),
        (win32service.SERVICE_CONFIG_FAILURE_ACTIONS, failure),
        (win32service.SERVICE_CONFIG_FAILURE_ACTIONS_FLAG, wanted["restart_on_exit_codes"]),
        (win32service.SERVICE_CONFIG_PRESHUTDOWN_INFO, wanted["preshutdown_s"] * 1000),
    ):
        try:
            win32service.ChangeServiceConfig2(service, level, value)
        except pywintypes.error as error:
            if error.winerror != winerror.ERROR_INVALID_LEVEL:
                raise
            print(f"this system knows no setting {level} of services")  # Wine


def start(name: str) -> None:
    """Start it, and wait until it runs; one that ends at once is told."""
    try:
        win32serviceutil.StartService(name)
    except pywintypes.error as error:
        # Also while it is starting; and a slow machine's 1053 may come before the process does.
        if error.winerror not in {winerror.ERROR_SERVICE_ALREADY_RUNNING, winerror.ERROR_SERVICE_REQUEST_TIMEOUT}:
            raise
    try:
        win32serviceutil.WaitForServiceStatus(name, win32service.SERVICE_RUNNING, _START_S)
    except pywintypes.error:
        raise OSError("it did not start: its log and the Event Log say why") from None


def stop(name: str) -> None:
    """Stop it, and wait until it has ended."""
    with suppress(pywintypes.error):
        win32serviceutil.StopService(name)
    if _state(name) is not None:
        win32serviceutil.WaitForServiceStatus(name, win32service.SERVICE_STOPPED, _STOP_S)


def restart(name: str) -> None:
    """Stop and start it."""
    stop(name)
    start(name)


def unload(name: str) -> None:
    """Stop and remove it, and what the Event Log knows of it."""
    if _state(name) is not None:
        stop(name)
        win32serviceutil.RemoveService(name)
    with suppress(FileNotFoundError):
        winreg.DeleteKey(winreg.HKEY_LOCAL_MACHINE, rf"{_EVENT_SOURCES}\{name}")


def state(name: str) -> None:
    """Print running, stopped, pending or absent."""
    words = {None: "absent", win32service.SERVICE_RUNNING: "running", win32service.SERVICE_STOPPED: "stopped"}
    print(words.get(_state(name), "pending"))


def tidy(home: str) -> None:
    """Remove the empty folder above a home that is gone."""
    if Path(home).parent.name.lower() == "botyard":
        with suppress(OSError):
            Path(home).parent.rmdir()


def _state(name: str) -> int | None:
    try:
        return int(win32serviceutil.QueryServiceStatus(name)[1])
    except pywintypes.error as error:
        if error.winerror == _NOT_THERE:
            return None
        raise


def _sid(kind: int) -> Any:
    return win32security.CreateWellKnownSid(kind, None)


def _own_token() -> Any:
    return win32security.OpenProcessToken(-1, win32security.TOKEN_QUERY)


def main() -> int:
    """Do the step that the command line names."""
    steps: tuple[Callable[[str], None], ...] = (secure, load, start, restart, stop, unload, state, tidy)
    known = {step.__name__: step for step in steps}
    word, value = sys.argv[1:]
    try:
        known[word](value)
    except pywintypes.error as error:
        print(f"{error.strerror} ({error.winerror})")
        return 1
    except OSError as error:
        print(error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
