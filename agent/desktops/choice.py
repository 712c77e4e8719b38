"""Which desktops the slots of this runner get, of what it was told and of what the machine has (pure).

| `desktops` | Linux service | session of a user (Linux with a display, Windows, macOS) | else |
|---|---|---|---|
| auto | virtual where an X server program is installed | own | none |
| own, virtual, none | as said | as said | as said |
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from agent.config import Settings
from agent.service.spec import SERVICE_HOME

MIB = 1024 * 1024
SLOT_BYTES = 32 * MIB
"""Least that a bot takes, with its shim: a Python that has imported little."""
DESKTOP_BYTES = 64 * MIB
"""Of an X server and its window manager beside the picture, by measurement (Xvnc 50 MiB, openbox 14 MiB)."""
_COPIES_BYTES = 8
"""A pixel takes four bytes, twice: as it is, and as windows keep it."""
_PROGRAMS = {"xvnc": "Xvnc", "xvfb": "Xvfb"}
_PACKAGES = {"xvnc": "tigervnc-standalone-server", "xvfb": "xvfb"}
_USUAL_SIZE = (1920, 1080)
_USUAL_DPI = 96
_USUAL_MANAGER = "openbox"
_MANAGERS = frozenset(
    {"openbox", "twm", "fluxbox", "icewm", "jwm", "fvwm", "matchbox-window-manager", "metacity", "xfwm4"}
)
"""Those whose package has their name."""
SERVICE_VARIABLE = "RUNTIME_DIRECTORY"
"""systemd sets it for our unit of service mode (``RuntimeDirectory=``), and for no session's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """What the choice asks of the machine."""

    platform: str
    """As `sys.platform`."""
    environment: Mapping[str, str]
    home: str
    which: Callable[[str], str | None]
    """As `shutil.which`."""
    memory_bytes: int
    """All there is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VirtualPlan:
    """How each virtual desktop is made."""

    count: int
    """Slots 0 to count - 1 get one."""
    width: int = _USUAL_SIZE[0]
    height: int = _USUAL_SIZE[1]
    dpi: int = _USUAL_DPI
    server: Literal["xvnc", "xvfb"] = "xvnc"
    program: str = ""
    """Absolute, of the server."""
    window_manager: str = ""
    """Absolute; empty: none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What the slots get."""

    kind: Literal["own", "virtual", "none"]
    virtual: VirtualPlan | None = None
    faults: tuple[str, ...] = ()
    """Why a daemon can't start so; one sentence each, with what to do."""


def choose(settings: Settings, slots: int, host: Host) -> Choice:
    """The desktops of this many slots, with everything that is wrong with them."""
    faults: list[str] = []
    kind = _kind(settings, host)
    virtual = None
    if kind == "virtual":
        virtual = _virtual(settings, slots, host, faults)
    elif settings.desktops != "auto" and settings.desktop_count:
        faults.append(
            f"settings desktops and desktop_count contradict each other: {settings.desktops}, and "
            f"{settings.desktop_count} virtual ones: say desktops = virtual, or desktop_count = 0"
        )
    if told := too_much(slots, virtual, host.memory_bytes):
        faults.append(f"setting slots: {told}")
    return Choice(kind=kind, virtual=virtual, faults=tuple(faults))


def desktop_bytes(plan: VirtualPlan) -> int:
    """What one of them takes of the memory, at least."""
    return DESKTOP_BYTES + plan.width * plan.height * _COPIES_BYTES


def _kind(settings: Settings, host: Host) -> Literal["own", "virtual", "none"]:
    if settings.desktops != "auto":
        return settings.desktops
    if host.platform in {"win32", "darwin"}:
        return "own"
    if host.environment.get("DISPLAY") or host.environment.get("WAYLAND_DISPLAY"):
        return "own"
    is_service = bool(host.environment.get(SERVICE_VARIABLE)) or host.home == SERVICE_HOME
    return "virtual" if host.platform == "linux" and is_service and _server(settings, host) else "none"


def _server(settings: Settings, host: Host) -> tuple[Literal["xvnc", "xvfb"], str] | None:
    """The first program that may be used and is there."""
    names: tuple[Literal["xvnc", "xvfb"], ...] = ("xvnc", "xvfb")
    for name in names:
        if settings.desktop_server in {"auto", name} and (found := host.which(_PROGRAMS[name])):
            return name, found
    return None


def _virtual(settings: Settings, slots: int, host: Host, faults: list[str]) -> VirtualPlan:
    width, height = settings.desktop_pixels() or _USUAL_SIZE
    count = slots if settings.desktop_count is None else settings.desktop_count
    if count > slots:
        has = "1 slot" if slots == 1 else f"{slots} slots"
        faults.append(f"setting desktop_count: {count} desktops for {has}: say {slots} or fewer, or more slots")
    found = _server(settings, host)
    if host.platform != "linux":
        faults.append("setting desktops: virtual ones are X servers, and made on Linux only: say own or none")
    elif found is None:
        wanted = "xvnc" if settings.desktop_server == "auto" else settings.desktop_server
        faults.append(
            f"setting desktops: virtual ones need {_PROGRAMS[wanted]}, which is not here: "
            f"apt install {_PACKAGES[wanted]}"
        )
    server, program = found or ("xvnc", "")
    return VirtualPlan(
        count=min(count, slots),
        width=width,
        height=height,
        dpi=settings.desktop_dpi or _USUAL_DPI,
        server=server,
        program=program,
        window_manager=_window_manager(settings, host, faults),
    )


def _window_manager(settings: Settings, host: Host, faults: list[str]) -> str:
    said = settings.window_manager
    if said == "none":
        return ""
    if said == "auto":
        return host.which(_USUAL_MANAGER) or ""
    found = host.which(said)
    if found is None:
        name = said.rpartition("/")[2]
        remedy = f"apt install {name}" if name in _MANAGERS else "install it, mend its name or path"
        faults.append(f"setting window_manager: {said} is not here: {remedy}, or say auto or none")
    return found or ""


def too_much(slots: int, virtual: VirtualPlan | None, there: int) -> str:
    """Why this many bots, with their desktops, can't be on a machine of so many bytes; empty where they can."""
    taken = slots * SLOT_BYTES + (desktop_bytes(virtual) * virtual.count if virtual else 0)
    if taken <= there:
        return ""
    each = f"{SLOT_BYTES // MIB} MiB a bot"
    bots, remedy = f"{slots} bots", "say fewer slots"
    if virtual is not None and virtual.count:
        bots += f" with {virtual.count} virtual desktops of {virtual.width}x{virtual.height}"
        each += f", {desktop_bytes(virtual) // MIB} MiB a desktop"
        remedy += ", a smaller desktop_count or desktop_size"
    return f"{bots} take at least {taken // MIB} MiB ({each}), and this machine has {there // MIB} MiB: {remedy}"
