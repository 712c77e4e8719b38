"""Slots made ready: an empty work folder and an idle shim for each, and the zygote that forks them (`core.md` §2).

Without a zygote or without an idle shim a slot gives no credit. A zygote that ends is started again; idle shims of the
old one are let go. Slots whose last tree has survivors are looked at until those are gone.
"""

import asyncio
import logging
from collections.abc import Callable

from agent.builds_port import Builds
from agent.shims_port import IdleShim, RunningShim, Shims, Zygote, ZygoteGone
from agent.slots import Slots

log = logging.getLogger(__name__)
_ZYGOTE_AGAIN_S = 1.0
_LOOK_AGAIN_S = 5.0
NO_ZYGOTE = "cannot start processes"
NO_FOLDER = "no room for a work folder"


class Benches:
    """Where idle shims sit. `run` and `keep_zygote` are loops of the daemon's TaskGroup."""

    def __init__(self, slots: Slots, builds: Builds, shims: Shims, changed: Callable[[], None]) -> None:
        self._slots = slots
        self._shims = shims
        self._builds = builds
        self._changed = changed
        self._zygote: Zygote | None = None
        self._idle: dict[int, IdleShim] = {}
        self._wake = asyncio.Event()
        self.troubles: set[str] = set()
        """Why slots cannot be made ready now; told in heartbeats."""

    def wake(self) -> None:
        """Some slot may want to be made ready."""
        self._wake.set()

    async def take(self, slot: int) -> IdleShim:
        """The idle shim of a slot, or another where it has died. Raises ZygoteGone."""
        shim = self._idle.pop(slot, None)
        if shim is not None and shim.is_alive:
            return shim
        if shim is not None:
            shim.close()
        return await self._taken()

    async def _taken(self) -> IdleShim:
        """One of the zygote that is there now, which may not be the one of a moment ago."""
        if self._zygote is None:
            raise ZygoteGone("there is no zygote now")
        return await self._zygote.take()

    def let_go(self, running: RunningShim) -> None:
        """The verdict is known: the shim may come back here when its bot has ended."""
        if self._zygote is None:
            running.close()
        else:
            self._zygote.expect(running)

    async def run(self) -> None:
        """Make slots ready, one after the other, whenever one wants it."""
        while True:
            self._wake.clear()
            for number in self._slots.wanting():
                await self._make_ready(number)
            await self._look_at_stuck()
            await self._wait()

    async def keep_zygote(self) -> None:
        """Start a zygote, and another when it has ended."""
        try:
            while True:
                await self._one_zygote()
                await asyncio.sleep(_ZYGOTE_AGAIN_S)
        finally:
            await self._close()

    async def _one_zygote(self) -> None:
        try:
            self._zygote = await self._shims.start_zygote(spares=self._slots.count)
        except OSError as error:
            log.error("zygote not started: %s", error)  # noqa: TRY400
            self._trouble(NO_ZYGOTE, is_there=True)
            return
        self._trouble(NO_ZYGOTE, is_there=False)
        self.wake()
        await self._zygote.wait_gone()
        log.warning("the zygote has ended; another is started")
        await self._close()
        self._trouble(NO_ZYGOTE, is_there=True)

    async def _close(self) -> None:
        zygote, self._zygote = self._zygote, None
        for number, shim in self._idle.items():
            shim.close()
            self._slots.set_ready(number, is_ready=False)
        self._idle.clear()
        if zygote is not None:
            zygote.close()
            await zygote.reap()

    async def _make_ready(self, number: int) -> None:
        if self._zygote is None:
            return
        try:
            await self._builds.make_slot_ready(number)
            if number not in self._idle or not self._idle[number].is_alive:
                self._idle[number] = await self._taken()
        except ZygoteGone:
            return
        except OSError as error:
            log.error("slot %d is not ready: %s", number, error)  # noqa: TRY400
            self._trouble(NO_FOLDER, is_there=True)
            return
        self._trouble(NO_FOLDER, is_there=False)
        self._slots.set_ready(number, is_ready=True)
        self._changed()

    async def _look_at_stuck(self) -> None:
        for slot in self._slots.stuck():
            left = await asyncio.to_thread(self._shims.find_leftovers, slot.used_by or "")
            if not left:
                self._slots.cleared(slot.number)
                self._wake.set()

    async def _wait(self) -> None:
        """Until something changes; with trouble or survivors no longer than five seconds."""
        is_calm = not self._slots.stuck() and NO_FOLDER not in self.troubles
        try:
            async with asyncio.timeout(None if is_calm else _LOOK_AGAIN_S):
                await self._wake.wait()
        except TimeoutError:
            return

    def _trouble(self, what: str, *, is_there: bool) -> None:
        before = set(self.troubles)
        (self.troubles.add if is_there else self.troubles.discard)(what)
        if before != self.troubles:
            self._changed()
