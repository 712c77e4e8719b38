"""The real daemon, with two readings of the machine that a test can't spoil otherwise: its wall clock and its memory.

python -m tests.support.fit_daemon HOME FOLDER      FOLDER/clock: seconds ahead; FOLDER/memory: bytes that are left
"""

import asyncio
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from agent.config import load_settings
from agent.daemon import root
from agent.fitness.senses import SystemSenses
from agent.home import Home
from agent.ports import SystemClock, SystemDisk


@dataclass(frozen=True)
class SpoiltClock(SystemClock):
    """Somebody sets the wall clock; the others go on."""

    file: Path

    def now(self) -> datetime:
        """As far off as the file says."""
        return super().now() + timedelta(seconds=_number(self.file) or 0)


@dataclass(frozen=True)
class SpoiltSenses:
    """Other programs take the memory."""

    file: Path

    def memory_bytes(self) -> int | None:
        """What the file says, where there is one."""
        said = _number(self.file)
        return SystemSenses().memory_bytes() if said is None else said

    def programs(self, applications: Mapping[str, str]) -> frozenset[str]:
        """As they are."""
        return SystemSenses().programs(applications)


def _number(file: Path) -> int | None:
    try:
        return int(file.read_text() or 0)
    except OSError:
        return None


def main(home: Path, folder: Path) -> int:
    """Run it until it is asked to stop."""
    settings = load_settings(home, os.environ, {})
    ports = root.Ports(clock=SpoiltClock(folder / "clock"), senses=SpoiltSenses(folder / "memory"))
    return asyncio.run(root.run(Home.lock(home, SystemDisk()), settings, ports))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
