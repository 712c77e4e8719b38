"""Virtual desktops in a test's home: what is needed is there or the test is skipped, and nothing is left behind."""

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from agent.cgroups.choice import Hierarchies
from agent.desktops.choice import VirtualPlan
from agent.desktops.records import Record, Records, end_all
from agent.desktops.virtual import SlotsSeen, VirtualDesktops
from agent.ports import SystemDisk

SIZE = (1024, 768)


def need_programs(*names: str) -> None:
    """Skip the test where one is missing."""
    missing = [name for name in names if shutil.which(name) is None]
    if sys.platform != "linux" or missing:
        pytest.skip(f"virtual desktops need Linux and {', '.join(missing or names)}")


def plan_of(count: int, program: str = "Xvnc", *, manager: bool = False) -> VirtualPlan:
    """Small ones, as pictures cost time."""
    return VirtualPlan(
        count=count,
        width=SIZE[0],
        height=SIZE[1],
        server="xvfb" if program == "Xvfb" else "xvnc",
        program=shutil.which(program) or "",
        window_manager=(shutil.which("openbox") or "") if manager else "",
    )


class Bots:
    """Which slots have a bot, as a daemon would know it."""

    def __init__(self) -> None:
        self.slots: set[int] = set()

    def seen(self) -> SlotsSeen:
        """For desktops."""
        return SlotsSeen(has_bot=self.slots.__contains__, is_taken=self.slots.__contains__)


def desktops_of(home: Path, plan: VirtualPlan, bots: Bots | None = None) -> VirtualDesktops:
    """Of a home, as a daemon makes them."""
    return VirtualDesktops(plan, Records(home, SystemDisk()), Hierarchies(), (bots or Bots()).seen())


def records_of(home: Path) -> list[Record]:
    """What is written down of them."""
    return Records(home, SystemDisk()).read()


def processes_of(home: Path) -> list[psutil.Process]:
    """Servers and window managers of a home that live."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            is_ours = process.environ().get("HOME") == str(home / "desktops")
            if is_ours and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


@contextmanager
def nothing_left(home: Path) -> Iterator[None]:
    """End what the test left, whatever happened."""
    try:
        yield
    finally:
        end_all(home, SystemDisk())
