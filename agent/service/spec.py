"""What is to be installed, as data: everything that the texts of a service's files are made of.

Paths are text, not `Path`: a Windows task is rendered and tested on Linux too.
"""

import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from agent.errors import UsageError
from agent.mode import Mode

NAME = "botyard-agent"
SERVICE_USER = "botyard-agent"
SERVICE_HOME = "/var/lib/botyard-agent"
_USER = re.compile(r"[a-z_][a-z0-9_-]{0,30}\Z")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f]")
_NO_PROGRAM = re.compile(r"[\"'\\]")
_FOLDER_OF_USERS = re.compile(r"[a-z]:[\\/]+users[\\/]", re.IGNORECASE)
_HIDDEN = ("/home", "/root", "/run/user")
"""What a hardened service of systemd sees as empty (ProtectHome=)."""


class System(StrEnum):
    """Whose service manager it is."""

    LINUX = "linux"
    MACOS = "macos"
    WINDOWS = "windows"


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """One service. `definitions` is where its user's own definitions lie; Linux does not read it in service mode.

    Linux: ~/.config; macOS: the user's folder; Windows: %LocalAppData%, in service mode below %ProgramFiles%.
    `user` runs the daemon; in service mode on Windows that is the system, and `user` whose session the bots use.
    """

    system: System
    mode: Mode
    python: str
    home: str
    user: str
    definitions: str
    uid: int = 0
    seen: tuple[str, ...] = ()
    """Folders that the program is made of, beside `python`: it must be able to read them where it runs."""
    program: str = NAME
    """What people type for it, also behind sudo, which has a path of its own."""

    @property
    def argv(self) -> tuple[str, ...]:
        """How the daemon is started: isolated, so that neither its folder nor PYTHONPATH brings it another module."""
        words = (self.python, "-I", "-m", "agent", "run", "--home", self.home)
        return (*words, "--mode", "session") if self.mode is Mode.SESSION else words


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A file of a service, whole."""

    path: str
    text: str
    mode: int = 0o644
    encoding: str = "utf-8"


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A command line of the service manager; a code that is not `ok` ends what was asked for."""

    argv: tuple[str, ...]
    ok: frozenset[int] | None = field(default=frozenset({0}))
    """None: whatever it says."""
    tries: int = 1
    """How often, a second apart: launchd refuses for a moment what it has just let go."""


class Verb(StrEnum):
    """Steps of which the commands of `acting.py` are made."""

    CHECK = "check"
    """Does the manager answer at all?"""
    PREPARE = "prepare"
    OWN = "own"
    """Give the home, enrolled by somebody else, to the service's user."""
    LOAD = "load"
    START = "start"
    RESTART = "restart"
    STOP = "stop"
    UNLOAD = "unload"
    FORGET = "forget"
    PURGE = "purge"
    STATE = "state"


class Manager(Protocol):
    """What each of `systemd.py`, `launchd.py` and `windows_task.py` is: pure functions of a spec."""

    def files(self, spec: Spec) -> tuple[File, ...]:
        """What is written; the first one is the definition, by which the service is known to be installed."""
        ...

    def commands(self, verb: Verb, spec: Spec) -> tuple[Command, ...]:
        """What is run for a step; nothing where the manager needs nothing."""
        ...

    def as_installed(self, spec: Spec, text: str) -> Spec:
        """`spec` with the home and the user that a definition, written by any version, names."""
        ...

    def paths(self, spec: Spec, *, purge: bool) -> tuple[str, ...]:
        """Files that an uninstall removes, whatever wrote them; the definition is the first."""
        ...

    def leftovers(self, spec: Spec) -> tuple[str, ...]:
        """Folders that a purge removes beside the home."""
        ...

    def is_running(self, code: int, output: str) -> bool:
        """What the answer to `Verb.STATE` means."""
        ...

    def link_told(self, output: str) -> bool | None:
        """What the answer to `Verb.STATE` says of the link to the hub; None where it says nothing."""
        ...

    def logs(self, spec: Spec) -> str:
        """Where its log is: a command or a file."""
        ...


def check_mode(spec: Spec) -> Spec:
    """Return the spec when this system has its mode. Raises UsageError."""
    if spec.mode is Mode.SERVICE and spec.system is System.MACOS:
        raise UsageError("--mode service is not there on macOS: say --mode session, as the bots' user")
    return spec


def check(spec: Spec) -> Spec:
    """Return the spec when a service's files can say it. Raises UsageError with one sentence: what to give instead."""
    for name, value in (("--home", spec.home), ("the interpreter", spec.python), ("--user", spec.user)):
        if _UNPRINTABLE.search(value) or value.endswith("\\"):
            raise UsageError(f"{name} {value!r} has a character that no service file can hold: choose another one")
    if spec.system is System.LINUX and _NO_PROGRAM.search(spec.python):
        raise UsageError(f"systemd starts no program with a quote in its path: install {spec.python} elsewhere")
    if spec.mode is Mode.SERVICE and spec.system is System.WINDOWS:
        _check_windows_service(spec)
    elif spec.mode is Mode.SERVICE:
        _check_service(spec)
    return spec


def _check_windows_service(spec: Spec) -> None:
    if not spec.user:
        raise UsageError(
            "a service has no desktop of its own: say --user NAME, whose session the bots use while it is logged on, "
            "or install --mode session as that user"
        )
    if _FOLDER_OF_USERS.match(spec.home):
        # Its key is kept by the machine there, and by its owner elsewhere (agent/key_keeping.py).
        raise UsageError(f"--home {spec.home} lies in a user's folder: leave it out for %ProgramData%\\Botyard\\Agent")


def _check_service(spec: Spec) -> None:
    if not _USER.match(spec.user):
        raise UsageError(f"--user {spec.user!r} is no name of a user: say one as {SERVICE_USER}")
    if _is_hidden(spec.home):
        raise UsageError(f"--home {spec.home}: a service sees nothing below {', '.join(_HIDDEN)}: say {SERVICE_HOME}")


def unseen(spec: Spec) -> str:
    """Why a service could not start the program where it stands, with the remedy; empty where it can."""
    if spec.system is not System.LINUX or spec.mode is not Mode.SERVICE:
        return ""
    hidden = next((part for part in (spec.python, *spec.seen) if _is_hidden(part)), None)
    if hidden is None:
        return ""
    # No venv below /opt: made by this Python it would stand in the same place.
    return (
        f"this botyard-agent stands in {hidden}, where a service sees nothing: paste the line of "
        "botyard runner token, which puts another one below /opt, or say --mode session"
    )


def _is_hidden(path: str) -> bool:
    return any(path == top or path.startswith(f"{top}/") for top in _HIDDEN)
