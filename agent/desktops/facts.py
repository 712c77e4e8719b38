"""What is known of a desktop and of sleep, the same words on every system."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from agent.wire.condition import DPI_MAX, FAULT_TEXT_MAX, PIXELS_MAX


@dataclass(frozen=True, slots=True, kw_only=True)
class DesktopFacts:
    """One desktop, or why there is none."""

    kind: Literal["x11", "wayland", "windows", "macos", "none", "unknown"]
    name: str = ""
    """As its system calls it: ``:0``, ``wayland-0``, ``session 2``."""
    problem: str = ""
    """Why it is not reached, is not there, or is not known."""
    remedy: str = ""
    width: int | None = None
    height: int | None = None
    """Pixels; None where they can't be told."""
    dpi: int | None = None
    """96 is a scale of 100 %; None where the system has no such number."""
    no_size: str = ""
    """Why the size is not known."""
    is_locked: bool | None = None
    no_lock: str = ""
    """Why that is not known."""
    is_disconnected: bool | None = None
    """The session goes on without a screen: a remote desktop was closed, another user is at the console."""
    in_front: str = ""
    """Name of a window in front that would be in a bot's way; worth something only while no bot runs there."""
    is_blank: bool = False
    """It has windows, and shows one colour from edge to edge."""

    @property
    def is_known(self) -> bool:
        """Whether there is a desktop of which it is told what it is."""
        return self.kind not in {"none", "unknown"}

    def bounded(self) -> "DesktopFacts":
        """As it can be told: a number that no desktop has is none. Each program of a session may set some of them."""
        facts = replace(self, name=self.name[:FAULT_TEXT_MAX])
        if not _is_within(self.dpi, DPI_MAX):
            facts = replace(facts, dpi=None)
        if not (_is_within(self.width, PIXELS_MAX) and _is_within(self.height, PIXELS_MAX)):
            why = f"{self.width}x{self.height} is more than can be told"
            facts = replace(facts, width=None, height=None, no_size=why)
        return facts


def _is_within(number: int | None, most: int) -> bool:
    return number is None or 1 <= number <= most


def presumed(environment: Mapping[str, str], platform: str, problem: str) -> DesktopFacts:
    """A desktop that never answered, by what leads to it; of kind "none" where nothing does."""
    if environment.get("DISPLAY"):
        return DesktopFacts(kind="x11", name=environment["DISPLAY"], problem=problem)
    if environment.get("WAYLAND_DISPLAY"):
        return DesktopFacts(kind="wayland", name=environment["WAYLAND_DISPLAY"], problem=problem)
    if platform == "win32":
        return DesktopFacts(kind="windows", name="session", problem=problem)
    if platform == "darwin":
        return DesktopFacts(kind="macos", name="session", problem=problem)
    return DesktopFacts(kind="none", problem=problem)


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerFacts:
    """Whether the machine sleeps, and when."""

    can_sleep: bool | None = None
    sleeps_after_s: int | None = None
    """0: never by itself; None: not known."""
    on_battery: bool | None = None
    why_unknown: str = ""
