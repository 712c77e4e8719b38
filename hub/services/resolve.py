"""Requirements to a locked list in the hub: `uv pip compile` on names and versions only, wheels only (S25, S47).

Wheels that the package brings along (`wheels/`, `vendor/`) are an index of their own, asked before all others: where
they are enough, no network is needed. A lock of the package's own is exported instead, offline: what it names was
chosen by its author.

| what uv says | then |
|---|---|
| a list | the build is ready |
| a package has no wheel | its set-up code would have to run: a runner resolves it |
| the index can't be reached, uv is missing or too slow | a runner tries; it may see another index |
| anything else | rejected, with uv's own words |
"""

import asyncio
import re
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import assert_never

from agent.ports.tools import RunTool, ToolCommand, ToolResult
from agent.ports.uv import config_arguments, find_links, find_uv, short_complaint, uv_environment
from agent.wire.builds import LOCK_MAX_BYTES, NO_INDEX_MARK, SOURCE_MARK
from agent.wire.python_versions import admits
from hub.domain.requirements import LockFile, RequirementError, check_lock
from hub.services.packages.wheels import Wheels

RESOLVE_TIMEOUT_S = 120.0
EXPORT_TIMEOUT_S = 60.0

_NEEDS_SOURCE = ("no usable wheels", "building from source is disabled", "Wheels are required", "--no-build")
_WITHOUT_WHEEL = re.compile(r"(?:of|for) `?([A-Za-z0-9._-]+)`? (?:have no usable wheels|because building)")
_STALE = ("needs to be updated", "network was disabled", "not found in the cache")
"""A fresh lock needs nobody: who asks the network wants to lock anew."""

_NO_INDEX_SAID = "the package says --no-index, and its own wheels (wheels/, vendor/) are not enough"
_UNREACHED = (
    "Failed to fetch",
    "error sending request",
    "network was disabled",
    "dns error",
    "timed out",
    "HTTP status 5",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Locked:
    """Exact versions with their hashes, for every platform."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NotHere:
    """This hub can't resolve it; a runner may. `why` is for people."""

    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unresolvable:
    """Nobody can: the requirements contradict each other or name what is not there."""

    problem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnWheels:
    """What a package brings along."""

    wheels: Wheels | None
    no_index: bool = False
    """The package says that there is nothing else."""


_OWN_PYTHON = ".".join(map(str, sys.version_info[:3]))
Resolution = Locked | NotHere | Unresolvable


class RequirementResolver:
    """Resolves one list at a time in a child process with a scrubbed environment, off the event loop."""

    def __init__(self, folder: Path, run_tool: RunTool, *, uv: Path | None = None) -> None:
        """`folder` keeps uv's cache between calls; `uv` is looked for when it is not named."""
        self._folder = folder
        self._run_tool = run_tool
        self._uv = uv

    async def resolve(self, requirements: str, python_floor: str, own: OwnWheels | None = None) -> Resolution:
        """The locked list for these requirements on Pythons from `python_floor` (such as `3.11`) on.

        `own` are the package's own wheels, and whether there is to be nothing else. Raises BlobGone.
        """
        uv = self._uv or find_uv()
        if uv is None:
            return NotHere(why="the hub has no uv to resolve requirements with")
        (self._folder / "home").mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self._folder, prefix="resolve-") as name:
            work = Path(name)
            (work / "requirements.in").write_text(requirements, encoding="utf-8")
            if own is None:
                return await self._compile(uv, work, python_floor, ())
            if own.wheels is not None:
                await asyncio.to_thread(own.wheels.lay_out, work)
                (work / "own.txt").write_text(own.wheels.constraints(), encoding="utf-8")
            return await self._with_own(uv, work, python_floor, own)

    async def _with_own(self, uv: Path, work: Path, python_floor: str, own: OwnWheels) -> Resolution:
        """Of the package's own wheels alone where they are enough, so that no index is needed; else of both."""
        links = find_links(own.wheels.folders if own.wheels else ())
        found = await self._compile(uv, work, python_floor, ("--no-index", *links))
        if own.no_index:
            return _only_own(found)
        if isinstance(found, Locked):
            return found
        return await self._compile(uv, work, python_floor, (*links, "--constraints", "own.txt"))

    async def _compile(self, uv: Path, work: Path, python_floor: str, sources: tuple[str, ...]) -> Resolution:
        result = await self._run_tool(self._command(uv, work, python_floor, sources))
        lock = work / "requirements.lock"
        if result.succeeded and lock.is_file() and lock.stat().st_size <= LOCK_MAX_BYTES:
            return Locked(text=lock.read_text(encoding="utf-8"))
        return _understand(result)

    async def export(self, lock: LockFile) -> Resolution:
        """The list in a lock of the package's own; a stale one is refused."""
        uv = self._uv or find_uv()
        if uv is None:
            return Unresolvable(problem=f"the hub has no uv to read {lock.path} with; install botyard[hub], or uv")
        if lock.differs and not _is_comparable(lock):
            return _stale(lock)
        (self._folder / "home").mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self._folder, prefix="export-") as name:
            work = Path(name)
            for path, data in lock.files.items():
                (work / path).parent.mkdir(parents=True, exist_ok=True)
                (work / path).write_bytes(data)
            result = await self._run_tool(self._export_command(uv, work, lock))
            exported = work / "requirements.lock"
            text = exported.read_text(encoding="utf-8") if result.succeeded and exported.is_file() else ""
        return _exported(lock, text) if result.succeeded else _not_exported(lock, result)

    def _export_command(self, uv: Path, work: Path, lock: LockFile) -> ToolCommand:
        env = uv_environment(self._folder / "cache", self._folder / "home")
        of = ("--script", lock.script) if lock.script else ("--no-dev", "--no-emit-project")
        argv = (
            *(str(uv), "export", *config_arguments(env), "--quiet", "--offline", "--no-build"),
            *("--locked" if _is_comparable(lock) else "--frozen", *of),
            *("--no-header", "--no-annotate", "--format", "requirements-txt"),
            *("--python", sys.executable, "--no-python-downloads", "--output-file", "requirements.lock"),
        )
        return ToolCommand(argv=argv, env=env, cwd=work, timeout_s=EXPORT_TIMEOUT_S)

    def _command(self, uv: Path, work: Path, python_floor: str, sources: tuple[str, ...]) -> ToolCommand:
        env = uv_environment(self._folder / "cache", self._folder / "home")
        argv = (
            *(str(uv), "pip", "compile", *config_arguments(env), "--quiet"),
            *("--universal", "--generate-hashes", "--only-binary", ":all:", "--no-header", "--no-annotate"),
            *("--python-version", python_floor, "--python", sys.executable, "--no-python-downloads"),
            *(*sources, "--output-file", "requirements.lock", "requirements.in"),
        )
        return ToolCommand(argv=argv, env=env, cwd=work, timeout_s=RESOLVE_TIMEOUT_S)


def _only_own(found: Resolution) -> Resolution:
    """What a package that says `--no-index` gets: its own wheels, or nothing, wherever it is tried."""
    match found:
        case Locked(text=text):
            return Locked(text=f"{NO_INDEX_MARK}\n{text}")
        case NotHere(why=why):
            return Unresolvable(problem=f"{_NO_INDEX_SAID}: {why}")
        case Unresolvable(problem=problem):
            return Unresolvable(problem=f"{_NO_INDEX_SAID}: {problem}")
    assert_never(found)


def _is_comparable(lock: LockFile) -> bool:
    """For another Python, or what set-up code computes, uv can't compare without doing what a hub does not."""
    return not lock.is_computed and admits(lock.requires_python or ">=3", _OWN_PYTHON)


def _exported(lock: LockFile, text: str) -> Resolution:
    if len(text.encode()) > LOCK_MAX_BYTES:
        return Unresolvable(problem=f"the list in {lock.path} is longer than {LOCK_MAX_BYTES} bytes")
    try:
        check_lock(text, frozenset())
    except RequirementError as error:
        return Unresolvable(
            problem=f"{lock.path}: {error}; only packages of an index are installed, with the hashes of the lock"
        )
    return Locked(text=f"{SOURCE_MARK}\n{text}" if lock.builds_source else text)


def _not_exported(lock: LockFile, result: ToolResult) -> Resolution:
    if result.exit_code is None:
        return Unresolvable(problem=f"reading {lock.path} took longer than {EXPORT_TIMEOUT_S:g} s in the hub")
    if any(sign in result.output for sign in _STALE):
        return _stale(lock)
    return Unresolvable(problem=f"{lock.path} can't be read: {_without_mark(short_complaint(result.output))}")


def _stale(lock: LockFile) -> Unresolvable:
    again = f"uv lock --script {lock.script}" if lock.script else "uv lock"
    of = f" ({', '.join(lock.differs)})" if lock.differs else ""
    return Unresolvable(problem=f"{lock.path} is older than what it locks{of}: run `{again}` again and deploy anew")


def _understand(result: ToolResult) -> Resolution:
    complaint = _without_mark(short_complaint(result.output))
    if result.exit_code is None:
        return NotHere(why=f"resolving took longer than {RESOLVE_TIMEOUT_S:g} s in the hub; a runner goes on with it")
    if any(sign in result.output for sign in _NEEDS_SOURCE):
        found = _WITHOUT_WHEEL.search(result.output)
        package = found.group(1) if found else "a package"
        return NotHere(why=f"{package} has no wheel and has to be built from source; a runner does it")
    if any(sign in result.output for sign in _UNREACHED):
        return NotHere(why=f"the hub could not reach the package index; a runner tries it\n{complaint}")
    if result.succeeded:
        return Unresolvable(problem=f"the resolved list is longer than {LOCK_MAX_BYTES} bytes")
    return Unresolvable(problem=f"the requirements can't be resolved: {complaint}")


def _without_mark(complaint: str) -> str:
    """A tool's complaint inside a sentence of ours needs no "error:" of its own."""
    return complaint.removeprefix("error: ").removeprefix("ERROR: ").strip()
