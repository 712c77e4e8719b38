"""Python and uv, by running them as preparing a build does."""

import asyncio
import tempfile
from collections.abc import Mapping
from pathlib import Path

from agent.builds.interpreters import own_python
from agent.doctor.checks.python import PythonFacts
from agent.doctor.checks.uv import UvFacts
from agent.doctor.ports import Ports
from agent.ports.tools import ToolCommand, ToolResult
from agent.ports.uv import short_complaint, uv_environment

_TIMEOUT_S = 20.0
_ASK = (
    "import importlib.util, platform;"
    "print(platform.python_version(), all(map(importlib.util.find_spec, ('venv', 'ensurepip'))))"
)


async def look_at_programs(ports: Ports) -> tuple[PythonFacts, UvFacts]:
    """Both, in a folder of our own that holds nobody's settings."""
    folder = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="botyard-doctor-"))
    try:
        env = uv_environment(folder / "cache", folder, ports.environment)
        uv = await _uv(ports, env, folder)
        return await _python(ports, env, folder, has_uv=bool(uv.version)), uv
    finally:
        await asyncio.to_thread(ports.disk.remove_tree, folder)


async def _python(ports: Ports, env: Mapping[str, str], folder: Path, *, has_uv: bool) -> PythonFacts:
    path = own_python()
    result = await _run(ports, (str(path), "-I", "-c", _ASK), env, folder)
    version, _, has_venv = result.output.rpartition("\n")[2].partition(" ")
    if not result.succeeded or not has_venv:
        return PythonFacts(path=str(path), complaint=_complaint(result))
    return PythonFacts(path=str(path), version=version, has_venv=has_venv == "True", has_uv=has_uv)


async def _uv(ports: Ports, env: Mapping[str, str], folder: Path) -> UvFacts:
    path = ports.find_uv()
    if path is None:
        return UvFacts()
    result = await _run(ports, (str(path), "--version"), env, folder)
    if not result.succeeded:
        return UvFacts(path=str(path), complaint=_complaint(result))
    return UvFacts(path=str(path), version=result.output.splitlines()[0] if result.output else "unknown version")


async def _run(ports: Ports, argv: tuple[str, ...], env: Mapping[str, str], folder: Path) -> ToolResult:
    try:
        return await ports.tool(ToolCommand(argv=argv, env=env, cwd=folder, timeout_s=_TIMEOUT_S))
    except OSError as error:
        return ToolResult(exit_code=None, output=(error.strerror or str(error)).lower())


def _complaint(result: ToolResult) -> str:
    """In one line."""
    return " ".join(short_complaint(result.output, lines=2).split())[:200]
