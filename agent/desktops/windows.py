"""Windows: what a few calls answer, read as facts (the calls themselves: `windows_calls`)."""

from typing import Protocol

from agent.desktops.facts import DesktopFacts, PowerFacts

INPUT_DESKTOP = "Default"
"""The desktop that gets the input while nobody has locked it (`packaging.md` §5)."""


class Calls(Protocol):
    """The port to user32, kernel32 and powrprof. Nothing of it raises; None is "does not tell"."""

    def session(self) -> int | None:
        """Number of the session of this process; 0 is the services'."""
        ...

    def is_connected(self) -> bool | None:
        """Whether a screen shows the session of this process."""
        ...

    def input_desktop(self) -> str | None:
        """Name of the desktop that has the input; None where this process may not open it: it is locked."""
        ...

    def screen(self) -> tuple[int, int, int] | None:
        """Width and height in pixels, and DPI of the main monitor."""
        ...

    def sleeps_after_s(self) -> int | None:
        """Of the power plan in force, on mains; 0: never."""
        ...

    def on_battery(self) -> bool | None:
        """Whether it is fed by its battery now."""
        ...


def desktop_of(calls: Calls) -> DesktopFacts:
    """Session 0 has none; elsewhere the input desktop says whether it is locked."""
    session = calls.session()
    if session is None:
        return DesktopFacts(kind="unknown", problem="the system does not tell this process's session")
    if session == 0:
        return DesktopFacts(
            kind="none", problem="this process stands in session 0, the services', which has no desktop"
        )
    name, is_connected = calls.input_desktop(), calls.is_connected()
    size = calls.screen()
    width, height, dpi = size or (None, None, None)
    return DesktopFacts(
        kind="windows",
        name=f"session {session}",
        width=width,
        height=height,
        dpi=dpi,
        no_size="" if size else "the system does not tell it",
        is_locked=name != INPUT_DESKTOP,
        is_disconnected=None if is_connected is None else not is_connected,
    )


def power_of(calls: Calls) -> PowerFacts:
    """The power plan in force."""
    after_s = calls.sleeps_after_s()
    return PowerFacts(
        sleeps_after_s=after_s,
        on_battery=calls.on_battery(),
        why_unknown="" if after_s is not None else "the power plan does not tell when it sleeps",
    )
