"""What this machine is called in a `robot.yaml`, and what a build asks of it in particular (bot-packages.md §4)."""

import platform
import sys

from agent.wire.starting import PlatformNeeds
from agent.wire.task import Launch

_SYSTEMS = {"linux": "linux", "win32": "windows", "darwin": "darwin"}
_ARM = frozenset({"aarch64", "arm64"})


def this_platform(system: str = sys.platform, machine: str = "") -> str:
    """One of `agent.wire.starting.PLATFORMS`: ``linux_amd64``."""
    is_arm = (machine or platform.machine()).lower() in _ARM
    return f"{_SYSTEMS.get(system, 'linux')}_{'arm64' if is_arm else 'amd64'}"


def needs_here(launch: Launch, where: str = "") -> PlatformNeeds:
    """What the build needs on this platform."""
    where = where or this_platform()
    found = (needs for needs in launch.needs if where in needs.platforms)
    return next(found, PlatformNeeds(platforms=(where,), python=launch.python))
