"""`botyard-agent run --check-config`: what is in force, where each value comes from, and every fault at once."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.config import current_environment, find_settings
from agent.config_shown import faults_beyond, home_source, in_force, text_of
from agent.errors import EXIT_ASKED, EXIT_SETUP, SetupError
from agent.ports import SystemDisk

if TYPE_CHECKING:
    from agent.home import Membership


def check_config(home: Path, argument: str | None, options: Mapping[str, Any]) -> int:
    """Print the settings, change nothing; 78 where a daemon would not start with them."""
    environment = current_environment()
    found, membership = find_settings(home, environment, options), _membership(home)
    print(text_of(in_force(home, home_source(argument, environment), found, membership), found.notes))
    faults = [*found.faults, *faults_beyond(home, found, membership)]
    for fault in faults:
        print(f"botyard-agent: {fault}", file=sys.stderr)
    return EXIT_SETUP if faults else EXIT_ASKED


def faults_of_service(home: Path) -> list[str]:
    """Why a service of this home would end with 78 as soon as it is started. This shell's variables are not its own."""
    found, membership = find_settings(home, {}, {}), _membership(home)
    return [*found.faults, *faults_beyond(home, found, membership)]


def _membership(home: Path) -> "Membership | None":
    from agent.home import read_membership

    try:
        return read_membership(home, SystemDisk())
    except (SetupError, OSError):
        return None  # a home that is no runner yet, or not readable, has settings all the same
