"""Programs of the machine that a kind is started with: found when a build is prepared, never first at its start.

What is missing fails the preparation with a sentence that says what to install; tasks of such a build then go to other
runners, or are refused (`refused: environment`).
"""

import re
import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from agent.builds.errors import PreparationError
from agent.builds.platforms import needs_here
from agent.ports.tools import RunTool, ToolCommand
from agent.wire.starting import PlatformNeeds
from agent.wire.task import Launch
from agent.wire.words import Kind

_ASK_TIMEOUT_S = 30.0
_AFTERWARDS = "and restart the runner"
_ADVICE = {
    "node": f"install Node.js {_AFTERWARDS}",
    "npm": f"install npm, which comes with Node.js, {_AFTERWARDS}",
    "java": f"install a Java runtime {_AFTERWARDS}",
    "pwsh": f"install PowerShell {_AFTERWARDS}",
}
_COMMANDS = {
    "nodejs": "node",
    "openjdk": "java",
    "poppler": "pdftotext",
    "ghostscript": "gs",
    "imagemagick": "magick",
    "graphviz": "dot",
    "p7zip": "7z",
    "sqlite": "sqlite3",
}
"""How conda's packages are called on a PATH, where that is another name."""

_VERSION = re.compile(r"\d+(?:\.\d+)*")
_CLAUSE = re.compile(r"(>=|<=|==|!=|<|>|=|~=)?\s*(\d+(?:\.\d+)*)(?:\.\*)?\Z")


def powershell(path: str) -> str | None:
    """PowerShell on this PATH: the new one, else Windows' own."""
    return shutil.which("pwsh", path=path) or shutil.which("powershell", path=path)


class Programs:
    """What is installed on this machine, found on the PATH that bots get."""

    def __init__(self, folder: Path, run_tool: RunTool, variables: Mapping[str, str]) -> None:
        """`folder` is where programs are asked for their versions; `variables` are the daemon's."""
        self._folder = folder
        self._run_tool = run_tool
        self._variables = variables

    @property
    def path(self) -> str:
        """The PATH that is looked at."""
        return self._variables.get("PATH", "")

    async def check(self, launch: Launch, tell: Callable[[str], None]) -> None:
        """Make sure that this machine can start such a build. Raises PreparationError that says what it lacks."""
        problem = self._lacking(launch)
        if problem:
            raise PreparationError(problem, is_permanent=True)
        await self._check_needs(needs_here(launch), tell)

    def need(self, name: str) -> str:
        """The program of that name. Raises PreparationError."""
        found = self._which(name)
        if found is None:
            raise PreparationError(_missing(name), is_permanent=True)
        return found

    def _lacking(self, launch: Launch) -> str:
        if launch.command and launch.kind is not Kind.ROBOCORP:
            # Another program takes the place of the kind's own; it may lie in the package.
            return ""
        match launch.kind:
            case Kind.NODE:
                names = ("node", "npm") if launch.entry == "package.json" else ("node",)
                return next((_missing(name) for name in names if self._which(name) is None), "")
            case Kind.JAVA:
                return "" if self._which("java") else _missing("java")
            case Kind.POWERSHELL:
                return "" if powershell(self.path) else _missing("pwsh")
            case Kind.BATCH:
                return "" if sys.platform == "win32" else _BATCH_ELSEWHERE
            case Kind.SHELL if sys.platform == "win32":
                return "" if self._which("sh") else "this machine has no sh on its PATH; install Git for Windows"
            case _:
                return ""

    async def _check_needs(self, needs: PlatformNeeds, tell: Callable[[str], None]) -> None:
        if needs.impossible:
            raise PreparationError(
                f"{needs.config} asks for {', '.join(needs.impossible)}, which only conda could bring and this runner "
                "does not use; move what is a Python package to its pip list, install the rest on the machine and "
                "take it out of the list",
                is_permanent=True,
            )
        for said in needs.programs:
            name, wanted = _name_and_version(said)
            command = _COMMANDS.get(name, name)
            found = self._which(command)
            if found is None:
                raise PreparationError(f"{needs.config} asks for {said}: {_missing(command)}", is_permanent=True)
            version = await self._version(found, name)
            if not fits(wanted, version):
                raise PreparationError(
                    f"{needs.config} asks for {said}, and this machine has {command} {version}; install that version "
                    f"{_AFTERWARDS}",
                    is_permanent=True,
                )
            tell(f"using {command} {version or ''} of this machine for {said}")

    async def _version(self, program: str, name: str) -> str:
        flag = "-version" if name in {"openjdk", "ffmpeg"} else "--version"
        command = ToolCommand(
            argv=(program, flag), env=dict(self._variables), cwd=self._folder, timeout_s=_ASK_TIMEOUT_S
        )
        try:
            found = _VERSION.search((await self._run_tool(command)).output)
        except OSError as error:
            raise PreparationError(f"{program} can't be started: {error}", is_permanent=True) from None
        return found.group() if found else ""

    def _which(self, name: str) -> str | None:
        return shutil.which(name, path=self.path)


_BATCH_ELSEWHERE = (
    "batch files run on Windows only, and this machine is none; give the automation needs that only Windows runners "
    'meet (needs = {os = "windows"} in botyard.toml)'
)


def fits(wanted: str, version: str) -> bool:
    """Whether a program of that version is what a conda list asks for: its clauses, or the same major version."""
    if not wanted:
        return True
    if not version:
        return False
    return all(_holds(clause.strip(), version) for clause in wanted.split(","))


def _holds(clause: str, version: str) -> bool:
    found = _CLAUSE.match(clause)
    if found is None:
        return True
    here, there = _numbers(version), _numbers(found[2])
    match found[1]:
        case ">=":
            return here >= there
        case "<=":
            return here <= there
        case ">":
            return here > there
        case "<":
            return here < there
        case "!=":
            return here[: len(there)] != there
        case _:
            # Machines rarely have the very patch; another major version is another program.
            return here[0] == there[0]


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def _name_and_version(said: str) -> tuple[str, str]:
    """``nodejs=18`` and ``nodejs>=18,<20`` in their two parts."""
    name = re.split(r"[<>=!~]", said, maxsplit=1)[0]
    return name.strip(), said[len(name) :].strip()


def _missing(name: str) -> str:
    return f"this machine has no {name} on its PATH; {_ADVICE.get(name, f'install it {_AFTERWARDS}')}"
