"""A preparation of a build that is killed at each thing that it does to the disk, and what the next daemon finds (R53).

``python -m tests.builds.dying_preparation HOMES``: one life a step, each a fork that is killed right before its n-th
change of a folder or file, or sync; then the next daemon looks, and prepares. Prints what it found, as JSON.
"""

import asyncio
import hashlib
import json
import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from agent.builds import Workshop, open_workshop
from agent.builds.prepare import Prepared
from agent.builds.sealing import READY
from agent.ports.files import AppendFile, SystemDisk
from agent.ports.tools import ToolCommand, ToolResult
from agent.wire.builds import Manifest
from agent.wire.task import BuildReference
from tests.support.runner_builds import MemoryHub, PretendTools, reference

FILES = {"main.py": b"print(1)\n", "data/big.bin": bytes(range(256)) * 20, "data/empty": b""}
INSTALLED = {"lib/site-packages/idna.py": b"one = 1\n" * 500, "lib/site-packages/idna.dist/RECORD": b"idna.py\n"}
CHANGES = frozenset({"os.rename", "os.link", "os.mkdir", "os.remove", "os.rmdir", "os.chmod", "os.truncate"})
STEPS_MAX = 400
DIED, CAME_TO_ITS_END = -signal.SIGKILL, 0


class Installing(PretendTools):
    """A uv whose installed files are there to be looked at."""

    async def __call__(self, command: ToolCommand, on_line: Callable[[str], None] | None = None) -> ToolResult:
        """Run as `RunTool` does."""
        result = await super().__call__(command, on_line)
        if "sync" in command.argv:
            root = Path(command.argv[command.argv.index("--python") + 1]).parents[1]
            for name, data in INSTALLED.items():
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                (root / name).write_bytes(data)
        return result


class Death:
    """Comes to its process right before a step."""

    def __init__(self, step: int) -> None:
        self._left = step

    def near(self) -> None:
        """One step nearer."""
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def hear(self, event: str, about: tuple[Any, ...]) -> None:
        """An audit hook: whatever changes a folder, or opens a file to write."""
        is_writing = event == "open" and isinstance(about[2], int) and about[2] & (os.O_WRONLY | os.O_RDWR)
        if event in CHANGES or is_writing:
            self.near()


class MortalDisk(SystemDisk):
    """Each sync is a step, too; Python tells nobody of those."""

    def __init__(self, death: Death) -> None:
        self._death = death

    def sync_folder(self, path: Path) -> None:
        self._death.near()
        super().sync_folder(path)

    def open_append(self, path: Path) -> AppendFile:
        opened = super().open_append(path)
        self._death.near()
        return opened


def main(homes: Path) -> None:
    """Live and die."""
    hub = MemoryHub()
    manifest = hub.serve(FILES)
    build = reference(manifest, python=">=3.11", lock=b"idna==3\n", hub=hub)
    kills = called_ready = 0
    faults: list[str] = []
    for step in range(1, STEPS_MAX):
        home = homes / str(step)
        how = _live(home, build, hub, step)
        if how == CAME_TO_ITS_END:
            break
        if how != DIED:
            faults.append(f"step {step}: ended with {how}")
        kills += 1
        ready, found = _next_daemon(home, build, hub, manifest)
        called_ready += ready
        faults += [f"step {step}: {fault}" for fault in found]
        shutil.rmtree(home, onerror=_make_writable)
    print(json.dumps({"kills": kills, "called_ready": called_ready, "faults": faults}))


def _live(home: Path, build: BuildReference, hub: MemoryHub, step: int) -> int:
    """One life in a process of its own; how it ended."""
    child = os.fork()
    if child == 0:
        death = Death(step)
        sys.addaudithook(death.hear)
        asyncio.run(_prepare(_shop(home, MortalDisk(death)), build, hub))
        os._exit(CAME_TO_ITS_END)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _next_daemon(home: Path, build: BuildReference, hub: MemoryHub, manifest: Manifest) -> tuple[int, list[str]]:
    """Whether the next one calls the build ready at once, and what is wrong with what it has then and in the end."""
    shop = _shop(home, SystemDisk())
    at_once = shop.preparer.known()
    faults = [f"called ready: {fault}" for one in at_once for fault in _missing(home, shop, one, manifest)]
    prepared = asyncio.run(_prepare(shop, build, hub))
    faults += [f"prepared again: {fault}" for fault in _missing(home, shop, prepared, manifest)]
    if [prepared] != _shop(home, SystemDisk()).preparer.known():
        faults.append("prepared again, and the daemon after does not know it")
    faults += [f"left behind: {path}" for path in home.rglob("*.tmp")]
    return len(at_once), faults


def _missing(home: Path, shop: Workshop, prepared: Prepared, manifest: Manifest) -> list[str]:
    """What of a build that is called ready is not there as it should be."""
    tree = shop.trees.path(prepared.reference.digest)
    environment = home / "envs" / str(prepared.environment)
    wanted = {tree / file.path: file.sha256 for file in manifest.files}
    wanted |= {environment / name: hashlib.sha256(data).hexdigest() for name, data in INSTALLED.items()}
    faults = [str(path) for path, digest in wanted.items() if _digest(path) != digest]
    return faults if (environment / READY).is_file() else [*faults, READY]


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


def _shop(home: Path, disk: SystemDisk) -> Workshop:
    return open_workshop(home, disk, tool=Installing(), uv=Path("/uv"))


async def _prepare(shop: Workshop, build: BuildReference, hub: MemoryHub) -> Prepared:
    return await shop.preparer.prepare(build, hub, lambda _: None)


def _make_writable(_act: object, path: str, _error: object) -> None:
    Path(path).parent.chmod(0o700)
    Path(path).unlink(missing_ok=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
