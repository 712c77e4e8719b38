"""The command line of each kind of build: one function a kind (bot-packages.md §2, §4).

Never a shell in between: a template's placeholder becomes a part of one argument, whatever it holds.
"""

import re
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import assert_never

from agent.builds.bot_environment import scalar_text
from agent.builds.environments import Environment
from agent.builds.programs import powershell
from agent.builds_port import CannotLaunchError, LaunchRequest
from agent.wire.starting import Start
from agent.wire.task import Launch
from agent.wire.words import Kind

_PLACEHOLDER = re.compile(r"\{\{|\}\}|\{([A-Za-z_][A-Za-z0-9_.-]*)\}")
# As the scripts that installers write: the function's answer is the exit code.
_CALL = (
    "import importlib, operator, sys; sys.exit(operator.attrgetter({name!r})(importlib.import_module({module!r}))())"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """Everything that a command line is made of."""

    request: LaunchRequest
    work: Path
    environment: Environment | None
    path: str

    @property
    def launch(self) -> Launch:
        """How the build is started."""
        return self.request.work.build.launch

    @property
    def contract(self) -> tuple[str, ...]:
        """BotCity's four arguments (maestro.md §5)."""
        task = self.request.work.task
        return self.request.server_url, str(task.number), self.request.token, task.workspace


def command_line(scene: Scene) -> tuple[str, ...]:
    """Program and arguments. Raises CannotLaunchError when the machine lacks something, or a template can't be filled.

    A program that lies in the work folder is made executable: archives made on Windows carry no bits.
    """
    launch = scene.launch
    arguments = tuple(_fill(word, scene) for word in launch.args)
    if launch.kind is Kind.ROBOCORP:
        return *_robocorp(scene), *arguments
    if launch.command:
        return _own_command(scene)
    if launch.kind is Kind.ROBOT:
        # Its options come before the suite.
        return *_robot(scene), *arguments, launch.entry
    return *_BY_KIND[launch.kind](scene), *arguments


# --- Python ---


def _environment(scene: Scene) -> Environment:
    if scene.environment is None:
        raise CannotLaunchError("the build's Python environment is not here")
    return scene.environment


def _python(scene: Scene) -> tuple[str, ...]:
    environment, entry = _environment(scene), scene.launch.entry
    python = str(environment.python)
    match scene.launch.start:
        case Start.FILE:
            # `python .` runs a root's __main__.py with the root itself on the import path.
            return python, "." if entry == "__main__.py" else entry
        case Start.MODULE:
            return python, "-m", entry
        case Start.FUNCTION:
            module, _, name = entry.partition(":")
            return python, "-c", _CALL.format(name=name, module=module)
        case Start.COMMAND:
            return (_found(entry, str(environment.scripts)),)
        case _:
            assert_never(scene.launch.start)


def _botcity(scene: Scene) -> tuple[str, ...]:
    return *_python(scene), *scene.contract


def _robot(scene: Scene) -> tuple[str, ...]:
    return str(_environment(scene).python), "-m", "robot", "--outputdir", str(scene.request.folder / "artifacts")


def _robocorp(scene: Scene) -> tuple[str, ...]:
    """The task's own words; its program is looked up on the run's PATH, or lies below the robot's folder."""
    program, *rest = (_fill(word, scene) for word in scene.launch.command)
    own = scene.work / program
    if ("/" in program or "\\" in program) and own.is_file():
        return str(_runnable(own)), *rest
    return _found(program, scene.path), *rest


# --- programs of the machine ---


def _node(scene: Scene) -> tuple[str, ...]:
    if scene.launch.entry != "package.json":
        return _found("node", scene.path), scene.launch.entry
    # Without `--silent`, npm's own lines stand around the bot's output.
    return _found("npm", scene.path), "start", "--silent", "--"


def _java(scene: Scene) -> tuple[str, ...]:
    return _found("java", scene.path), "-jar", scene.launch.entry


def _powershell(scene: Scene) -> tuple[str, ...]:
    found = powershell(scene.path)
    if found is None:
        raise CannotLaunchError("this machine has no PowerShell on its PATH")
    options = ("-NoLogo", "-NoProfile", "-NonInteractive", "-ExecutionPolicy", "Bypass", "-File")
    return found, *options, scene.launch.entry


def _batch(scene: Scene) -> tuple[str, ...]:
    # `/d`: no AutoRun of the machine's; a path with `/` would be read as options.
    return _found("cmd", scene.path), "/d", "/c", scene.launch.entry.replace("/", "\\")


def _shell(scene: Scene) -> tuple[str, ...]:
    entry = scene.work / scene.launch.entry
    with entry.open("rb") as file:
        first_line = file.readline(256)
    if first_line.startswith(b"#!") and entry.stat().st_mode & 0o100 and sys.platform != "win32":
        return (str(entry),)
    shell = "bash" if b"bash" in first_line else "sh"
    return _found(shell, scene.path), scene.launch.entry


def _runnable(program: Path) -> Path:
    program.chmod(0o700)
    return program


def _executable(scene: Scene) -> tuple[str, ...]:
    return (str(_runnable(scene.work / scene.launch.entry)),)


def _own_command(scene: Scene) -> tuple[str, ...]:
    """A command line of the deployment's own, in BotCity's words and ours; the first word is a file or a program."""
    program, *rest = (_fill(word, scene, path=str(scene.work)) for word in scene.launch.command)
    own = scene.work / program
    if own.is_file():
        return str(_runnable(own)), *rest
    return _found(program, scene.path), *rest


def _found(program: str, path: str) -> str:
    found = shutil.which(program, path=path or None)
    if found is None:
        raise CannotLaunchError(f"this machine has no {program!r} on its PATH")
    return found


# --- templates ---


def _fill(word: str, scene: Scene, **more: str) -> str:
    """Put values into one word. A parameter that is not given is empty; a secret one never goes in (S11).

    BotCity's words stand for its contract's arguments (maestro.md §5): whoever writes them asks for the token.
    """
    work = scene.request.work
    names = ("maestro_server", "maestro_taskid", "maestro_token", "maestro_organization")
    words = {**dict(zip(names, scene.contract, strict=True)), **more}

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


_BY_KIND: Mapping[Kind, Callable[[Scene], tuple[str, ...]]] = {
    Kind.ROBOCORP: _robocorp,
    Kind.BOTCITY: _botcity,
    Kind.PROJECT: _python,
    Kind.ROBOT: _robot,
    Kind.SCRIPT: _python,
    Kind.PYTHON: _python,
    Kind.NODE: _node,
    Kind.JAVA: _java,
    Kind.POWERSHELL: _powershell,
    Kind.BATCH: _batch,
    Kind.SHELL: _shell,
    Kind.EXECUTABLE: _executable,
}
"""The kind's own command line, before the arguments of the deployment."""
