"""From a build, a task and a work folder to what a shim execs: command line, variables, folders.

The rules are those of bot-packages.md §6.
"""

import json
import os
import shlex
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from agent.builds.bot_environment import (
    account_variables,
    folder_variables,
    inherited,
    parameter_variables,
    python_variables,
    robot_variables,
    write_parameters,
)
from agent.builds.command_lines import Scene, command_line
from agent.builds.environments import Environment
from agent.builds.platforms import this_platform
from agent.builds_port import CannotLaunchError, LaunchPlan, LaunchRequest
from agent.mode import Mode
from agent.wire.starting import MACHINES, SYSTEMS
from agent.wire.task import Launch
from agent.wire.words import Kind

IN_BOTS = Path(__file__).resolve().parent.parent / "in_bots"
STEPS = IN_BOTS / "steps.py"
ROBOT_LISTENER = IN_BOTS / "robot_listener.py"
_ROBOTS = frozenset({Kind.ROBOT, Kind.ROBOCORP})


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What a launch takes from the machine: the daemon's mode, its variables, and where people look at tasks."""

    mode: Mode
    variables: Mapping[str, str]
    hub_url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Equipment:
    """What was prepared for a build besides its tree; None where it needs none."""

    environment: Environment | None = None
    node_modules: Path | None = None


def plan(request: LaunchRequest, equipment: Equipment, machine: Machine) -> LaunchPlan:
    """What to exec for this request; its work folder is at `folder/work` already. Writes the parameters' file.

    Raises CannotLaunchError when this machine lacks the program, or a template can't be filled; OSError.
    """
    folder, launch = request.folder, request.work.build.launch
    work = folder / "work"
    env = _variables(request, equipment.environment, machine)
    scene = Scene(request=request, work=work, environment=equipment.environment, path=env.get("PATH", ""))
    argv = _after_steps(launch, command_line(scene))
    if equipment.node_modules is not None and not (work / "node_modules").exists():
        _bring_modules(equipment.node_modules, work / "node_modules")
    write_parameters(folder, request.work)
    artifacts = [folder / "artifacts"]
    if launch.artifacts:
        (work / launch.artifacts).mkdir(parents=True, exist_ok=True)
        artifacts.append(work / launch.artifacts)
    return LaunchPlan(
        argv=argv,
        env=env,
        cwd=work,
        artifacts=tuple(artifacts),
        result=Path(env["BOTYARD_RESULT"]),
    )


def _after_steps(launch: Launch, argv: tuple[str, ...]) -> tuple[str, ...]:
    """The command line, behind the scripts that this platform runs before it (bot-packages.md §4)."""
    lines = [line for line in launch.before if _is_for(line, this_platform())]
    try:
        steps = [shlex.split(line) for line in lines]
    except ValueError as error:
        raise CannotLaunchError(f"preRunScripts: {error}") from None
    if not any(steps):
        return argv
    return sys.executable, "-I", str(STEPS), json.dumps([*filter(None, steps), argv])


def _is_for(line: str, platform: str) -> bool:
    """Whether a script is for this platform: by the systems and machines that its line mentions."""
    system, machine = platform.split("_")
    for known, own in ((SYSTEMS, system), (MACHINES, machine)):
        mentioned = [word for word in known if word in line.lower()]
        if mentioned and own not in mentioned:
            return False
    return True


def _bring_modules(prepared: Path, target: Path) -> None:
    try:
        target.symlink_to(prepared, target_is_directory=True)
    except OSError:
        # Windows gives links to few users.
        shutil.copytree(prepared, target, symlinks=True)


def _variables(request: LaunchRequest, environment: Environment | None, machine: Machine) -> dict[str, str]:
    work = request.work
    env = inherited(machine.mode, machine.variables)
    if environment is not None:
        env |= python_variables(environment.root, environment.scripts, env.get("PATH", ""))
    env |= parameter_variables(work.task.parameters, frozenset(work.secret_parameters))
    env |= account_variables(work.accounts)
    env |= folder_variables(request.folder, machine.mode)
    env |= request.desktop
    env |= _folders_of_build(request.folder / "work", work.build.launch, env)
    if work.build.launch.kind in _ROBOTS:
        env |= robot_variables(ROBOT_LISTENER, env)
    return env | {
        "BOTYARD_TASK_ID": request.task_id,
        "BOTYARD_EXECUTION_ID": request.execution_id,
        "BOTYARD_WORKSPACE": work.task.workspace,
        "BOTYARD_TASK_URL": f"{machine.hub_url.rstrip('/')}/tasks/{request.task_id}",
        "BOTYARD_API_URL": request.api_url,
        "BOTYARD_API_TOKEN": request.token,
    }


def _folders_of_build(work: Path, launch: Launch, env: Mapping[str, str]) -> dict[str, str]:
    """Folders of the build on the paths of its kind, absolute; and where a Robocorp robot finds itself."""
    variables: dict[str, str] = {}
    if launch.path:
        front = [str(work / folder) for folder in launch.path]
        variables["PATH"] = os.pathsep.join([*front, env.get("PATH", "")])
    if launch.python_path:
        variables["PYTHONPATH"] = os.pathsep.join(str(work / folder) for folder in launch.python_path)
    if launch.kind is Kind.ROBOCORP:
        variables |= {"ROBOT_ROOT": str(work), "ROBOT_ARTIFACTS": str(work / launch.artifacts)}
    if launch.kind is Kind.NODE:
        variables["NO_UPDATE_NOTIFIER"] = "1"
    return variables
