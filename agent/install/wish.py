"""What is to be installed for which hub, and where on this machine it goes (`packaging.md` §3). Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from agent.errors import SetupError
from agent.mode import Mode
from agent.service.spec import NAME, SERVICE_HOME, System

_HOME_VARIABLE = "BOTYARD_AGENT_HOME"
_PATHS = "/usr/local/bin"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What somebody asked for; the hub's own words are in it, as its script says them."""

    hub: str
    hub_id: str
    mode: Mode | None = None
    home: str | None = None
    enrolment: tuple[str, ...] = ()
    """Options that `botyard-agent enroll` gets: name, labels, slots, authority, plain http."""
    again: bool = False
    """Be another runner than before, also of another hub."""
    with_service: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """Who types, on what system."""

    system: System
    is_admin: bool
    folder: Path
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where it goes."""

    system: System
    mode: Mode
    prefix: Path
    command: Path
    """By which name people call it: a link to the current version's."""
    home: Path
    lock: Path
    """A folder by which lines know of each other; not one that any of them makes."""

    @property
    def current(self) -> Path:
        """The version in use."""
        return self.prefix / "current"

    @property
    def ground(self) -> Path:
        """The innermost folder on the way to `prefix` that is there already."""
        return next(path for path in self.prefix.parents if path.is_dir())

    def version(self, name: str) -> Path:
        """The folder of a version."""
        return self.prefix / "versions" / name


def place(wish: Wish, user: User) -> Place:
    """Where it goes. Raises SetupError with the words to type instead."""
    usual = Mode.SERVICE if user.is_admin and user.system is System.LINUX else Mode.SESSION
    mode = wish.mode or usual
    if user.system is System.WINDOWS:
        raise SetupError("this bundle is not for Windows: install.ps1 of the hub is")
    if mode is Mode.SERVICE and user.system is not System.LINUX:
        raise SetupError("there is no --mode service on macOS: leave it out")
    if mode is Mode.SERVICE and not user.is_admin:
        raise SetupError("--mode service needs root: put sudo before sh")
    if user.system is System.MACOS and user.is_admin:
        raise SetupError("type this without sudo, as the user whose desktop the bots use")
    if mode is Mode.SERVICE:
        home = Path(wish.home or user.environment.get(_HOME_VARIABLE) or SERVICE_HOME)
        return Place(
            system=user.system,
            mode=mode,
            prefix=Path("/opt") / NAME,
            command=Path(_PATHS) / NAME,
            home=home.absolute(),
            lock=Path("/"),
        )
    return Place(
        system=user.system,
        mode=mode,
        prefix=_own_prefix(user) / NAME,
        command=user.folder / ".local" / "bin" / NAME,
        home=_own_home(wish, user),
        lock=user.folder,
    )


def _own_prefix(user: User) -> Path:
    if user.system is System.MACOS:
        return user.folder / "Library" / "Application Support" / "Botyard"  # beside the home, which a purge removes
    return Path(user.environment.get("XDG_DATA_HOME") or user.folder / ".local" / "share")


def _own_home(wish: Wish, user: User) -> Path:
    """As `agent.config.home_folder` has it, of which nothing can be imported here."""
    chosen = wish.home or user.environment.get(_HOME_VARIABLE)
    if chosen:
        return Path(chosen).expanduser().absolute()
    if user.system is System.MACOS:
        return user.folder / "Library" / "Application Support" / NAME
    return Path(user.environment.get("XDG_STATE_HOME") or user.folder / ".local" / "state") / NAME
