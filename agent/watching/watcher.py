"""One watched folder's loop: woken by its bells, by time and by answers; it looks, decides, and tells.

Between wakes it sleeps. It looks through the whole folder at its start, after whatever nobody can tell, and seldom
besides: a bell may be missed.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar, TypeVarTuple

from agent.ports.clock import Clock
from agent.watching import looking
from agent.watching.bells import Bells
from agent.watching.settling import REFUSED_S, SLICE, Ready, Settling
from agent.wire.watching import (
    FILES_IN_A_MESSAGE,
    PATH_MAX,
    TROUBLE_MAX,
    FilesFound,
    FilesTaken,
    FolderNews,
    FolderTold,
    FoundFile,
    WatchedFolder,
)

log = logging.getLogger(__name__)

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

_LOOK_S = 60.0
"""Between looks through a folder whose bells ring."""
_LOOK_OFTEN_S = 5.0
"""Through one that has none."""
_MISSED_S = 2.0
"""For one that is not there."""
_SHARE = 50
"""A look that takes long is repeated no sooner than so many times its length."""
_REST_S = 60.0
"""After a failure that nobody foresaw."""
_ANSWER_S = 30.0
"""A file system that does not answer for so long is a trouble."""
_PATHS_MAX = 200
"""Where more has changed, looking through the folder is the shorter way."""
_TELL_ALL_S = 86400.0
"""All files are told again so often: the hub keeps what runners still see."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What all watchers share."""

    clock: Clock
    pool: Executor
    """A dead share may block its threads for ever: no other part of the daemon waits for them."""
    bells: Bells
    tell: Callable[[FolderNews], bool]
    """False while there is no session: nothing was sent."""
    numbers: Iterator[int]


class Watcher:
    """See the module. All but `run` is called on the loop, and returns at once."""

    def __init__(self, wanted: WatchedFolder, around: Surroundings) -> None:
        self.wanted = wanted
        self._around = around
        self._settling = Settling(wanted.stable_s, leave_existing=wanted.leave_existing)
        self._look: looking.Look = looking.Look()
        self._look_at: float = around.clock.monotonic()
        self._tell_all_at = self._look_at + _TELL_ALL_S
        self._changed: set[str] = set()
        self._wake = asyncio.Event()
        self._asked: FolderNews | None = None
        self._quiet_until = 0.0
        """Refused, it tells no files for a while."""
        self._state_quiet_until = 0.0
        """Nor how the folder is."""
        self._rests_until = self._look_at
        self._trouble = ""
        self._told_trouble: str | None = None
        """What the hub knows; None before it was told anything."""

    @property
    def asked(self) -> int:
        """The number of what waits for its answer; 0 for nothing."""
        return 0 if self._asked is None else self._asked.number

    async def run(self) -> None:
        """Watch until it is cancelled."""
        try:
            while True:
                try:
                    await self._turn()
                except Exception as error:
                    # Whatever a folder holds, the daemon and its other folders go on.
                    log.exception("folder of %s: it is looked at again later", self.wanted.trigger_id)
                    self._rest(error)
                await self._sleep()
        finally:
            self._around.bells.drop(self.wanted.trigger_id)

    async def _turn(self) -> None:
        now = self._around.clock.monotonic()
        if now >= max(self._look_at, self._rests_until):
            await self._look_through()
        elif now >= self._rests_until:
            await self._glance()
        self._tell()

    def _rest(self, error: Exception) -> None:
        """Say nothing but that it failed for a while, then look through the whole folder."""
        now = self._around.clock.monotonic()
        if now >= self._rests_until:
            self._wake.set()
        self._rests_until = self._look_at = now + _REST_S
        if self._asked is None:
            self._settling.cut()
        folder, why = self.wanted.folder, f"{type(error).__name__}: {error}"
        self._trouble = _shown(f"{folder} could not be watched and is tried again: {why}", TROUBLE_MAX)

    async def _sleep(self) -> None:
        """Until something wakes it, or is due."""
        now = self._around.clock.monotonic()
        due_at = max(self._rests_until, min(self._look_at, self._settling.due_at()))
        due_at = min([due_at, *(at for at in (self._quiet_until, self._state_quiet_until) if at > now)])
        with suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, due_at - now)):
                await self._wake.wait()
        self._wake.clear()

    # --- woken -------------------------------------------------------------------------------------------------------

    def ring(self, paths: set[str] | None) -> None:
        """Something changed at these paths, which may be another watcher's; None: nobody knows where."""
        if paths is not None:
            # An event of a folder itself names that folder, any other one what lies in it.
            folders = self._look.folders
            paths = {path for path in paths if path in folders or looking.parent_of(path) in folders}
            if not paths:
                return
            self._changed |= paths
        if paths is None or len(self._changed) > _PATHS_MAX:
            self._look_soon()
        self._wake.set()

    def answered(self, answer: FilesTaken) -> None:
        """The hub answered what was asked."""
        asked, self._asked = self._asked, None
        now = self._around.clock.monotonic()
        if answer.refused and isinstance(asked, FolderTold):
            self._state_quiet_until = now + REFUSED_S
        elif answer.refused:
            self._settling.refused(now)
            self._quiet_until = now + REFUSED_S
        elif isinstance(asked, FilesFound):
            self._settling.answered(answer.again, now)
        elif isinstance(asked, FolderTold):
            self._told_trouble = asked.trouble
            if asked.device is not None:
                self._settling.all_told()
        self._wake.set()

    def opened(self) -> None:
        """A session is open: what was asked in an older one may not have arrived."""
        self._asked = None
        self._settling.cut()
        self._wake.set()

    # --- looks -------------------------------------------------------------------------------------------------------

    async def _look_through(self) -> None:
        clock = self._around.clock
        self._changed.clear()
        began = clock.monotonic()
        look, is_armed = await self._look_until_armed()
        now = clock.monotonic()
        pause_s = _LOOK_S if is_armed and not look.is_remote else _LOOK_OFTEN_S
        self._look_at = now + max(_MISSED_S if look.device is None else pause_s, _SHARE * (now - began))
        if look.device is not None:
            tells_all = now >= self._tell_all_at
            if tells_all:
                self._tell_all_at = now + _TELL_ALL_S
            for _ in self._settling.listing(look.files, now, tell_all=tells_all):
                await asyncio.sleep(0)  # heartbeats and bots don't wait for thousands of files
        else:
            self._settling.lost()
        self._say_trouble(look.trouble)
        await self._glance()

    async def _look_until_armed(self) -> tuple[looking.Look, bool]:
        """(The folder, whether its bells ring); what came before they did is in it."""
        while True:
            # At once, so that no bell of a folder that it names goes unheard.
            look = self._look = await self._beside(looking.look_through, self.wanted)
            if not look.folders:
                self._around.bells.drop(self.wanted.trigger_id)
                return look, False
            is_armed, is_new = await self._around.bells.arm(self.wanted.trigger_id, look.folders)
            if not (is_armed and is_new):
                return look, is_armed

    async def _glance(self) -> None:
        """Look at what has changed, and at what is due."""
        paths, self._changed = self._changed, set()
        now = self._around.clock.monotonic()
        every = list(dict.fromkeys([*paths, *self._settling.due(now)]))
        if not every:
            return
        glances = await self._beside(looking.look_at, every, self.wanted, self._look.folders)
        now = self._around.clock.monotonic()
        for number, one in enumerate(glances, 1):
            is_below = one.is_folder and self.wanted.recursive and one.path not in self._look.folders
            is_gone = one.path in self._look.folders and not one.is_folder
            if is_below or is_gone:
                self._look_soon()
            self._settling.looked(one.path, one.identity, now, unreadable=one.unreadable)
            if number % SLICE == 0:
                await asyncio.sleep(0)
        self._say_trouble(self._look.trouble)

    async def _beside(self, function: Callable[[*Ts], T], *arguments: *Ts) -> T:
        """Ask the file system, in a thread; where it does not answer, that is told meanwhile."""
        asking = asyncio.get_running_loop().run_in_executor(self._around.pool, function, *arguments)
        done, _ = await asyncio.wait({asking}, timeout=_ANSWER_S)
        if not done:
            self._say_trouble(f"{self.wanted.folder} does not answer")
            self._tell()
        return await asking

    def _look_soon(self) -> None:
        self._look_at = self._around.clock.monotonic()

    # --- told --------------------------------------------------------------------------------------------------------

    def _say_trouble(self, of_folder: str) -> None:
        held = self._settling.unreadable()
        of_files = f"{held[0]} files can't be read, such as {held[1]}: {held[2]}" if held else ""
        trouble = _shown(of_folder or of_files, TROUBLE_MAX)
        if trouble != self._trouble:
            log.info("folder of %s: %s", self.wanted.trigger_id, trouble or "all is well")
        self._trouble = trouble

    def _tell(self) -> None:
        """Say the next thing, unless something waits for its answer."""
        if self._asked is not None:
            return
        now = self._around.clock.monotonic()
        news: FolderNews | None = None
        if now >= max(self._quiet_until, self._rests_until):
            news = self._ready()
        if news is None and now >= self._state_quiet_until:
            news = self._state()
        if news is not None and self._around.tell(news):
            self._asked = news
        elif news is not None:
            self._settling.cut()  # told when a session is open

    def _ready(self) -> FilesFound | None:
        """The next files to be told."""
        ready = self._settling.ask(FILES_IN_A_MESSAGE)
        if not ready:
            return None
        return FilesFound(
            number=next(self._around.numbers),
            trigger_id=self.wanted.trigger_id,
            revision=self.wanted.revision,
            files=tuple(_found(one) for one in ready),
        )

    def _state(self) -> FolderTold | None:
        """How the folder is, where the hub does not know that."""
        is_whole = self._settling.is_all_answered and self._look.device is not None
        if not is_whole and self._trouble == (self._told_trouble or ""):
            return None
        return FolderTold(
            number=next(self._around.numbers),
            trigger_id=self.wanted.trigger_id,
            revision=self.wanted.revision,
            device=self._look.device if is_whole else None,
            files=len(self._settling),
            trouble=self._trouble,
        )


def _found(one: Ready) -> FoundFile:
    is_text = len(one.path) <= PATH_MAX
    try:
        one.path.encode()
    except UnicodeEncodeError:
        is_text = False
    return FoundFile(
        path=_shown(one.path, PATH_MAX),
        device=one.identity.device,
        inode=one.identity.inode,
        mtime_ns=one.identity.mtime_ns,
        size=one.identity.size,
        is_text=is_text,
        was_there=one.was_there,
        answered=one.answered,
    )


def _shown(text: str, most: int) -> str:
    """As it can be written down: what is no text is escaped, what is too long is cut."""
    return text.encode(errors="backslashreplace").decode()[:most]
