"""macOS, by what its own programs print (unseen: written from their manuals, run by nobody yet)."""

import json
import plistlib
import re
from collections.abc import Mapping
from pathlib import Path

from agent.desktops.facts import DesktopFacts, PowerFacts
from agent.ports.tools import RunTool, ToolCommand, run_tool

_TOOL_S = 10.0
_IOREG = ("/usr/sbin/ioreg", "-n", "Root", "-d1", "-a")
_PROFILER = ("/usr/sbin/system_profiler", "SPDisplaysDataType", "-json")
_PMSET, _PMSET_SOURCE = ("/usr/bin/pmset", "-g"), ("/usr/bin/pmset", "-g", "ps")
_SIZE = re.compile(r"(\d+) x (\d+)")
_SLEEP = re.compile(r"^\s*sleep\s+(\d+)", re.MULTILINE)


async def look_at_desktop(environment: Mapping[str, str], tool: RunTool = run_tool) -> DesktopFacts:
    """The console's session: who is logged on there, its main display, its lock screen."""
    user, locked = session_of(await _ask(tool, environment, _IOREG))
    if user is None:
        return DesktopFacts(kind="unknown", problem="ioreg does not tell who is at the console")
    if not user:
        return DesktopFacts(kind="none", problem="nobody is logged on at the console")
    size = size_of(await _ask(tool, environment, _PROFILER))
    width, height = size or (None, None)
    no_size = "" if size else "system_profiler does not tell it"
    return DesktopFacts(kind="macos", name=f"of {user}", width=width, height=height, no_size=no_size, is_locked=locked)


async def look_at_power(environment: Mapping[str, str], tool: RunTool = run_tool) -> PowerFacts:
    """The settings in force, and what it is fed by."""
    return power_of(await _ask(tool, environment, _PMSET), await _ask(tool, environment, _PMSET_SOURCE))


def session_of(text: str) -> tuple[str | None, bool | None]:
    """User at the console (empty: nobody; None: not told) and whether it is locked, of ``ioreg -n Root -d1 -a``."""
    try:
        root = plistlib.loads(text.encode())
    except (ValueError, plistlib.InvalidFileException):
        return None, None
    users = root.get("IOConsoleUsers") if isinstance(root, dict) else None
    if not isinstance(users, list):
        return None, None
    there = [one for one in users if isinstance(one, dict) and one.get("kCGSSessionOnConsoleKey")]
    if not there:
        return "", None
    is_locked = bool(there[0].get("CGSSessionScreenIsLocked")) or bool(root.get("IOConsoleLocked"))
    return str(there[0].get("kCGSSessionUserNameKey", "")), is_locked


def size_of(text: str) -> tuple[int, int] | None:
    """The main display's points, of ``system_profiler SPDisplaysDataType -json``."""
    try:
        cards = json.loads(text)["SPDisplaysDataType"]
        displays = [display for card in cards for display in card.get("spdisplays_ndrvs", ())]
        main = sorted(displays, key=lambda one: one.get("spdisplays_main") != "spdisplays_yes")
        found = _SIZE.search(str(main[0]["_spdisplays_resolution"]))
    except (ValueError, KeyError, TypeError, AttributeError, IndexError):
        return None
    return (int(found[1]), int(found[2])) if found else None


def power_of(settings: str, source: str) -> PowerFacts:
    """Of ``pmset -g`` and ``pmset -g ps``."""
    found = _SLEEP.search(settings)
    on_battery = "Battery Power" in source if "drawing from" in source else None
    return PowerFacts(
        sleeps_after_s=int(found[1]) * 60 if found else None,
        on_battery=on_battery,
        why_unknown="" if found else "pmset does not tell when it sleeps",
    )


async def _ask(tool: RunTool, environment: Mapping[str, str], argv: tuple[str, ...]) -> str:
    env = {name: environment[name] for name in ("PATH", "HOME") if name in environment}
    try:
        return (await tool(ToolCommand(argv=argv, env=env, cwd=Path("/"), timeout_s=_TOOL_S))).output
    except OSError:
        return ""
