"""Linux: an X server by its own handshake, Wayland by its socket, lock and sleep by logind and the kernel."""

import os
import platform
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from agent.desktops import x11
from agent.desktops.facts import DesktopFacts, PowerFacts
from agent.desktops.logind import SessionFacts, look_at_session
from agent.desktops.x11_windows import XLook
from agent.ports.readings import Readings
from agent.ports.tools import RunTool, ToolCommand, run_tool

_TOOL_S = 3.0
_AUTHORITY_MAX_BYTES = 1024 * 1024
_POWER_STATE = Path("/sys/power/state")
_COOKIES = Readings("cookies")
"""They lie in homes, which may be on a file system that hangs."""
_SLEEPS = frozenset({"mem", "disk", "standby", "freeze"})


async def look_at_desktop(
    environment: Mapping[str, str], tool: RunTool = run_tool, *, is_virtual: bool = False
) -> DesktopFacts:
    """What ``DISPLAY`` names, else ``WAYLAND_DISPLAY``; a virtual one is in no session to lock."""
    del tool
    session = SessionFacts(is_locked=False) if is_virtual else await look_at_session(environment)
    name = environment.get("DISPLAY", "")
    if name:
        return await _look_at_x(name, environment, session, is_virtual=is_virtual)
    wayland = environment.get("WAYLAND_DISPLAY", "")
    if not wayland:
        return DesktopFacts(kind="none", problem="neither DISPLAY nor WAYLAND_DISPLAY is set here")
    place = Path(environment.get("XDG_RUNTIME_DIR", ""), wayland)
    if not place.is_socket():
        remedy = "log the runner's user in, or mend WAYLAND_DISPLAY and XDG_RUNTIME_DIR"
        return DesktopFacts(kind="wayland", name=wayland, problem="there is no such socket", remedy=remedy)
    return DesktopFacts(
        kind="wayland",
        name=wayland,
        no_size="a Wayland desktop without Xwayland does not tell its size",
        is_locked=session.is_locked,
        no_lock=session.no_lock,
        is_disconnected=session.is_disconnected,
    )


async def _look_at_x(
    name: str, environment: Mapping[str, str], session: SessionFacts, *, is_virtual: bool
) -> DesktopFacts:
    try:
        display = x11.parse_display(name)
        cookie = await _COOKIES.read(lambda: own_cookie(display, environment))
        async with x11.talk(display, cookie) as (screen, reader, writer):
            seen = await XLook(screen, reader, writer).look(is_virtual=is_virtual)
    except x11.XUnreached as error:
        remedy = "start the X server, or mend DISPLAY and XAUTHORITY of the runner's user"
        no_size = "the desktop is not reached"
        return DesktopFacts(kind="x11", name=name, problem=str(error), remedy=remedy, no_size=no_size)
    return DesktopFacts(
        kind="x11",
        name=name,
        width=screen.width,
        height=screen.height,
        dpi=seen.dpi,
        is_locked=session.is_locked,
        no_lock=session.no_lock,
        is_disconnected=session.is_disconnected,
        in_front=seen.in_front,
        is_blank=seen.is_blank,
    )


def own_cookie(display: x11.Display, environment: Mapping[str, str]) -> bytes:
    """What a program with these variables proves itself with; empty where it has nothing. Blocks."""
    file = Path(environment.get("XAUTHORITY") or Path(environment.get("HOME", ""), ".Xauthority"))
    return x11.find_cookie(_read(file), display, platform.node())


def _read(file: Path) -> bytes:
    try:
        with file.open("rb") as opened:
            return opened.read(_AUTHORITY_MAX_BYTES)
    except OSError:
        return b""  # a server without access control lets everybody in; another says that it does not


async def look_at_power(environment: Mapping[str, str], tool: RunTool = run_tool) -> PowerFacts:
    """What the kernel can, what systemd has switched off, what logind does with an idle machine."""
    on_battery = _on_battery()
    try:
        can_sleep = bool(_SLEEPS & set(_POWER_STATE.read_text("ascii", "replace").split()))
    except FileNotFoundError:
        can_sleep = False  # a kernel without it does not sleep
    except OSError:
        return PowerFacts(on_battery=on_battery)
    if can_sleep and await _ask(tool, environment, "systemctl", "is-enabled", "sleep.target") == "masked":
        can_sleep = False
    return PowerFacts(
        can_sleep=can_sleep,
        on_battery=on_battery,
        why_unknown="it can sleep; whether it does by itself is not known (mask sleep.target to be sure)",
    )


def _on_battery() -> bool | None:
    import psutil

    if sys.platform != "linux":
        return None
    battery = psutil.sensors_battery()
    return None if battery is None else battery.power_plugged is False


async def _ask(tool: RunTool, environment: Mapping[str, str], program: str, *words: str) -> str:
    """What a program prints; empty where it is not there, fails to start or takes too long."""
    found = shutil.which(program)
    if found is None:
        return ""
    env = {name: environment[name] for name in ("PATH", "DBUS_SYSTEM_BUS_ADDRESS") if name in environment}
    command = ToolCommand(argv=(found, *words), env=env, cwd=Path(os.sep), timeout_s=_TOOL_S)
    try:
        return (await tool(command)).output.strip()
    except OSError:
        return ""
