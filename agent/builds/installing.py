"""Making a virtual environment and putting a locked list into it: `uv`, or `venv` and `pip` where there is no uv."""

import asyncio
import os
import shlex
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from agent.builds.errors import PreparationError
from agent.builds.interpreters import Interpreter
from agent.ports.tools import RunTool, ToolCommand, ToolResult
from agent.ports.uv import config_arguments, find_links, short_complaint, uv_environment
from agent.wire.builds import NO_INDEX_MARK, SOURCE_MARK, marks_of

MAKE_TIMEOUT_S = 120.0
INSTALL_TIMEOUT_S = 1800.0
_LIST_NAME = "requirements.lock"
_UNREACHED = (
    *("Failed to fetch", "error sending request", "dns error", "network was disabled", "timed out", "HTTP status 5"),
    *("Connection refused", "NewConnectionError", "ConnectTimeoutError", "No space left", "os error 28"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A build whose own files make a difference to its environment."""

    tree: Path
    digest: str
    install: bool = False
    """It is a Python package, which is installed with its requirements."""
    run_once: tuple[str, ...] = ()
    """Commands that complete the environment, run in a copy of the build."""
    wheels: tuple[Path, ...] = ()
    """Folders of wheels that the build brings along; the list says by its hashes what is taken of them."""

    @property
    def counts(self) -> bool:
        """Whether there is anything to do with it."""
        return self.install or bool(self.run_once)


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What goes into an environment: a locked list (None: no packages), and a build where it counts."""

    lock: bytes | None = None
    source: Source | None = None
    wheels: tuple[Path, ...] = ()
    """Folders that count as an index; they make no difference to what is installed, only to where it comes from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Target:
    """One environment under way."""

    root: Path
    python: Path
    interpreter: Interpreter
    tell: Callable[[str], None]


class Installer:
    """Runs the tools, in `folder`, with an environment that holds nothing of ours."""

    def __init__(self, folder: Path, run_tool: RunTool, uv: Path | None) -> None:
        self._folder = folder
        self._run_tool = run_tool
        self._uv = uv

    async def make(
        self, root: Path, python: Path, interpreter: Interpreter, contents: Contents, tell: Callable[[str], None]
    ) -> None:
        """Make a virtual environment at `root` with these contents. Raises PreparationError, OSError."""
        (self._folder / "home").mkdir(parents=True, exist_ok=True)
        target = _Target(root=root, python=python, interpreter=interpreter, tell=tell)
        tell(f"making an environment with Python {interpreter.version}")
        made = await self._run(self._venv(target), MAKE_TIMEOUT_S, tell)
        _check(made, "the environment could not be made")
        if contents.lock is not None:
            await self._install_list(target, contents.lock, contents.wheels)
        if contents.source is not None:
            await self._add_source(target, contents.source)

    async def _install_list(self, target: _Target, lock: bytes, wheels: tuple[Path, ...]) -> None:
        list_path = target.root / _LIST_NAME
        list_path.write_bytes(lock)
        marks = marks_of(lock)
        sources = find_links(wheels)
        if NO_INDEX_MARK in marks:
            sources = ("--no-index", *sources)
        may_build = SOURCE_MARK in marks
        if self._uv is None:
            what = (*(() if may_build else ("--only-binary", ":all:")), *sources, "-r", str(list_path))
            await self._install_with_pip(target, what)
        else:
            what = (*(() if may_build else ("--no-build",)), *sources, str(list_path))
            await self._install_with_uv(self._uv, target, what)

    async def _add_source(self, target: _Target, source: Source) -> None:
        """Install the build itself, then run what completes the environment, both in a copy: builds are read-only."""
        with tempfile.TemporaryDirectory(dir=self._folder, prefix="source-") as name:
            copy = Path(name) / "source"
            await asyncio.to_thread(_copy, source.tree, copy)
            if source.install:
                target.tell("installing the project")
                await self._install_project(target, copy, find_links(source.wheels))
            for line in source.run_once:
                target.tell(f"running {line}"[:200])
                await self._run_once(target, line, copy)

    async def _install_project(self, target: _Target, copy: Path, sources: tuple[str, ...]) -> None:
        what = "the project itself could not be installed"
        if self._uv is None:
            argv: tuple[str, ...] = (str(target.python), "-m", "pip", "install", "--no-deps", "--no-input")
            argv = (*argv, *sources, str(copy))
            _check(await self._run(argv, INSTALL_TIMEOUT_S, target.tell), what)
            return
        env = uv_environment(self._folder / "cache", self._folder / "home")
        argv = (
            *(str(self._uv), "pip", "install", *config_arguments(env), "--python", str(target.python)),
            *("--no-deps", "--link-mode", "copy", "--compile-bytecode", *sources, str(copy)),
        )
        # Its build system is in the cache when the same was built before.
        if not (await self._run((*argv, "--offline"), INSTALL_TIMEOUT_S, target.tell)).succeeded:
            _check(await self._run(argv, INSTALL_TIMEOUT_S, target.tell), what)

    async def _run_once(self, target: _Target, line: str, folder: Path) -> None:
        scripts = str(target.python.parent)
        env = uv_environment(self._folder / "cache", self._folder / "home")
        env["PATH"] = os.pathsep.join((scripts, env.get("PATH", "")))
        try:
            program, *rest = shlex.split(line)
            found = shutil.which(program, path=env["PATH"]) or program
            command = ToolCommand(argv=(found, *rest), env=env, cwd=folder, timeout_s=INSTALL_TIMEOUT_S)
            result = await self._run_tool(command)
        except (OSError, ValueError) as error:
            raise PreparationError(f"{line!r} could not be started: {error}", is_permanent=True) from None
        _check(result, f"{line!r} of the environment's file failed")

    def _venv(self, target: _Target) -> tuple[str, ...]:
        if self._uv is None:
            return (str(target.interpreter.path), "-m", "venv", str(target.root))
        return (
            *(str(self._uv), "venv", "--no-config", "--no-project", "--no-python-downloads"),
            *("--python", str(target.interpreter.path), str(target.root)),
        )

    async def _install_with_uv(self, uv: Path, target: _Target, what: tuple[str, ...]) -> None:
        env = uv_environment(self._folder / "cache", self._folder / "home")
        argv = (
            *(str(uv), "pip", "sync", *config_arguments(env), "--python", str(target.python)),
            # `copy` clones where the file system can. `clone` makes hard links where it can't (uv 0.13, ext4): a bot
            # that writes into its environment would then write into uv's cache.
            *("--require-hashes", "--link-mode", "copy", "--compile-bytecode", *what),
        )
        cached = await self._run((*argv, "--offline"), INSTALL_TIMEOUT_S, target.tell)
        if cached.succeeded:
            return
        if "--no-index" in what:
            _check(cached, "packages could not be installed from the build's own wheels")
        target.tell("fetching packages")
        _check(await self._run(argv, INSTALL_TIMEOUT_S, target.tell), "packages could not be installed")

    async def _install_with_pip(self, target: _Target, what: tuple[str, ...]) -> None:
        target.tell("fetching packages")
        argv = (*(str(target.python), "-m", "pip", "install", "--require-hashes", "--no-deps", "--no-input", *what),)
        _check(await self._run(argv, INSTALL_TIMEOUT_S, target.tell), "packages could not be installed")

    async def _run(self, argv: tuple[str, ...], timeout_s: float, tell: Callable[[str], None]) -> ToolResult:
        env = uv_environment(self._folder / "cache", self._folder / "home")
        command = ToolCommand(argv=argv, env=env, cwd=self._folder, timeout_s=timeout_s)
        try:
            return await self._run_tool(command, lambda line: _tell_progress(line, tell))
        except OSError as error:
            raise PreparationError(f"{argv[0]} could not be started: {error}", is_permanent=True) from None


def _copy(tree: Path, target: Path) -> None:
    shutil.copytree(tree, target, copy_function=shutil.copyfile)
    for folder in (target, *(path for path in target.rglob("*") if path.is_dir())):
        folder.chmod(0o700)


def is_temporary(output: str) -> bool:
    """Whether a tool's complaint is about the network or the disk, so that the same may succeed later."""
    return any(sign in output for sign in _UNREACHED)


def _check(result: ToolResult, what: str) -> None:
    if result.succeeded:
        return
    is_permanent = result.exit_code is not None and not is_temporary(result.output)
    raise PreparationError(f"{what}: {short_complaint(result.output)}", is_permanent=is_permanent)


def _tell_progress(line: str, tell: Callable[[str], None]) -> None:
    text = line.strip()
    if text.startswith(("Resolved", "Prepared", "Installed", "Downloading", "Building", "Built", "Bytecode")):
        tell(text[:200])
