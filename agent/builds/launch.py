"""From a build, a task and a work folder to what a shim execs: one function for each kind of package.

Never a shell in between: a template's placeholder becomes a part of one argument, whatever it holds.
"""

import re
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import assert_never

from agent.builds.bot_environment import (
    Mode,
    folder_variables,
    inherited,
    parameter_variables,
    python_variables,
    scalar_text,
    write_parameters,
)
from agent.builds.environments import Environment
from agent.builds_port import CannotLaunchError, LaunchPlan, LaunchRequest
from agent.wire.task import Launch
from agent.wire.words import Kind

_PLACEHOLDER = re.compile(r"\{\{|\}\}|\{([A-Za-z_][A-Za-z0-9_.-]*)\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What a launch takes from the machine: the daemon's mode, its variables, and where people look at tasks."""

    mode: Mode
    variables: Mapping[str, str]
    hub_url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scene:
    """Everything that a command line is made of."""

    request: LaunchRequest
    work: Path
    environment: Environment | None
    path: str

    @property
    def launch(self) -> Launch:
        return self.request.work.build.launch

    @property
    def contract(self) -> tuple[str, ...]:
        """BotCity's four arguments (maestro.md §5)."""
        task = self.request.work.task
        return self.request.server_url, str(task.number), self.request.token, task.workspace


def plan(request: LaunchRequest, environment: Environment | None, machine: Machine) -> LaunchPlan:
    """What to exec for this request; its work folder is at `folder/work` already. Writes the parameters' file.

    Raises CannotLaunchError when this machine lacks the program, or a template can't be filled.
    """
    folder, launch = request.folder, request.work.build.launch
    env = _variables(request, environment, machine)
    scene = _Scene(request=request, work=folder / "work", environment=environment, path=env.get("PATH", ""))
    argv = _own_command(scene) if launch.command else (*_command(scene), *_arguments(scene, launch.args))
    write_parameters(folder, request.work)
    artifacts = [folder / "artifacts"]
    if launch.artifacts:
        artifacts.append(scene.work / launch.artifacts)
    return LaunchPlan(
        argv=argv, env=env, cwd=scene.work, artifacts=tuple(artifacts), result=Path(env["BOTYARD_RESULT"])
    )


def _variables(request: LaunchRequest, environment: Environment | None, machine: Machine) -> dict[str, str]:
    work = request.work
    env = inherited(machine.mode, machine.variables)
    if environment is not None:
        env |= python_variables(environment.root, environment.scripts, env.get("PATH", ""))
    env |= parameter_variables(work.task.parameters, frozenset(work.secret_parameters))
    env |= folder_variables(request.folder, machine.mode)
    return env | {
        "BOTYARD_TASK_ID": request.task_id,
        "BOTYARD_EXECUTION_ID": request.execution_id,
        "BOTYARD_WORKSPACE": work.task.workspace,
        "BOTYARD_TASK_URL": f"{machine.hub_url.rstrip('/')}/tasks/{request.task_id}",
        "BOTYARD_API_URL": request.api_url,
        "BOTYARD_API_TOKEN": request.token,
    }


def _command(scene: _Scene) -> tuple[str, ...]:
    match scene.launch.kind:
        case Kind.BOTCITY:
            return *_python(scene), *scene.contract
        case Kind.PYTHON:
            return _python(scene)
        case Kind.SHELL:
            return _shell(scene)
        case Kind.EXECUTABLE:
            return (str(_runnable(scene)),)
        case _:
            assert_never(scene.launch.kind)


def _python(scene: _Scene) -> tuple[str, ...]:
    if scene.environment is None:
        raise CannotLaunchError("the build's Python environment is not here")
    # `python .` runs a root's __main__.py with the root itself on the import path.
    entry = "." if scene.launch.entry == "__main__.py" else scene.launch.entry
    return str(scene.environment.python), entry


def _shell(scene: _Scene) -> tuple[str, ...]:
    entry = scene.work / scene.launch.entry
    with entry.open("rb") as file:
        first_line = file.readline(256)
    if first_line.startswith(b"#!") and entry.stat().st_mode & 0o100 and sys.platform != "win32":
        return (str(entry),)
    shell = "bash" if b"bash" in first_line else "sh"
    return _found(shell, scene.path), scene.launch.entry


def _runnable(scene: _Scene) -> Path:
    entry = scene.work / scene.launch.entry
    # Archives made on Windows carry no bits; whoever named the entry said that it is a program.
    entry.chmod(0o700)
    return entry


def _own_command(scene: _Scene) -> tuple[str, ...]:
    """A command line of the deployment's own, in BotCity's words and ours; the first word is a file or a program."""
    server, number, token, organization = scene.contract
    words = {
        "path": str(scene.work),
        "maestro_server": server,
        "maestro_taskid": number,
        "maestro_token": token,
        "maestro_organization": organization,
    }
    program, *rest = (_fill(word, scene, words) for word in scene.launch.command)
    own = scene.work / program
    if own.is_file():
        own.chmod(0o700)
        return str(own), *rest
    return _found(program, scene.path), *rest


def _arguments(scene: _Scene, template: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(_fill(word, scene, {}) for word in template)


def _fill(word: str, scene: _Scene, words: Mapping[str, str]) -> str:
    """Put values into one word. A parameter that is not given is empty; a secret one never goes in (S11)."""
    work = scene.request.work

    def value(name: str) -> str:
        if name in words:
            return words[name]
        if name in work.secret_parameters:
            raise CannotLaunchError(f"parameter {name} is secret and can't be an argument; read it from the task")
        text = scalar_text(work.task.parameters.get(name))
        return (text or "").replace("\0", "")

    return _PLACEHOLDER.sub(_replacement(value), word)


def _replacement(value: Callable[[str], str]) -> Callable[[re.Match[str]], str]:
    return lambda found: value(found.group(1)) if found.group(1) else found.group()[0]


def _found(program: str, path: str) -> str:
    found = shutil.which(program, path=path or None)
    if found is None:
        raise CannotLaunchError(f"this machine has no {program!r} on its PATH")
    return found
