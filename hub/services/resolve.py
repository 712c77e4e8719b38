"""Requirements to a locked list in the hub: `uv pip compile` on names and versions only, wheels only (S25, S47).

| what uv says | then |
|---|---|
| a list | the build is ready |
| a package has no wheel | its set-up code would have to run: a runner resolves it |
| the index can't be reached, uv is missing or too slow | a runner tries; it may see another index |
| anything else | rejected, with uv's own words |
"""

import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from agent.ports.tools import RunTool, ToolCommand, ToolResult
from agent.ports.uv import config_arguments, find_uv, short_complaint, uv_environment
from agent.wire.builds import LOCK_MAX_BYTES

RESOLVE_TIMEOUT_S = 120.0

_NEEDS_SOURCE = ("no usable wheels", "building from source is disabled", "Wheels are required", "--no-build")
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


Resolution = Locked | NotHere | Unresolvable


class RequirementResolver:
    """Resolves one list at a time in a child process with a scrubbed environment, off the event loop."""

    def __init__(self, folder: Path, run_tool: RunTool, *, uv: Path | None = None) -> None:
        """`folder` keeps uv's cache between calls; `uv` is looked for when it is not named."""
        self._folder = folder
        self._run_tool = run_tool
        self._uv = uv

    async def resolve(self, requirements: str, python_floor: str) -> Resolution:
        """The locked list for these requirements on Pythons from `python_floor` (such as `3.11`) on."""
        uv = self._uv or find_uv()
        if uv is None:
            return NotHere(why="the hub has no uv to resolve requirements with")
        (self._folder / "home").mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self._folder, prefix="resolve-") as name:
            work = Path(name)
            (work / "requirements.in").write_text(requirements, encoding="utf-8")
            result = await self._run_tool(self._command(uv, work, python_floor))
            lock = work / "requirements.lock"
            if result.succeeded and lock.is_file() and lock.stat().st_size <= LOCK_MAX_BYTES:
                return Locked(text=lock.read_text(encoding="utf-8"))
        return _understand(result)

    def _command(self, uv: Path, work: Path, python_floor: str) -> ToolCommand:
        env = uv_environment(self._folder / "cache", self._folder / "home")
        argv = (
            *(str(uv), "pip", "compile", *config_arguments(env), "--quiet"),
            *("--universal", "--generate-hashes", "--only-binary", ":all:", "--no-header", "--no-annotate"),
            *("--python-version", python_floor, "--python", sys.executable, "--no-python-downloads"),
            *("--output-file", "requirements.lock", "requirements.in"),
        )
        return ToolCommand(argv=argv, env=env, cwd=work, timeout_s=RESOLVE_TIMEOUT_S)


def _understand(result: ToolResult) -> Resolution:
    complaint = short_complaint(result.output)
    if result.exit_code is None:
        return NotHere(why=f"resolving took longer than {RESOLVE_TIMEOUT_S:g} s in the hub")
    if any(sign in result.output for sign in _NEEDS_SOURCE):
        return NotHere(why=f"a package has to be built from source, which only runners do: {complaint}")
    if any(sign in result.output for sign in _UNREACHED):
        return NotHere(why=f"the hub could not reach the package index: {complaint}")
    if result.succeeded:
        return Unresolvable(problem=f"the resolved list is longer than {LOCK_MAX_BYTES} bytes")
    return Unresolvable(problem=f"the requirements can't be resolved: {complaint}")
