"""Which bundles this hub can hand out: files of DATA/bundles, its own kind's made there at the first need.

An administrator puts bundles that were made elsewhere into the same folder; the newest of each kind counts.
"""

import asyncio
import hashlib
import logging
import os
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from agent.ports.clock import SystemClock
from agent.ports.tools import ToolCommand, run_tool
from hub.install.scripts import NAME, Bundle

FOLDER = "bundles"
log = logging.getLogger(__name__)

_BUILD_S = 600.0
_AGAIN_S = 300.0
"""After a build that failed: who asks is nobody we know, and each build takes a CPU for seconds."""
_Seen = tuple[int, int, int]


GENTLY = "gently"
"""How a bundle is built beside a hub that goes on working."""


class CannotBuild(Exception):  # noqa: N818 - a state of this installation
    """No bundle can be made of this installation; the text is one sentence."""


async def build_apart(folder: Path) -> str:
    """Have the bundle of this machine's kind in `folder`; its name. In another process: it takes seconds of CPU.

    Raises CannotBuild.
    """
    argv = (sys.executable, "-m", "hub.install.building", str(folder), GENTLY)
    result = await run_tool(ToolCommand(argv=argv, env=os.environ, cwd=Path("/"), timeout_s=_BUILD_S))
    last = (result.output.splitlines() or [""])[-1]
    if not result.succeeded:
        raise CannotBuild(last or "the build said nothing")
    return last


@dataclass(slots=True)
class Bundles:
    """The folder. Used on the event loop; files are read in threads."""

    folder: Path
    build: Callable[[Path], Awaitable[str]] = build_apart
    monotonic: Callable[[], float] = SystemClock().monotonic
    _digests: dict[tuple[str, _Seen], str] = field(default_factory=dict, init=False)
    _is_built: bool = field(default=False, init=False)
    _rests_until: float | None = field(default=None, init=False)
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)

    async def ready(self) -> Sequence[Bundle]:
        """All of them, after this machine's own kind was made where it is not there.

        Where it can't be made the others are handed out, and the log says why; it is tried again some minutes later.
        """
        async with self._turn:
            if not self._is_built and (self._rests_until is None or self.monotonic() >= self._rests_until):
                try:
                    await self.build(self.folder)
                    self._is_built = True
                except (CannotBuild, OSError) as error:
                    self._rests_until = self.monotonic() + _AGAIN_S
                    log.warning(
                        "no bundle could be made of this installation, tried again in %.0f s: %s", _AGAIN_S, error
                    )
        return await self.there()

    async def there(self) -> Sequence[Bundle]:
        """Those that lie in the folder now."""
        return await asyncio.to_thread(self._look)

    async def file(self, name: str) -> Path | None:
        """Where a bundle lies, by its name; None for any other name."""
        return next((self.folder / one.name for one in await self.there() if one.name == name), None)

    def _look(self) -> list[Bundle]:
        newest: dict[str, tuple[int, Bundle]] = {}
        for path in sorted(self.folder.glob("*.zip")) if self.folder.is_dir() else ():
            found = self._bundle(path) if NAME.fullmatch(path.name) else None
            if found is not None and found[0] >= newest.get(found[1].platform, (0,))[0]:
                newest[found[1].platform] = found
        return sorted((one for _, one in newest.values()), key=lambda one: one.name)

    def _bundle(self, path: Path) -> tuple[int, Bundle] | None:
        """When it was changed, and what it is; None for what can't be read: the older one of its kind counts then."""
        try:
            return self._read(path)
        except OSError as error:
            # As root's copy is, where the hub is another user; or a link to nowhere, or what somebody removes just now.
            log.warning("the bundle %s is not handed out, as it can't be read: %s", path, error.strerror)
            return None

    def _read(self, path: Path) -> tuple[int, Bundle]:
        match, stat = NAME.fullmatch(path.name), path.stat()
        assert match is not None
        key = (path.name, (stat.st_ino, stat.st_size, stat.st_mtime_ns))
        if key not in self._digests:
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            self._digests = {known: value for known, value in self._digests.items() if known[0] != path.name}
            self._digests[key] = digest
        bundle = Bundle(
            name=path.name,
            version=match["version"],
            platform=match["platform"],
            size_bytes=stat.st_size,
            sha256=self._digests[key],
        )
        return stat.st_mtime_ns, bundle
