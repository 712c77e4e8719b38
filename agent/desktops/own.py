"""The daemon's own session as a desktop: slot 0's alone, as it is one.

Bots of other slots that did not say what they need inherit it, as programs of a session do; those that need a desktop
run in slot 0, those that need none get nothing of it.
"""

import asyncio
import importlib
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from agent.desktops import look_at_desktop, x11
from agent.desktops.facts import DesktopFacts
from agent.desktops.linux import own_cookie
from agent.desktops.port import Desktop, Desktops, Frame, ScreenUnreachedError
from agent.desktops.x11_picture import take_picture

_GIVEN = ("DISPLAY", "XAUTHORITY", "WAYLAND_DISPLAY")


class OwnDesktop:
    """See `port.Desktop`."""

    slot = 0
    is_virtual = False
    is_there = True
    is_beginning = False

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._session = environment
        self.environment = session_variables(environment)

    async def until_known(self) -> None:
        """It is, as far as anybody here can do something about it."""

    async def look(self) -> DesktopFacts:
        """The session, anew."""
        return await look_at_desktop(self._session)

    async def grab(self) -> Frame:
        """A picture of all its screens."""
        return await asyncio.to_thread(self._grab)

    def _grab(self) -> Frame:
        if sys.platform in {"win32", "darwin"}:
            return _grab_by_library()
        if self._session.get("WAYLAND_DISPLAY"):
            # Xwayland would give a picture: an empty one.
            raise ScreenUnreachedError("a Wayland desktop gives its picture to no other program")
        try:
            display = x11.parse_display(self._session.get("DISPLAY", ""))
        except x11.XUnreached as error:
            raise ScreenUnreachedError(str(error)) from None
        return take_picture(display, own_cookie(display, self._session))


def _grab_by_library() -> Frame:
    """Of Windows and macOS, by `mss`, which the extra [desktop] brings."""
    try:
        library = importlib.import_module("mss")
    except ImportError:
        raise ScreenUnreachedError("pictures of this desktop need mss: pip install botyard[desktop]") from None
    try:
        with library.mss() as screens:
            shot = screens.grab(screens.monitors[0])
            return Frame(width=shot.width, height=shot.height, pixels=bytes(shot.bgra))
    except Exception as error:
        # Each system has its own ways to refuse: locked, no right to look, no session.
        raise ScreenUnreachedError(f"no picture is given: {error}") from error


def session_variables(environment: Mapping[str, str]) -> dict[str, str]:
    """What leads to the session's desktop, for a bot whose HOME is its own."""
    found = {name: environment[name] for name in _GIVEN if environment.get(name)}
    usual = Path(environment.get("HOME", ""), ".Xauthority")
    if "DISPLAY" in found and "XAUTHORITY" not in found and environment.get("HOME") and usual.is_file():
        found["XAUTHORITY"] = str(usual)
    if "WAYLAND_DISPLAY" in found and environment.get("XDG_RUNTIME_DIR"):
        found["XDG_RUNTIME_DIR"] = environment["XDG_RUNTIME_DIR"]
    return found


class OwnDesktops:
    """The session's desktop for slot 0."""

    def __init__(self, environment: Mapping[str, str], leftovers: Desktops) -> None:
        self._desktop = OwnDesktop(environment)
        self._leftovers = leftovers
        """What is there of virtual ones since the settings were others."""
        self.shared: Mapping[str, str] = self._desktop.environment

    def of_slot(self, slot: int) -> Desktop | None:
        """Slot 0's."""
        return self._desktop if slot == 0 else None

    def all(self) -> tuple[Desktop, ...]:
        """The one."""
        return (self._desktop,)

    def hear(self, changed: Callable[[], None]) -> None:
        """A session tells nothing by itself: looking finds it out."""

    async def take_over(self) -> None:
        """It is there already."""
        await self._leftovers.take_over()

    async def keep(self) -> None:
        """Nobody here keeps it; what is left of virtual ones ends with its bots."""
        await self._leftovers.keep()

    def wake(self) -> None:
        """One that is left over may end."""
        self._leftovers.wake()

    async def end(self, *, at_once: bool) -> None:
        """It is its user's."""
        await self._leftovers.end(at_once=at_once)
