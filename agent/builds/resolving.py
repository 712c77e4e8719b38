"""Resolving a build's requirements on a runner, where the hub could not: packages may be built from source here.

The hub never runs a package's own set-up code (S47); a runner does what it would do anyway when the bot is installed.
The list that comes out is uploaded, and all runners install exactly that.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path

from agent.builds.errors import PreparationError
from agent.builds.hub_files import HubFiles, read_all
from agent.builds.installing import is_temporary
from agent.builds.interpreters import Interpreters
from agent.builds.platforms import needs_here
from agent.ports.tools import RunTool, ToolCommand
from agent.ports.uv import config_arguments, find_links, short_complaint, uv_environment
from agent.wire.builds import LOCK_MAX_BYTES, SOURCE_MARK, lock_path, requirements_path
from agent.wire.python_versions import floor_of
from agent.wire.task import BuildReference

RESOLVE_TIMEOUT_S = 900.0
"""Building may compile; the hub's own limit is much shorter."""


class RunnerResolver:
    """Resolves one build's list and hands it to the hub."""

    def __init__(self, folder: Path, run_tool: RunTool, uv: Path | None, interpreters: Interpreters) -> None:
        self._folder = folder
        self._run_tool = run_tool
        self._uv = uv
        self._interpreters = interpreters

    async def resolve(
        self, build: BuildReference, hub: HubFiles, tell: Callable[[str], None], wheels: tuple[Path, ...] = ()
    ) -> None:
        """Fetch the requirements, resolve them here, upload the list. Raises PreparationError.

        `wheels` are folders of wheels that the build brings along.
        """
        if self._uv is None:
            raise PreparationError("this runner has no uv to resolve requirements with; install uv", is_permanent=True)
        wanted = await read_all(hub, requirements_path(build.digest, build.build_id), LOCK_MAX_BYTES)
        interpreter = await self._interpreters.find(needs_here(build.launch).python or build.launch.python, tell)
        tell("resolving requirements")
        (self._folder / "home").mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self._folder, prefix="resolve-") as name:
            work = Path(name)
            (work / "requirements.in").write_bytes(wanted)
            floor = floor_of(build.launch.python) or interpreter.version
            asked = ("--python-version", floor, "--python", str(interpreter.path), *find_links(wheels))
            lock = await self._compile(self._uv, work, asked)
        await hub.upload(lock_path(build.digest, build.build_id), f"{SOURCE_MARK}\n{lock}".encode())

    async def _compile(self, uv: Path, work: Path, asked: tuple[str, ...]) -> str:
        env = uv_environment(self._folder / "cache", self._folder / "home")
        argv = (
            *(str(uv), "pip", "compile", *config_arguments(env), "--quiet"),
            *("--universal", "--generate-hashes", "--no-header", "--no-annotate"),
            *(*asked, "--no-python-downloads"),
            *("--output-file", "requirements.lock", "requirements.in"),
        )
        result = await self._run_tool(ToolCommand(argv=argv, env=env, cwd=work, timeout_s=RESOLVE_TIMEOUT_S))
        if not result.succeeded:
            is_permanent = result.exit_code is not None and not is_temporary(result.output)
            raise PreparationError(
                f"the requirements can't be resolved: {short_complaint(result.output)}", is_permanent=is_permanent
            )
        return (work / "requirements.lock").read_text(encoding="utf-8")
