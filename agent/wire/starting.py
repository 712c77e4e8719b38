"""How the start of a build is meant, beyond a file and its arguments (`bot-packages.md` §2.1, §4).

Found in the hub when a build is deployed, carried out by runners.
"""

from enum import StrEnum

from pydantic import BaseModel, ConfigDict

SYSTEMS = ("linux", "windows", "darwin")
MACHINES = ("amd64", "arm64")
PLATFORMS = tuple(f"{system}_{machine}" for system in SYSTEMS for machine in MACHINES)
"""The machines that a `robot.yaml` can tell apart; a runner knows itself by one of these words."""


class Start(StrEnum):
    """What a launch's ``entry`` names."""

    FILE = "file"
    MODULE = "module"
    """``python -m entry``."""
    FUNCTION = "function"
    """``module:function``; what it returns is the exit code, as for a project's script."""
    COMMAND = "command"
    """A command that the environment's own packages bring."""


class PlatformNeeds(BaseModel):
    """What a build asks of the machines on these `PLATFORMS`, where not all are asked for the same (§4)."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    platforms: tuple[str, ...]
    config: str = ""
    """The file that says so; empty where none fits: then the machine's own ``PATH`` is all."""
    python: str = ""
    """As ``Launch.python``."""
    programs: tuple[str, ...] = ()
    """Programs that the machine must have, each with its version where one is named: ``nodejs=18``."""
    impossible: tuple[str, ...] = ()
    """Packages that only conda could bring: such a machine can't prepare the build."""
    run_once: tuple[str, ...] = ()
    """Commands that complete a new environment, one line each."""
