"""Python environments by key: `envs/<key>`, made once, shared by all builds with the same needs (bot-packages.md §3).

The key is the sha256 over the locked list, the exact Python, OS, architecture, libc and index settings; nothing about
paths or names. An environment is ready when `envs/<key>/.ready` says so, which is written last, after every file of it
is synced; without it the folder is thrown away and made again: a crash or a power cut never leaves half of one.

How packages get in: from uv's cache without the network, else online; only with the hashes of the list, and only
wheels, unless the list itself says that a runner resolved it with packages built from source (S25). Byte code is
compiled here, once: a run may not write into a shared environment, and compiling at each start cost 1.3 s of 1.7 with
BotCity's SDK.
"""

import asyncio
import hashlib
import json
import platform
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from agent.builds.errors import PreparationError
from agent.builds.installing import Contents, Installer, Source
from agent.builds.interpreters import Interpreter, Interpreters
from agent.builds.sealing import FORMAT, READY, inventory, mark_used, only_one, read_ready, seal
from agent.builds.uses import ENVIRONMENT, Uses
from agent.ports.files import Disk
from agent.ports.uv import index_settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """A ready environment: its key, and its interpreter."""

    key: str
    root: Path

    @property
    def python(self) -> Path:
        """The interpreter that bots of this environment are started with."""
        return self.root / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")

    @property
    def scripts(self) -> Path:
        """Where its commands are; stands first on the bot's PATH."""
        return self.python.parent


class Environments:
    """All environments of this home."""

    def __init__(
        self, root: Path, disk: Disk, interpreters: Interpreters, installer: Installer, uses: Uses | None = None
    ) -> None:
        """`uses` says which of them bots stand on now: none of those is made anew."""
        self._root = root
        self._disk = disk
        self._interpreters = interpreters
        self._installer = installer
        self._uses = uses or Uses()
        self._verified: set[str] = set()

    def ready(self, key: str) -> Environment | None:
        """The environment of that key when it is ready. The first question since the start looks at all its files."""
        environment = Environment(key=key, root=self._root / key)
        said = self._disk.read(environment.root / READY)
        if said is None or not environment.python.exists():
            return None
        if key not in self._verified and read_ready(said) != inventory(environment.root):
            return None
        self._verified.add(key)
        return environment

    async def ensure(
        self, request: str, lock: bytes | None, tell: Callable[[str], None], source: Source | None = None
    ) -> Environment:
        """The environment for this locked list (None: no packages) on a Python that `request` admits, made if needed.

        `source` is the build where more than the list goes into it.

        Raises PreparationError with the tool's own words; then nothing is left that could be taken for ready.
        """
        interpreter = await self._interpreters.find(request, tell)
        contents = Contents(
            lock=lock,
            source=source if source is not None and source.counts else None,
            wheels=source.wheels if source is not None else (),
        )
        key = key_of(contents, interpreter)
        known = await asyncio.to_thread(self.ready, key)
        if known is not None:
            return known
        self._disk.make_folder(self._root)
        async with only_one(self._root / f"{key}.lock"):
            made = await asyncio.to_thread(self.ready, key)
            return made or await self._make(key, interpreter, contents, tell)

    def drop_if_changed(self, key: str) -> bool:
        """Look whether a run changed a shared environment; if so it is no longer ready, and True."""
        root = self._root / key
        said = self._disk.read(root / READY)
        if said is None or read_ready(said) == inventory(root):
            return False
        self._verified.discard(key)
        (root / READY).unlink(missing_ok=True)
        self._disk.sync_folder(root)
        return True

    def mark_used(self, key: str) -> None:
        """A bot is started in it."""
        mark_used(self._root / key)

    async def _make(
        self, key: str, interpreter: Interpreter, contents: Contents, tell: Callable[[str], None]
    ) -> Environment:
        environment = Environment(key=key, root=self._root / key)
        if self._uses.is_used(ENVIRONMENT, key) and environment.root.exists():
            text = "a run changed its environment; it is made again when the bots that stand on it have ended"
            raise PreparationError(text, is_permanent=False)
        await asyncio.to_thread(self._disk.remove_tree, environment.root)
        try:
            await self._installer.make(environment.root, environment.python, interpreter, contents, tell)
            await asyncio.to_thread(seal, environment.root, self._disk)
        except BaseException:
            await asyncio.shield(asyncio.to_thread(self._disk.remove_tree, environment.root))
            raise
        self._verified.add(key)
        return environment


def key_of(contents: Contents, interpreter: Interpreter) -> str:
    """The name of the environment with these contents on this interpreter."""
    lock, source = contents.lock, contents.source
    needs: dict[str, object] = {
        "format": FORMAT,
        "lock": hashlib.sha256(lock).hexdigest() if lock is not None else None,
        "python": interpreter.identity(),
        "system": platform.system(),
        "index": index_settings(),
    }
    if source is not None:
        needs["source"] = [source.digest, source.install, *source.run_once]
    return hashlib.sha256(json.dumps(needs, sort_keys=True).encode()).hexdigest()
