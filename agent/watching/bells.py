"""Wakes watchers when something changes in their folders, by what the operating system tells (watchfiles).

Each folder is armed by itself, never a tree: armed as trees, links in them would be followed out of them. A bell is
only a hint. What it can't tell (a share that others change, too many folders, an overflow) is found by the next look.
"""

import asyncio
import logging
import os
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Executor

from watchfiles._rust_notify import RustNotify  # watchfiles' own documentation names this as the way in

log = logging.getLogger(__name__)

Ring = Callable[[set[str] | None], None]
"""Given the paths that changed; None: nobody knows what."""

Names = dict[str, list[str]]
"""Real path of a folder to what watchers call it."""

_TURN_MS = 2000
_GATHER_MS = 250
_STEP_MS = 200
"""How long a change may go unnoticed. Each step is a wake of a thread, so not less than needed."""


class Bells:
    """The folders of all watchers of one daemon. Used on the loop."""

    def __init__(self, pool: Executor, ring: Ring) -> None:
        self._pool = pool
        self._ring = ring
        self._wanted: dict[str, Mapping[str, tuple[int, int]]] = {}
        self._armed: dict[str, tuple[int, int]] | None = None
        self._stop = threading.Event()
        self._lock = asyncio.Lock()

    async def arm(self, owner: str, folders: Mapping[str, tuple[int, int]]) -> tuple[bool, bool]:
        """Listen for this owner to these folders (path to device and inode), all anew where one is another than before.

        (Whether they are armed, whether they were armed only now: what happened before went unheard.)
        """
        self._wanted[owner] = folders
        async with self._lock:
            if self._is_armed(folders):
                return True, False
            return await self._arm_all(owner), True

    def drop(self, owner: str) -> None:
        """This owner listens no more, or its folders are gone: there again, they are armed anew."""
        for path in self._wanted.pop(owner, {}):
            if self._armed is not None:
                self._armed.pop(path, None)

    def close(self) -> None:
        """Listen to nothing."""
        self._stop.set()
        self._armed = None

    def _is_armed(self, folders: Mapping[str, tuple[int, int]]) -> bool:
        return self._armed is not None and all(self._armed.get(path) == known for path, known in folders.items())

    async def _arm_all(self, owner: str) -> bool:
        every = {path: known for folders in self._wanted.values() for path, known in folders.items()}
        loop = asyncio.get_running_loop()
        try:
            notify, names = await loop.run_in_executor(self._pool, _listener, sorted(every))
            stop = threading.Event()
            threading.Thread(target=self._listen, args=(notify, names, stop, loop), name="bells", daemon=True).start()
        except (OSError, RuntimeError) as error:
            # RuntimeError: no thread is left, or, as watchfiles has it, no instance of inotify.
            log.info("can't listen to the folders of %s: %s; they are looked at again and again", owner, error)
            return False
        # The old ones are heard a little longer than until the new ones are: nothing falls between.
        self._stop.set()
        self._stop, self._armed = stop, every
        return True

    def _listen(self, notify: RustNotify, names: Names, stop: threading.Event, loop: asyncio.AbstractEventLoop) -> None:
        """In a thread of its own, until it is told to stop, or fails.

        The library is not told: it would drop what it has gathered.
        """
        with notify:
            is_last = False
            while not is_last:
                is_last = stop.is_set()
                try:
                    changes = notify.watch(_GATHER_MS, _STEP_MS, _TURN_MS, None)
                except Exception as error:  # noqa: BLE001 - the library's own; a name that is no text is one of them
                    log.info("folders are listened to anew: %s", error)
                    _call(loop, self._failed, stop)
                    return
                if isinstance(changes, set):
                    _call(loop, self._ring, {given for _, path in changes for given in _given(path, names)})

    def _failed(self, stop: threading.Event) -> None:
        if stop is self._stop:
            self._armed = None
        self._ring(None)


def _listener(paths: list[str]) -> tuple[RustNotify, Names]:
    """What listens to these folders. Some systems name what changed by its real path, so all are armed by theirs."""
    names: Names = {}
    for path in paths:
        names.setdefault(os.path.realpath(path), []).append(path)
    return RustNotify(list(names), False, False, 0, False, True), names


def _given(path: str, names: Names) -> list[str]:
    """How watchers call a path that changed."""
    folder, name = os.path.split(path)
    return [*names.get(path, ()), *(os.path.join(given, name) for given in names.get(folder, ()))]  # noqa: PTH118


def _call(loop: asyncio.AbstractEventLoop, function: Callable[..., None], argument: object) -> None:
    try:
        loop.call_soon_threadsafe(function, argument)
    except RuntimeError:
        log.debug("the loop is closed")
