"""What this machine and its user say of themselves: the spec of a service that is not installed yet."""

import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

import agent
from agent.config import current_environment, home_folder
from agent.config_sources import HOME_VARIABLE
from agent.mode import Mode
from agent.service.spec import NAME, SERVICE_HOME, SERVICE_USER, Spec, System

_SUDO_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def this_system() -> System:
    """Whose service manager is here."""
    if sys.platform == "win32":
        return System.WINDOWS
    return System.MACOS if sys.platform == "darwin" else System.LINUX


def spec_here(mode: Mode, home: str | None, user: str | None) -> Spec:
    """The spec of a mode; what is not given is the usual one. Nothing is checked."""
    environment = current_environment()
    is_service = mode is Mode.SERVICE
    is_windows = this_system() is System.WINDOWS
    if home is None and is_service and not environment.get(HOME_VARIABLE):
        home = windows_home(environment) if is_windows else SERVICE_HOME
    usual = "" if is_windows else SERVICE_USER
    return Spec(
        system=this_system(),
        mode=mode,
        python=sys.executable,
        home=str(home_folder(home, environment)),
        user=user or (usual if is_service else _own_name()),
        definitions=_program_files(environment) if is_windows and is_service else _definitions(),
        uid=_uid(),
        seen=(sys.base_prefix, str(Path(agent.__file__).parent)),
        program=_program(),
    )


def _program() -> str:
    """Its name where everybody's path has it, sudo's too; else where it lies, as in a checkout's .venv/bin."""
    beside = Path(sys.executable).with_name(NAME)
    return NAME if shutil.which(NAME, path=_SUDO_PATH) or not beside.exists() else str(beside)


def windows_home(environment: Mapping[str, str]) -> str:
    """The home of a service of Windows."""
    return environment.get("PROGRAMDATA", r"C:\ProgramData") + r"\Botyard\Agent"


def _program_files(environment: Mapping[str, str]) -> str:
    return environment.get("PROGRAMFILES", r"C:\Program Files") + r"\Botyard"


def _definitions() -> str:
    environment = current_environment()
    match this_system():
        case System.WINDOWS:
            return environment.get("LOCALAPPDATA") or str(Path.home() / "AppData" / "Local")
        case System.MACOS:
            return str(Path.home())
        case System.LINUX:
            return environment.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")


if sys.platform == "win32":

    def _uid() -> int:
        return 0

    def _own_name() -> str:
        environment = current_environment()
        return f"{environment.get('USERDOMAIN', '.')}\\{environment.get('USERNAME', '')}"

else:

    def _uid() -> int:
        return os.getuid()

    def _own_name() -> str:
        import pwd

        return pwd.getpwuid(os.getuid()).pw_name
