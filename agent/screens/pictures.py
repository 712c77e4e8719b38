"""Pictures of a running bot's desktop: the one of its failure, and a recording (`Work.failure_screenshot`, `record`).

    grab every 2 s (0.5 s where it is recorded)  -->  screens/newest.png     replaced when something changed
    a report of a failure, a stop of ours        -->  screens/failed.png     taken at that moment; then no more
    each change                                  -->  screens/recording.png
    the end                                      -->  pictures/...           which the collector brings, like all files

All of it lies in the execution's folder, so that the next daemon goes on with it. What a bot shows can't be masked as
what it prints is: who wants no picture says so in the automation. Nothing here may cost a bot or its daemon anything:
what goes wrong is one line of the log, and a picture less.
"""

import asyncio
import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from agent.bot_files import is_folder_inside, new_file
from agent.desktops.port import Desktop, Frame, ScreenUnreachedError
from agent.ports.clock import Clock
from agent.ports.files import Disk
from agent.screens.animation import MAX_BYTES, Animation, AnimationFullError, TornError
from agent.screens.difference import Look, look_of
from agent.screens.png import encode

log = logging.getLogger(__name__)
KEPT, GIVEN = "screens", "pictures"
"""Folders of an execution: what is kept while it runs, and what the collector brings."""
FAILURE_NAME, RECORDING_NAME = "failure-screenshot.png", "recording.png"
_NEWEST, _FAILED = "newest.png", "failed.png"
EVERY_S, RECORDED_EVERY_S = 2.0, 0.5
GRAB_S = 5.0
AT_ONCE_S = 1.0
"""So long a stop or a report waits for its picture."""


@dataclass(slots=True, kw_only=True)
class Pictures:
    """Of one execution, while this daemon has it."""

    execution_id: str
    folder: Path
    desktop: Desktop
    clock: Clock
    disk: Disk
    of_failure: bool
    record: bool
    max_bytes: int = MAX_BYTES
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    """Nothing is written any more."""
    left_out: list[str] = field(default_factory=list)
    """What is missing, for people."""
    _is_fixed: bool = False
    """The picture of the failure is there: later ones are not wanted."""
    _has_picture: bool = False
    _bare: Look | None = None
    """As the desktop was when the bot began: one that has closed its windows shows nothing of why."""
    _written: Look | None = None
    _written_at: float = float("-inf")
    _animation: Animation | None = None
    _trouble: str = ""
    _one: threading.Lock = field(default_factory=threading.Lock)
    """A look that took too long is given up by its caller, and ends in its thread all the same."""

    async def keep(self, over: asyncio.Event, is_running: Callable[[], bool]) -> None:
        """Take pictures until the execution is `over`."""
        try:
            await asyncio.to_thread(self._begin)
            while not over.is_set():
                await self._look(is_running)
                await self._pause(over)
        except OSError as error:
            log.warning("%s: no pictures: %s", self.execution_id, error)
        except Exception:
            # The rim: what a bot made of its own files costs it its pictures, and never its execution.
            log.exception("%s: no pictures", self.execution_id)
        finally:
            await asyncio.to_thread(self._close)
            self.ended.set()

    async def _pause(self, over: asyncio.Event) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(RECORDED_EVERY_S if self.record else EVERY_S):
                await over.wait()

    async def fix(self) -> None:
        """It fails now: take the picture of that at once, the first time. Returns in a second, with or without."""
        if self._is_fixed:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(AT_ONCE_S):
                await self._look(lambda: True, is_failing=True)
        self._is_fixed = True

    def leave(self) -> None:
        """Its end has begun, and it may have closed its windows by now: what was kept before is the picture."""
        self._is_fixed = True

    async def _look(self, is_running: Callable[[], bool], *, is_failing: bool = False) -> None:
        try:
            async with asyncio.timeout(GRAB_S):
                frame = await self.desktop.grab()
            if is_running():  # else the bot has ended meanwhile: it is not what it failed with
                await asyncio.to_thread(self._take, frame, self.clock.monotonic(), is_failing)
        except (ScreenUnreachedError, TimeoutError) as error:
            self._note_trouble(str(error) or "it takes too long")
        except Exception as error:  # noqa: BLE001 - written with its traceback
            # The rim: whatever a desktop does, it costs a picture, and neither the bot nor the daemon.
            self._note_trouble(repr(error), error)

    def _note_trouble(self, why: str, error: Exception | None = None) -> None:
        """One line for each kind of trouble: it comes with every look."""
        if why != self._trouble:
            self._trouble = why
            log.warning("%s: no picture of its desktop: %s", self.execution_id, why, exc_info=error)

    # --- in a thread -------------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        kept = self.folder / KEPT
        with suppress(FileExistsError):
            self.disk.make_new_folder(kept)
        if not is_folder_inside(self.folder, kept):
            raise NotADirectoryError(20, "not a folder of the execution", str(kept))
        self._is_fixed = self._is_fixed or self.disk.exists(kept / _FAILED)
        self._has_picture = self.disk.exists(kept / _NEWEST)
        if self.record and self.disk.exists(kept / RECORDING_NAME):
            with suppress(TornError):
                self._animation = Animation.go_on(kept / RECORDING_NAME, self.max_bytes)

    def _take(self, frame: Frame, at: float, is_failing: bool) -> None:  # noqa: FBT001 - called in a thread
        """Write what is new of it."""
        with self._one:
            if self.record:
                self._add(frame, at)
            if self.of_failure and not self._is_fixed:
                self._keep(frame, at, is_failing=is_failing)

    def _keep(self, frame: Frame, at: float, *, is_failing: bool) -> None:
        if not is_failing and at - self._written_at < EVERY_S * 0.9:
            return
        look = look_of(frame)
        if self._bare is None and not self._has_picture:
            self._bare = look
        if self._has_picture and (look == self._bare or (look == self._written and not is_failing)):
            return
        name = _FAILED if is_failing else _NEWEST
        kept = self.folder / KEPT
        try:
            file = self._draft(kept / f"{name}.draft")
            try:
                file.write(encode(frame))
            finally:
                file.close()
            self.disk.rename(kept / f"{name}.draft", kept / name)
        except OSError as error:
            self._note_trouble(error.strerror or str(error))
        else:
            self._has_picture, self._written, self._written_at = True, look, at

    def _draft(self, path: Path) -> BinaryIO:
        """A new file, nothing followed: a bot of our own user may have put anything in its place, or its folder's."""
        if not is_folder_inside(self.folder, path.parent):
            raise NotADirectoryError(20, "its folder is gone", str(path.parent))
        self.disk.remove(path)
        return new_file(path)

    def _add(self, frame: Frame, at: float) -> None:
        try:
            if self._animation is None:
                self._animation = Animation.begin(self.folder / KEPT / RECORDING_NAME, frame, at, self.max_bytes)
            else:
                self._animation.add(frame, at)
        except AnimationFullError:
            self._stop_recording(f"it has {self.max_bytes // 2**20} MiB, no more are kept")
        except OSError as error:
            self._stop_recording(error.strerror or "it can't be written")
        except Exception as error:
            log.exception("%s: %s", self.execution_id, RECORDING_NAME)
            self._stop_recording(f"it can't be gone on with: {error!r}")

    def _stop_recording(self, why: str) -> None:
        self.record = False
        self.left_out.append(f"{RECORDING_NAME}: ends before the bot did: {why}")
        log.warning("%s: %s", self.execution_id, self.left_out[-1])

    def _close(self) -> None:
        with self._one:
            animation, self._animation, self.record = self._animation, None, False
            if animation is not None:
                try:
                    animation.close(self.clock.monotonic())
                except Exception as error:  # noqa: BLE001 - the rim, as in `keep`
                    log.warning("%s: the end of %s: %r", self.execution_id, RECORDING_NAME, error)


def is_due(folder: Path, disk: Disk, *, failed: bool) -> bool:
    """Whether there are pictures to be brought. Blocks. Raises OSError: the bot spoiled a folder."""
    names = _kept_names(folder, disk)
    return (
        RECORDING_NAME in names
        or (failed and not names.isdisjoint({_FAILED, _NEWEST}))
        or bool(disk.names(folder / GIVEN))
    )


def give(folder: Path, disk: Disk, *, failed: bool) -> None:
    """Put what is wanted where the collector finds it; a second time changes nothing. Blocks. Raises OSError."""
    kept, given = folder / KEPT, folder / GIVEN
    names = _kept_names(folder, disk)
    wanted = [(RECORDING_NAME, RECORDING_NAME)] if RECORDING_NAME in names else []
    if failed:
        wanted += [(name, FAILURE_NAME) for name in (_FAILED, _NEWEST) if name in names][:1]
    if not wanted:
        return
    disk.make_folder(given)
    if not is_folder_inside(folder, given):
        return
    for name, known_as in wanted:
        disk.rename(kept / name, given / known_as)
    disk.sync_folder(given)


def _kept_names(folder: Path, disk: Disk) -> set[str]:
    """What is kept; nothing where a bot put a link in the folder's place."""
    kept = folder / KEPT
    return set(disk.names(kept)) if is_folder_inside(folder, kept) else set()
