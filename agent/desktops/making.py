"""The desktops of this machine, as the settings say: the one place that knows which system this is."""

import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from agent.cgroups.choice import Hierarchies
from agent.config import Settings
from agent.desktops.choice import Host, VirtualPlan, choose
from agent.desktops.nothing import NoDesktops
from agent.desktops.own import OwnDesktops
from agent.desktops.port import Desktops
from agent.errors import SetupError
from agent.ports.files import Disk


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What desktops stand on."""

    home: Path
    disk: Disk
    hierarchies: Hierarchies
    count: int
    """Of the slots."""
    has_bot: Callable[[int], bool]
    """Whether a bot runs in a slot now."""
    is_taken: Callable[[int], bool]
    """The same, and whether an order is on its way there."""


def host_here(home: Path) -> Host:
    """This machine, as the choice sees it."""
    import psutil

    return Host(
        platform=sys.platform,
        environment=os.environ,
        home=str(home),
        which=shutil.which,
        memory_bytes=psutil.virtual_memory().total,
    )


def make_desktops(settings: Settings, ground: Ground) -> Desktops:
    """Those that the slots get. Raises SetupError with everything that is wrong with what was asked for. Blocks."""
    choice = choose(settings, ground.count, host_here(ground.home))
    if choice.faults:
        raise SetupError("; ".join(choice.faults))
    kept: Desktops = NoDesktops()
    if sys.platform == "linux":
        from agent.desktops.records import Records
        from agent.desktops.virtual import SlotsSeen, VirtualDesktops

        records = Records(ground.home, ground.disk)
        if choice.virtual is not None or records.folder.exists():
            # Without a plan: the settings were others once, and what was made then is ended when no bot has it.
            seen = SlotsSeen(has_bot=ground.has_bot, is_taken=ground.is_taken)
            kept = VirtualDesktops(choice.virtual or VirtualPlan(count=0), records, ground.hierarchies, seen)
    return OwnDesktops(os.environ, kept) if choice.kind == "own" else kept
