"""The machine as far as the doctor touches it; tests give it another one."""

import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agent.daemon.control import ask
from agent.desktops import DesktopFacts, PowerFacts, look_at_desktop, look_at_power
from agent.desktops.choice import VirtualPlan
from agent.desktops.trying import try_one
from agent.fitness.senses import Senses, SystemSenses
from agent.link import Dial, dial
from agent.machine import Machine, SystemMachine
from agent.ports import Clock, Disk, SystemClock, SystemDisk
from agent.ports.tools import RunTool, run_tool
from agent.ports.uv import find_uv


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """Each is the system's own unless a test says otherwise."""

    clock: Clock = field(default_factory=SystemClock)
    disk: Disk = field(default_factory=SystemDisk)
    machine: Machine = field(default_factory=SystemMachine)
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)
    tool: RunTool = run_tool
    find_uv: Callable[[], Path | None] = find_uv
    dial: Dial = dial
    ask: Callable[[Path, str], Awaitable[dict[str, Any]]] = ask
    desktop: Callable[[Mapping[str, str], RunTool], Awaitable[DesktopFacts]] = look_at_desktop
    senses: Senses = field(default_factory=SystemSenses)
    virtual: Callable[[VirtualPlan, Disk], Awaitable[DesktopFacts]] = try_one
    power: Callable[[Mapping[str, str], RunTool], Awaitable[PowerFacts]] = look_at_power
