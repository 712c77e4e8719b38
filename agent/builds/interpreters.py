"""Pythons of this machine: which one serves a build's request, and what exactly it is (bot-packages.md §3)."""

import json
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from agent.builds.errors import PreparationError
from agent.ports.tools import RunTool, ToolCommand
from agent.ports.uv import config_arguments, short_complaint, uv_environment
from agent.wire.python_versions import admits, exact_version

_ASK_TIMEOUT_S = 30.0
_DOWNLOAD_TIMEOUT_S = 600.0
# What an environment depends on besides its packages; printed by the interpreter itself.
_ASK = """
import json, platform, sys, sysconfig
print(json.dumps({
    "version": platform.python_version(), "implementation": sys.implementation.cache_tag,
    "platform": sysconfig.get_platform(), "machine": platform.machine(), "libc": "".join(platform.libc_ver()),
}))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interpreter:
    """One Python: where it is, and what makes environments for it differ."""

    path: Path
    version: str
    implementation: str
    platform: str
    machine: str
    libc: str

    def identity(self) -> dict[str, str]:
        """What goes into an environment's key: everything but the path."""
        return {name: value for name, value in asdict(self).items() if name != "path"}


class Interpreters:
    """Finds Pythons and remembers what they said of themselves."""

    def __init__(self, folder: Path, run_tool: RunTool, uv: Path | None, *, may_download: bool = False) -> None:
        """`folder` is uv's working folder; `may_download` lets uv fetch a Python that is not installed."""
        self._folder = folder
        self._run_tool = run_tool
        self._uv = uv
        self._may_download = may_download
        self._known: dict[tuple[str, int], Interpreter] = {}

    async def find(self, request: str, tell: Callable[[str], None]) -> Interpreter:
        """A Python that the request admits: the daemon's own, else an installed one, else a downloaded one.

        An exact patch that can't be had becomes its minor version, which `tell` is told. Raises PreparationError.
        """
        own = await self.describe(own_python())
        if admits(request, own.version):
            return own
        for wanted in _with_fallback(request):
            path = await self._ask_uv(wanted)
            if path is not None:
                if wanted != request:
                    tell(f"Python {request} is not here; using {wanted}")
                return await self.describe(path)
        exact = exact_version(request)
        if exact is not None and exact.count(".") > 1 and admits(exact.rpartition(".")[0], own.version):
            tell(f"Python {request} is not here; using {own.version}")
            return own
        raise PreparationError(
            f"this machine has no Python {request}; install one, or allow the runner to download it", is_permanent=True
        )

    async def describe(self, path: Path) -> Interpreter:
        """What the interpreter at `path` is. Raises PreparationError when it does not run."""
        key = (str(path), path.stat().st_mtime_ns)
        if key not in self._known:
            argv = (str(path), "-I", "-c", _ASK)
            env = uv_environment(self._folder / "cache", self._folder / "home")
            result = await self._run_tool(ToolCommand(argv=argv, env=env, cwd=self._folder, timeout_s=_ASK_TIMEOUT_S))
            try:
                self._known[key] = Interpreter(path=path, **json.loads(result.output.splitlines()[-1]))
            except (ValueError, TypeError, IndexError):
                raise PreparationError(
                    f"Python {path} does not run: {short_complaint(result.output)}", is_permanent=True
                ) from None
        return self._known[key]

    async def _ask_uv(self, request: str) -> Path | None:
        if self._uv is None:
            return None
        env = uv_environment(self._folder / "cache", self._folder / "home")
        downloads = () if self._may_download else ("--no-python-downloads",)
        find = (str(self._uv), "python", "find", *config_arguments(env), "--system", "--quiet", *downloads, request)
        if self._may_download:
            install = (str(self._uv), "python", "install", *config_arguments(env), "--quiet", request)
            await self._run_tool(ToolCommand(argv=install, env=env, cwd=self._folder, timeout_s=_DOWNLOAD_TIMEOUT_S))
        result = await self._run_tool(ToolCommand(argv=find, env=env, cwd=self._folder, timeout_s=_ASK_TIMEOUT_S))
        lines = result.output.splitlines()
        return Path(lines[-1]) if result.succeeded and lines else None


def own_python() -> Path:
    """The interpreter below the daemon's own virtual environment: environments must not stand on that."""
    own = Path(getattr(sys, "_base_executable", None) or sys.executable).resolve()
    # The Windows bundle's interpreter shows the daemon's packages to whatever stands on it: a bare one lies beside it.
    beside = own.parent / "bots" / "python.exe"
    return beside if sys.platform == "win32" and beside.exists() else own


def _with_fallback(request: str) -> tuple[str, ...]:
    exact = exact_version(request)
    if exact is None or exact.count(".") < 2:
        return (request,)
    return request, exact.rpartition(".")[0]
