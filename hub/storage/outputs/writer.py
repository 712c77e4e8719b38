"""The thread that makes output durable: journal first, one sync a group, then each execution's segment, then the seal.

A group is what arrived during the last sync, never a wait. A piece stays in memory until its segment has it. A full
disk is waited out: nothing is acknowledged meanwhile and the runners keep their bytes (R14). Any other error is fatal
(G9).
"""

import contextlib
import functools
import logging
import queue
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from agent.ports.files import Disk
from agent.ports.room import FULL
from agent.wire.facts import Gap
from hub.storage.outputs.journal import Journal
from hub.storage.outputs.live import MemorySource
from hub.storage.outputs.memory import give_back
from hub.storage.outputs.records import Record, RecordKind
from hub.storage.outputs.sealed import OutputDamaged, SealedOutput, seal
from hub.storage.outputs.segment import Segment, SegmentReader, read_gaps
from hub.storage.outputs.tally import Tally, Totals, tally_of
from hub.storage.outputs.view import Piece
from hub.storage.room import Room

_LOG = logging.getLogger(__name__)
_CUT_BYTES = 4 * 1024 * 1024
_GROUP_BYTES = 16 * 1024 * 1024
_FULL_DISK_RETRY_S = 1.0
_LARGE_BYTES = 4 * 1024 * 1024
_QUIET_S = 0.05
"""Sealing is for quiet moments: it waits until nothing came for this long, ..."""
_UNSEALED_MAX = 64
"""... or until this many outputs wait for it."""
SEALED_NAME = "sealed"

Key = tuple[str, str]
T = TypeVar("T")


class _ClosedWhileFullError(Exception):
    """The hub stops, and there is still no room for what waits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """What became durable of one output, and how much of it stands in its segment."""

    key: Key
    safe: int
    cut: int
    sealed: bool = False


@dataclass(frozen=True, slots=True)
class _Count:
    key: Key
    done: "Future[Totals]"


@dataclass(slots=True, kw_only=True)
class _Pending:
    """Records of one output that are in the journal and not yet in its segment; the tally of all that is durable."""

    tally: Tally
    records: list[Record] = field(default_factory=list)
    size: int = 0


class Writer:
    """Owns journal and segments; fed from the loop, tells it what is durable."""

    def __init__(
        self,
        folder: Path,
        disk: Disk,
        *,
        on_progress: Callable[[list[Progress]], None],
        on_fatal: Callable[[BaseException], None],
        room: Room,
    ) -> None:
        self._folder = folder
        self._disk = disk
        self._on_progress = on_progress
        self._on_fatal = on_fatal
        self._room = room
        self._journal = Journal(folder / "journal", disk)
        self._pending: dict[Key, _Pending] = {}
        self._inbox: queue.SimpleQueue[Record | _Count | None] = queue.SimpleQueue()
        self._to_seal: deque[Key] = deque()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="outputs", daemon=True)

    def recover(self) -> None:
        """Bring every record of the journal into its segment; then the journal starts afresh. Before `start`."""
        for _, record in self._journal.recover():
            self._collect(record)
        for key in list(self._pending):
            self._cut_at_start(key)
        self._journal.drop_before(self._journal.number)

    def start(self) -> None:
        """Begin to take records."""
        self._thread.start()

    def put(self, record: Record) -> None:
        """Queue a record; its durability is told by `on_progress`."""
        self._inbox.put(record)

    def finish(self, key: Key) -> "Future[Totals]":
        """Count and hash all that was queued before, once it is durable; the seal follows when there is time."""
        done: Future[Totals] = Future()
        self._inbox.put(_Count(key, done))
        return done

    def counted(self, key: Key, length: int) -> Totals | None:
        """What `finish` would answer, without the thread, which may be waiting for room; None: ask the thread.

        For an output that is closed, and durable up to `length`: nobody counts it on meanwhile.
        """
        pending = self._pending.get(key)
        return pending.tally.totals() if pending is not None and pending.tally.length == length else None

    def close(self) -> None:
        """Write what is queued, then end the thread."""
        self._closing.set()
        self._inbox.put(None)
        self._thread.join()
        self._journal.close()

    def folder_of(self, key: Key) -> Path:
        """Where an output's files stand."""
        return self._folder / key[0] / key[1]

    def _run(self) -> None:
        try:
            while self.turn():
                pass
        except _ClosedWhileFullError:
            _LOG.warning("stopped on a full disk: what was not stored is still on the runners")
        except BaseException as error:  # noqa: BLE001 - the rim of the thread: whatever it is, the process must end (G9)
            _LOG.critical("the output writer failed: %r", error)
            self._on_fatal(error)

    def turn(self, *, wait: bool = True) -> bool:
        """Do what has come, or seal one output where nothing has; false when there is nothing more to do.

        Without `wait` that is so when nothing has come and nothing is to be sealed.
        """
        try:
            group, count, going = self._take_group(wait=wait)
        except queue.Empty:
            if self._to_seal:
                self._seal(self._to_seal.popleft())
            return wait or bool(self._to_seal)
        if group:
            self._append(group)
            progress = [self._advance(key) for key in dict.fromkeys((r.workspace_id, r.execution_id) for r in group)]
            if self._with_room(self._journal.rotate_if_full):
                progress += self._cut_all()
            self._on_progress(progress)
        if count is not None:
            totals = self._totals(count.key)
            # Who asked may be gone with its connection; that must not cost the hub its writer.
            if count.done.set_running_or_notify_cancel():
                count.done.set_result(totals)
            self._to_seal.append(count.key)
        return going

    def _take_group(self, *, wait: bool) -> tuple[list[Record], _Count | None, bool]:
        """What has arrived, up to a count, which must see all before it; false at the end.

        Raises Empty when there is time to seal something.
        """
        group: list[Record] = []
        size = 0
        patience_s = _QUIET_S if len(self._to_seal) < _UNSEALED_MAX else 0.0
        item = self._inbox.get(wait, timeout=patience_s if self._to_seal else None)
        while item is not None:
            if isinstance(item, _Count):
                return group, item, True
            group.append(item)
            size += len(item.data)
            if size >= _GROUP_BYTES or self._inbox.empty():
                return group, None, True
            item = self._inbox.get()
        return group, None, False

    def _append(self, group: list[Record]) -> None:
        self._with_room(lambda: self._journal.append(group))
        for record in group:
            self._collect(record)

    def _with_room(self, act: Callable[[], T]) -> T:
        """Do it, and again as long as there is no room for it; never from the reserve (R14).

        Raises _ClosedWhileFullError where the hub stops meanwhile: what is not stored was not acknowledged.
        """
        while True:
            while self._room.is_full:
                if self._closing.wait(_FULL_DISK_RETRY_S):
                    raise _ClosedWhileFullError
            try:
                return act()
            except OSError as error:
                if error.errno not in FULL:
                    raise
                _LOG.error("the disk is full: output waits on the runners until there is room")
                self._room.note_full()
                if self._closing.wait(_FULL_DISK_RETRY_S):
                    raise _ClosedWhileFullError from None

    def _cut_at_start(self, key: Key) -> None:
        """As `_cut`; the reserve helps once, since nobody could wait for a hub that does not start."""
        try:
            self._cut(key)
        except OSError as error:
            if error.errno not in FULL or not self._room.note_full():
                raise
            self._cut(key)

    def _collect(self, record: Record) -> None:
        pending = self._pending_of((record.workspace_id, record.execution_id))
        pending.records.append(record)
        pending.size += len(record.data)
        if record.kind is RecordKind.DATA and record.start == pending.tally.length:
            pending.tally.add(record.data)

    def _pending_of(self, key: Key) -> _Pending:
        pending = self._pending.get(key)
        if pending is None:
            pending = self._pending[key] = _Pending(tally=tally_of(self.folder_of(key) / "data"))
        return pending

    def _totals(self, key: Key) -> Totals:
        """The count of all that is durable, also of what is sealed: who asked before may have left without it."""
        sealed = self.folder_of(key) / SEALED_NAME
        if sealed.exists():
            with contextlib.suppress(OutputDamaged):
                return SealedOutput(sealed).totals
        return self._pending_of(key).tally.totals()

    def _advance(self, key: Key) -> Progress:
        pending = self._pending[key]
        if pending.size >= _CUT_BYTES:
            return self._with_room(lambda: self._cut(key))
        return Progress(key=key, safe=pending.tally.length, cut=0)

    def _cut_all(self) -> list[Progress]:
        keys = [key for key, pending in self._pending.items() if pending.records]
        progress = [self._with_room(functools.partial(self._cut, key)) for key in keys]
        self._journal.drop_before(self._journal.number)
        return progress

    def _cut(self, key: Key) -> Progress:
        """Move an output's records into its segment; what the segment has already (a replay) is skipped."""
        pending = self._pending_of(key)
        folder = self.folder_of(key)
        safe = pending.tally.length
        if (folder / SEALED_NAME).exists():
            del self._pending[key]
            return Progress(key=key, safe=safe, cut=0)
        known = {gap.model_dump_json() for gap in read_gaps(folder)}
        with contextlib.closing(Segment(folder, self._disk)) as segment:
            segment.append([r for r in pending.records if self._is_fresh(r, segment.length, known)])
            cut = segment.length
        pending.records.clear()
        pending.size = 0
        return Progress(key=key, safe=safe, cut=cut)

    @staticmethod
    def _is_fresh(record: Record, length: int, known_gaps: set[str]) -> bool:
        if record.kind is RecordKind.GAP:
            return record.data.decode() not in known_gaps
        return record.start >= length

    def _seal(self, key: Key) -> None:
        """Turn a segment into a sealed file. No room for that: the segment is as good, only larger."""
        folder = self.folder_of(key)
        if (folder / SEALED_NAME).exists():
            return
        if self._room.is_full:
            self._to_seal.append(key)
            self._closing.wait(_FULL_DISK_RETRY_S)
            return
        if not folder.exists():
            self._seal_small(key, folder)
            return
        progress = self._with_room(lambda: self._cut(key))
        totals = self._pending_of(key).tally.totals()
        try:
            self._write_sealed(folder, seal(SegmentReader(folder), totals, read_gaps(folder)))
        except OSError as error:
            if error.errno not in FULL:
                raise
            self._on_progress([progress])
            return
        del self._pending[key]
        self._on_progress([Progress(key=key, safe=progress.safe, cut=progress.cut, sealed=True)])
        if totals.length >= _LARGE_BYTES:
            give_back()

    def _seal_small(self, key: Key, folder: Path) -> None:
        """Seal an output of which nothing was cut, straight from its records: most are so small, or empty.

        Its journal stays until it is rotated, so a crash on the way costs nothing.
        """
        pending = self._pending_of(key)
        totals = pending.tally.totals()
        pieces: list[tuple[Piece, int]] = []
        newlines = 0
        for one in pending.records:
            if one.kind is RecordKind.DATA:
                pieces.append((Piece(start=one.start, time_ms=one.time_ms, stream=one.stream, data=one.data), newlines))
                newlines += one.data.count(b"\n")
        gaps = [Gap.model_validate_json(one.data) for one in pending.records if one.kind is RecordKind.GAP]
        source = MemorySource(pieces, totals.length)
        try:
            self._disk.make_folder(folder)
            self._disk.write_durable(folder / SEALED_NAME, b"".join(seal(source, totals, list(dict.fromkeys(gaps)))))
        except OSError as error:
            if error.errno not in FULL:
                raise
            return
        del self._pending[key]
        self._on_progress([Progress(key=key, safe=totals.length, cut=totals.length, sealed=True)])

    def _write_sealed(self, folder: Path, parts: Iterator[bytes]) -> None:
        draft = folder / "sealed.tmp"
        draft.unlink(missing_ok=True)
        try:
            with contextlib.closing(self._disk.open_append(draft)) as file:
                for part in parts:
                    file.write(part)
                file.sync()
        except OSError:
            draft.unlink(missing_ok=True)
            raise
        draft.replace(folder / SEALED_NAME)
        self._disk.sync_folder(folder)
        for name in ("data", "index", "gaps"):
            (folder / name).unlink(missing_ok=True)
