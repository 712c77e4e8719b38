"""Robocorp robots: `robot.yaml`, its tasks and its environments (bot-packages.md §4)."""

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agent.wire.paths import UnsafePathError, check_path
from agent.wire.starting import PLATFORMS, PlatformNeeds
from agent.wire.words import Kind
from hub.domain.kinds.conda import CondaNeeds, read_config
from hub.domain.kinds.package import Package, PackageError, Plan, Rule, texts
from hub.domain.kinds.yaml_text import read_yaml
from hub.domain.package_options import PackageOptions
from hub.domain.python_versions import ANY_PYTHON, PythonChoice, choose, lowest
from hub.domain.requirements import Requirements, check_lines

FILE = "robot.yaml"
_WAYS = ("shell", "command", "robotTaskName")
_SYSTEM = re.compile(r"windows|linux|darwin")
_MACHINE = re.compile(r"amd64|arm64")
_MARKERS = {
    "linux": "sys_platform == 'linux'",
    "windows": "sys_platform == 'win32'",
    "darwin": "sys_platform == 'darwin'",
    "amd64": "(platform_machine == 'x86_64' or platform_machine == 'AMD64')",
    "arm64": "(platform_machine == 'aarch64' or platform_machine == 'arm64' or platform_machine == 'ARM64')",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Group:
    """Platforms that share one environment file, or none."""

    config: str
    platforms: tuple[str, ...]
    needs: CondaNeeds | None
    python: PythonChoice | None


def _tasks(package: Package) -> tuple[str, ...] | None:
    if not package.has(FILE):
        return None
    return tuple(_task_table(read_yaml(package, FILE)))


def _task_table(said: Mapping[str, Any]) -> dict[str, Any]:
    tasks = said.get("tasks")
    if not isinstance(tasks, dict) or not tasks:
        raise _bad("tasks must name at least one task")
    return {str(name): task for name, task in tasks.items()}


def _find(package: Package, entry: str) -> str | None:
    named = [name for name in _tasks(package) or () if _plain(name) == _plain(entry)]
    return named[0] if named else None


def _plain(name: str) -> str:
    """As tasks are compared: quotes and case do not matter."""
    return re.sub(r"[\"']", "", name).strip().casefold()


def _plan(package: Package, entry: str, options: PackageOptions) -> Plan:
    said = read_yaml(package, FILE)
    artifacts = _folder(said.get("artifactsDir"), "artifactsDir")
    groups = _groups(package, said, options)
    pythons = [group.python for group in groups if group.python is not None]
    return Plan(
        entry=entry,
        command=_command(_task_table(said)[entry], entry, artifacts),
        artifacts=artifacts,
        python=lowest(pythons),
        requirements=_requirements(groups),
        path=tuple(_folder(one, "PATH") for one in texts(said.get("PATH"), f"PATH of {FILE}")),
        python_path=tuple(_folder(one, "PYTHONPATH") for one in texts(said.get("PYTHONPATH"), f"PYTHONPATH of {FILE}")),
        before=texts(said.get("preRunScripts"), f"preRunScripts of {FILE}"),
        needs=tuple(_platform_needs(group) for group in groups),
    )


# --- the task ---


def _command(task: Any, name: str, artifacts: str) -> tuple[str, ...]:
    ways = [way for way in _WAYS if isinstance(task, dict) and way in task]
    if len(ways) != 1:
        raise _bad(f"task {name!r} must have exactly one of {', '.join(_WAYS)}")
    said = task[ways[0]]
    words: Sequence[str]
    match ways[0]:
        case "command":
            words = texts(said, f"command of task {name!r}")
        case "shell":
            words = _split(str(said), name)
        case _:
            suite = ("--report", "NONE", "--outputdir", artifacts, "--logtitle", "Task log", "--task", str(said), ".")
            words = ("python", "-m", "robot", *suite)
    if not words:
        raise _bad(f"task {name!r} has no command")
    # Braces are the robot's own here, and no placeholders.
    return tuple(word.replace("{", "{{").replace("}", "}}") for word in words)


def _split(line: str, name: str) -> list[str]:
    try:
        return shlex.split(line)
    except ValueError as error:
        raise _bad(f"shell of task {name!r}: {error}") from None


def _folder(said: object, where: str) -> str:
    if not isinstance(said, str):
        raise _bad(f"{where} must name a folder of the package")
    path = said.replace("\\", "/").removeprefix("./").rstrip("/")
    if path in {"", "."}:
        return "."
    try:
        return check_path(path)
    except UnsafePathError as error:
        raise _bad(f"{where} must name a folder of the package: {error}") from None


def _bad(message: str) -> PackageError:
    return PackageError("bad_robot_yaml", f"{FILE}: {message}")


# --- its environment ---


def _groups(package: Package, said: Mapping[str, Any], options: PackageOptions) -> list[_Group]:
    named = texts(said.get("environmentConfigs"), f"environmentConfigs of {FILE}")
    fallback = said.get("condaConfigFile")
    chosen: dict[str, list[str]] = {}
    for platform in PLATFORMS:
        config = _config_for(platform, package, named)
        if not config and isinstance(fallback, str) and fallback:
            config = _folder(fallback, "condaConfigFile")
            if not package.has(config):
                raise _bad(f"condaConfigFile {config} is not in the package")
        chosen.setdefault(config, []).append(platform)
    return [_group(package, config, platforms, options) for config, platforms in chosen.items()]


def _config_for(platform: str, package: Package, named: Sequence[str]) -> str:
    for said in named:
        config = _folder(said, "environmentConfigs")
        if package.has(config) and fits(config, platform):
            return config
    return ""


def fits(name: str, platform: str) -> bool:
    """Whether a file of that name is for this platform: by the systems and machines that its name mentions (§4)."""
    last = name.lower().rpartition("/")[2]
    system, machine = platform.split("_")
    systems, machines = _SYSTEM.findall(last), _MACHINE.findall(last)
    if "freeze" in last and not (systems and machines):
        return False
    return (not systems or system in systems) and (not machines or machine in machines)


def _group(package: Package, config: str, platforms: list[str], options: PackageOptions) -> _Group:
    needs = read_config(package, config) if config else None
    python = None
    if needs is not None and needs.wants_python:
        said = options.python or needs.python
        python = choose(said, where=f"python of {config}") if said else ANY_PYTHON
    return _Group(config=config, platforms=tuple(platforms), needs=needs, python=python)


def _requirements(groups: Sequence[_Group]) -> Requirements | None:
    """One list for all platforms: what only some ask for carries a marker that says so."""
    platforms_of: dict[str, list[str]] = {}
    for group in groups:
        wanted = check_lines(group.needs.requirements, group.config) if group.needs else None
        for line in wanted.lines if wanted else ():
            platforms_of.setdefault(line, []).extend(group.platforms)
    lines = tuple(_marked(line, platforms) for line, platforms in platforms_of.items())
    return Requirements(path=FILE, lines=lines) if lines else None


def _marked(line: str, platforms: Sequence[str]) -> str:
    if set(platforms) == set(PLATFORMS):
        return line
    either = " or ".join(f"({_marker(platform)})" for platform in platforms)
    name, _, own = line.partition(";")
    return f"{name.strip()} ; ({own.strip()}) and ({either})" if own else f"{name.strip()} ; {either}"


def _marker(platform: str) -> str:
    system, machine = platform.split("_")
    return f"{_MARKERS[system]} and {_MARKERS[machine]}"


def _platform_needs(group: _Group) -> PlatformNeeds:
    needs = group.needs
    return PlatformNeeds(
        platforms=group.platforms,
        config=group.config,
        python=group.python.request if group.python else "",
        programs=needs.programs if needs else (),
        impossible=needs.impossible if needs else (),
        run_once=needs.run_once if needs else (),
    )


ROBOCORP = Rule(
    kind=Kind.ROBOCORP,
    looked_for="robot.yaml at the root (Robocorp robot)",
    candidates=_tasks,
    plan=_plan,
    runs=lambda package, entry: not package.has(entry) and _find(package, entry) is not None,
    find=_find,
    entries="tasks",
)
