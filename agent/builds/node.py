"""Packages of Node bots by key: `node/<key>/node_modules`, made once, shared by all builds with the same needs.

The key is the sha256 over the lockfile (else `package.json`), OS, architecture, libc, Node's version and the registry
settings (bot-packages.md §3). A build gets a link to them in its work folder, or a copy where links can't be. A package
that brings its own `node_modules` keeps it; one without dependencies needs nothing.
"""

import asyncio
import hashlib
import json
import os
import platform
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.builds.errors import PreparationError
from agent.builds.programs import Programs
from agent.builds.sealing import FORMAT, READY, inventory, mark_used, only_one, read_ready, seal
from agent.ports.files import Disk
from agent.ports.tools import RunTool, ToolCommand
from agent.ports.uv import uv_environment

INSTALL_TIMEOUT_S = 1800.0
_ASK_TIMEOUT_S = 30.0
_LOCKS = ("npm-shrinkwrap.json", "package-lock.json")
_DEPENDENCIES = ("dependencies", "optionalDependencies", "peerDependencies")
_LOCAL = ("file:", "link:", "workspace:", "./", "../")
_PASSED = ("npm_config_", "node_extra_ca_certs")
_UNREACHED = ("ENOTFOUND", "EAI_AGAIN", "ETIMEDOUT", "ECONNREFUSED", "ECONNRESET", "ENOTCACHED", "network", "ENOSPC")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Project:
    """What of a build decides over its packages."""

    tree: Path
    digest: str
    package: dict[str, Any]
    lock: Path | None

    @property
    def has_local(self) -> bool:
        """Whether a dependency lies in the build itself."""
        named = [spec for field in _DEPENDENCIES for spec in (self.package.get(field) or {}).values()]
        return "workspaces" in self.package or any(str(spec).startswith(_LOCAL) for spec in named)

    @property
    def needs_packages(self) -> bool:
        """Whether there is anything to install."""
        is_named = any(self.package.get(field) for field in _DEPENDENCIES) or "workspaces" in self.package
        return is_named and not (self.tree / "node_modules").is_dir()


class NodePackages:
    """All installed packages of Node bots of this home."""

    def __init__(self, root: Path, tools: Path, disk: Disk, run_tool: RunTool, programs: Programs) -> None:
        """`tools` is npm's working folder, with its cache."""
        self._root = root
        self._tools = tools
        self._disk = disk
        self._run_tool = run_tool
        self._programs = programs
        self._verified: set[str] = set()

    def ready(self, key: str) -> Path | None:
        """The `node_modules` of that key when it is ready. The first question since the start looks at all files."""
        root = self._root / key
        said = self._disk.read(root / READY)
        if said is None or not (root / "node_modules").is_dir():
            return None
        if key not in self._verified and read_ready(said) != inventory(root):
            return None
        self._verified.add(key)
        return root / "node_modules"

    def mark_used(self, key: str) -> None:
        """A bot is started with them."""
        mark_used(self._root / key)

    async def ensure(self, tree: Path, digest: str, tell: Callable[[str], None]) -> str | None:
        """The key of the packages that this build needs, installed if they are not here; None where it needs none.

        Raises PreparationError with npm's own words; then nothing is left that could be taken for ready.
        """
        project = await asyncio.to_thread(_read, tree, digest)
        if not project.needs_packages:
            return None
        key = await self._key(project)
        if await asyncio.to_thread(self.ready, key) is not None:
            return key
        self._disk.make_folder(self._root)
        async with only_one(self._root / f"{key}.lock"):
            if await asyncio.to_thread(self.ready, key) is None:
                await self._make(key, project, tell)
        return key

    async def _make(self, key: str, project: _Project, tell: Callable[[str], None]) -> None:
        root = self._root / key
        await asyncio.to_thread(self._disk.remove_tree, root)
        try:
            await asyncio.to_thread(_lay_out, project, root)
            tell("installing packages with npm")
            await self._install(project, root)
            (root / "node_modules").mkdir(exist_ok=True)
            await asyncio.to_thread(seal, root, self._disk)
        except BaseException:
            await asyncio.shield(asyncio.to_thread(self._disk.remove_tree, root))
            raise
        self._verified.add(key)

    async def _install(self, project: _Project, root: Path) -> None:
        how = "ci" if project.lock is not None else "install"
        argv = (self._programs.need("npm"), how, "--omit=dev", "--prefer-offline", "--no-audit", "--no-fund")
        command = ToolCommand(argv=argv, env=self._variables(), cwd=root, timeout_s=INSTALL_TIMEOUT_S)
        try:
            result = await self._run_tool(command)
        except OSError as error:
            raise PreparationError(f"npm could not be started: {error}", is_permanent=True) from None
        if not result.succeeded:
            is_permanent = result.exit_code is not None and not any(sign in result.output for sign in _UNREACHED)
            complaint = short_npm_complaint(result.output)
            raise PreparationError(f"npm {how} failed: {complaint}", is_permanent=is_permanent)

    async def _key(self, project: _Project) -> str:
        node = self._programs.need("node")
        command = ToolCommand(
            argv=(node, "--version"), env=self._variables(), cwd=self._tools, timeout_s=_ASK_TIMEOUT_S
        )
        version = (await self._run_tool(command)).output.strip()
        wanted = project.lock or project.tree / "package.json"
        needs = {
            "format": FORMAT,
            "lock": hashlib.sha256(await asyncio.to_thread(wanted.read_bytes)).hexdigest(),
            "source": project.digest if project.has_local else "",
            "node": version,
            "system": [platform.system(), platform.machine(), "".join(platform.libc_ver())],
            "registry": _npm_settings(os.environ),
        }
        return hashlib.sha256(json.dumps(needs, sort_keys=True).encode()).hexdigest()

    def _variables(self) -> dict[str, str]:
        """What npm, and the scripts of packages that it runs, get to see: nothing of the runner's own (S18, S25)."""
        self._disk.make_folder(self._tools / "home")
        env = uv_environment(self._tools / "cache", self._tools / "home")
        return {
            **env,
            **_npm_settings(os.environ),
            "PATH": self._programs.path,
            "npm_config_cache": str(self._tools / "npm"),
            "npm_config_update_notifier": "false",
        }


def _npm_settings(source: Mapping[str, str]) -> dict[str, str]:
    """Settings of npm that the runner was given: where packages come from is its affair, never a package's."""
    return {name: value for name, value in source.items() if name.lower().startswith(_PASSED)}


def _read(tree: Path, digest: str) -> _Project:
    try:
        package = json.loads((tree / "package.json").read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise PreparationError(f"package.json can't be read: {error}", is_permanent=True) from None
    if not isinstance(package, dict):
        raise PreparationError("package.json holds no object", is_permanent=True)
    lock = next((tree / name for name in _LOCKS if (tree / name).is_file()), None)
    return _Project(tree=tree, digest=digest, package=package, lock=lock)


def _lay_out(project: _Project, root: Path) -> None:
    """Put what npm reads into the new folder: all of the build only where a dependency lies in it. Blocks."""
    if project.has_local:
        shutil.copytree(project.tree, root, copy_function=shutil.copyfile)
    else:
        root.mkdir(parents=True)
        if project.lock is not None:
            shutil.copyfile(project.lock, root / project.lock.name)
    for folder in (root, *(path for path in root.rglob("*") if path.is_dir())):
        folder.chmod(0o700)
    # The bot's own scripts are for its own folder: they would find none of its files here.
    package = {name: value for name, value in project.package.items() if name != "scripts"}
    (root / "package.json").unlink(missing_ok=True)
    (root / "package.json").write_text(json.dumps(package, indent=2), encoding="utf-8")


def short_npm_complaint(output: str, lines: int = 8) -> str:
    """The part of npm's output that says what went wrong, for people."""
    kept = [line.strip() for line in output.splitlines() if line.startswith(("npm error", "npm ERR!"))]
    said = [line.removeprefix("npm error").removeprefix("npm ERR!").strip() for line in kept]
    wanted = [line for line in said if line and "complete log of this run" not in line and "_logs" not in line]
    return "\n".join(wanted[:lines] or output.splitlines()[-lines:])[:4000] or "no message"
