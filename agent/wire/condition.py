"""The condition of a runner: which desktops it has, whether bots can use them now, and what else it has or lacks.

``condition`` is the whole of it, told when a session opens and within two seconds of each change. What is configured is
never told, only what was found by looking: the hub plans by what exists. A desktop belongs to a slot; a slot without
one is for background bots. A bot that needs a desktop gets it alone, in a slot whose desktop has no fault.
"""

import re
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AwareDatetime, Field, StringConstraints

from agent.wire.task import BotText, WireModel

FAULT_TEXT_MAX = 500
FAULTS_MAX = 64
APPLICATIONS_MAX = 64
PIXELS_MAX = 16384
"""Of a desktop's side: what X servers and Windows can have."""
SIZE_FORM = f"WIDTHxHEIGHT in pixels, as 1920x1080, from 320x200 to {PIXELS_MAX}x{PIXELS_MAX}"
UNREACHED = "it is not reached: "
"""How a runner begins to say that a desktop is gone; the reason follows."""
DPI_MAX = 10_000
"""More is no scale of texts: any program of a session may set its number."""

_SIZE = re.compile(r"([1-9][0-9]{0,4})x([1-9][0-9]{0,4})\Z")
ApplicationName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$")]


def pixels_of(size: str) -> tuple[int, int] | None:
    """Width and height that are asked for; None where it is not `SIZE_FORM`."""
    found = _SIZE.match(size)
    if found is None:
        return None
    width, height = int(found[1]), int(found[2])
    return (width, height) if 320 <= width <= PIXELS_MAX and 200 <= height <= PIXELS_MAX else None


class DesktopKind(StrEnum):
    """What a desktop is."""

    X11 = "x11"
    WAYLAND = "wayland"
    WINDOWS = "windows"
    MACOS = "macos"


class FaultCode(StrEnum):
    """Why a desktop, or a machine, can't be used now."""

    LOCKED = "locked"
    DISCONNECTED = "disconnected"
    """The session goes on without a screen: a remote desktop was closed, nobody is logged on."""
    GONE = "gone"
    """The X server, or whatever makes the desktop, is not there or does not answer."""
    WRONG_SIZE = "wrong_size"
    WRONG_DPI = "wrong_dpi"
    POPUP = "popup"
    """A window in front that is no bot's."""
    BLANK = "blank"
    """One colour from edge to edge: a screen saver, a crashed shell, a session that draws nothing."""
    LOW_DISK = "low_disk"
    LOW_MEMORY = "low_memory"
    CLOCK_OFF = "clock_off"
    APPLICATION_MISSING = "application_missing"
    NO_BROWSER = "no_browser"


class ConditionFault(WireModel):
    """One thing that is wrong, since when, and what a person does about it."""

    code: FaultCode
    message: BotText = Field(max_length=FAULT_TEXT_MAX)
    remedy: BotText = Field(default="", max_length=FAULT_TEXT_MAX)
    since: AwareDatetime
    application: ApplicationName | None = None
    """Which is missing, of the codes that are about one."""


class DesktopState(WireModel):
    """One desktop, as it was found."""

    slot: int = Field(ge=0)
    """Bots in this slot get it, and no others."""
    kind: DesktopKind
    name: BotText = Field(max_length=FAULT_TEXT_MAX)
    """As its system calls it: ``:0``, ``wayland-0``, ``session 2``."""
    is_virtual: bool = False
    """Made by the runner, with nobody before it."""
    width: int | None = Field(default=None, ge=1, le=PIXELS_MAX)
    height: int | None = Field(default=None, ge=1, le=PIXELS_MAX)
    """Pixels; None where they can't be told."""
    dpi: int | None = Field(default=None, ge=1)
    user: BotText = ""
    is_locked: bool | None = None
    faults: Annotated[tuple[ConditionFault, ...], Field(max_length=FAULTS_MAX)] = ()
    """Empty: a bot can use it now."""


class Condition(WireModel):
    """All of it, each time."""

    type: Literal["condition"] = "condition"
    desktops: tuple[DesktopState, ...] = ()
    applications: Annotated[tuple[ApplicationName, ...], Field(max_length=APPLICATIONS_MAX)] = ()
    """Programs that bots may count on: found now, by the names that the administrator gave them; ``browser`` is known
    by itself."""
    faults: Annotated[tuple[ConditionFault, ...], Field(max_length=FAULTS_MAX)] = ()
    """Of the machine: ``low_disk``, ``low_memory`` and ``clock_off`` keep all work away; ``application_missing`` and
    ``no_browser`` only what needs that application."""
