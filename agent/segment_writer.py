"""The writing side of `agent/segments.py`: one writer for the life of one output, which never stops its reader.

A disk that is full must not stop the bot: the file is cut back to the last whole frame, further bytes are counted, and
as soon as the disk takes bytes again a gap frame says how many are missing. The reserve file makes room for that frame.
"""

import hashlib
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from agent.ports.files import AppendFile, Disk
from agent.segments import (
    FRAME_DATA_MAX_BYTES,
    FRAME_HEADER_BYTES,
    SEGMENT_BYTES,
    Gap,
    Stream,
    encode_frame,
    encode_gap,
    encode_segment_header,
    segment_name,
)
from agent.wire.words import GapReason

SYNC_BYTES = 256 * 1024
_LOOK_EVERY_NS = 250_000_000
_LOOK_BYTES = 4 * 1024 * 1024
"""The disk's room is looked at when output comes, at least after so much time and so many bytes."""
SYNC_EVERY_NS = 250_000_000
"""reliability.md P4."""
_RESERVE_BYTES = 4096
_RETRY_NS = 250_000_000


@dataclass(slots=True, kw_only=True)
class SegmentWriter:
    """Appends pieces; counts and hashes what it wrote.

    `cap_bytes` bounds what is stored and not yet safe elsewhere (`note_safe`); above it bytes are dropped and counted.
    `keep_free_bytes` of the disk are left to others (P4): while less is free, bytes are dropped and counted as well.
    `wall_ns` and `boot_ns` are given with each call, so that this class reads no clock.
    """

    folder: Path
    disk: Disk
    cap_bytes: int
    keep_free_bytes: int = 0
    segment_bytes: int = SEGMENT_BYTES
    length: int = 0
    gaps: list[Gap] = field(default_factory=list)
    dropped: dict[Stream, int] = field(default_factory=lambda: dict.fromkeys(Stream, 0))
    _file: AppendFile | None = None
    _number: int = -1
    _unsynced: int = 0
    _is_name_unsynced: bool = False
    _sync_due_ns: int | None = None
    _safe: int = 0
    _missing: int = 0
    _missing_reason: GapReason | None = None
    _retry_ns: int = 0
    _look_ns: int = 0
    _look_at: int = 0
    _is_short: bool = False
    _synced: int = 0
    doubtful_from: int | None = None
    """The first byte that the disk may have lost, though it was written: a sync failed (G9). None: no doubt."""
    _digest: "hashlib._Hash" = field(default_factory=hashlib.sha256)

    def open(self) -> None:
        """Make the first segment and the reserve; raises OSError when the disk has no room for them."""
        self.disk.reserve(self.folder / "reserve", _RESERVE_BYTES)
        self._next_segment()

    @property
    def sha256(self) -> str:
        """Of all data bytes written so far."""
        return self._digest.hexdigest()

    @property
    def sync_due_ns(self) -> int | None:
        """When `sync` should be called, by `Clock.boot_ns`; None when everything is durable."""
        return self._sync_due_ns

    def note_safe(self, offset: int) -> None:
        """Everything below `offset` is durable at the hub, and counts no longer against the cap."""
        self._safe = max(self._safe, min(offset, self.length))

    def append(self, stream: Stream, data: bytes, wall_ns: int, boot_ns: int) -> None:
        """Store bytes of one stream; what cannot be stored is counted. Never raises for a full disk."""
        for start in range(0, len(data), FRAME_DATA_MAX_BYTES):
            self._append_one(stream, data[start : start + FRAME_DATA_MAX_BYTES], wall_ns, boot_ns)

    def sync(self) -> None:
        """Make everything written durable. Never raises: a disk that fails costs its bytes, not the bot.

        What a failed sync leaves is unknown (G9): it is said (`doubtful_from`), and found by the frames' checksums and
        the output's digest when it is read. Output goes on in a new segment.
        """
        try:
            if self._file is not None and self._unsynced:
                self._file.sync()
            if self._is_name_unsynced:
                self.disk.sync_folder(self.folder)
        except OSError:
            self._doubt()
        else:
            self._synced = self.length
        self._is_name_unsynced = False
        self._unsynced = 0
        self._sync_due_ns = None

    def close(self, wall_ns: int) -> None:
        """Write an open gap, sync and close."""
        if self._missing:
            self._write_gap(wall_ns)
        self._settle_missing()
        self.sync()
        if self._file is not None:
            self._file.close()
        self._release_reserve()

    def _release_reserve(self) -> None:
        # One that stays costs a page until its folder goes; that must not cost a bot its shim (R27).
        with suppress(OSError):
            self.disk.remove(self.folder / "reserve")

    def _doubt(self) -> None:
        if self.doubtful_from is None:
            self.doubtful_from = self._synced
        if self._file is not None:
            self._file.close()
            self._file = None

    def _has_room(self, boot_ns: int) -> bool:
        """Whether the disk may be written to: others have what is to stay free."""
        if not self.keep_free_bytes or (boot_ns < self._look_ns and self.length < self._look_at):
            return not self._is_short
        self._look_ns = boot_ns + _LOOK_EVERY_NS
        self._look_at = self.length + _LOOK_BYTES
        try:
            self._is_short = self.disk.free_bytes(self.folder) < self.keep_free_bytes
        except OSError:
            self._is_short = True
        return not self._is_short

    def _is_at_cap(self, size: int) -> bool:
        """Whether `size` bytes more are too many.

        Once at its cap it takes output again when a whole frame has room: small pieces that slip in between large ones
        would leave a row of holes where one is.
        """
        if self._missing_reason is GapReason.CAP:
            size = max(size, min(FRAME_DATA_MAX_BYTES, self.cap_bytes))
        return self.length + size - self._safe > self.cap_bytes

    def _append_one(self, stream: Stream, data: bytes, wall_ns: int, boot_ns: int) -> None:
        if self._is_at_cap(len(data)):
            self._drop(stream, len(data), GapReason.CAP)
            return
        if not self._has_room(boot_ns):
            self._drop(stream, len(data), GapReason.DISK)
            return
        if self._missing and (boot_ns < self._retry_ns or not self._write_gap(wall_ns)):
            if boot_ns >= self._retry_ns:
                self._retry_ns = boot_ns + _RETRY_NS
            self._drop(stream, len(data), GapReason.DISK)
            return
        if not self._write(encode_frame(stream, self.length, wall_ns, data)):
            self._retry_ns = boot_ns + _RETRY_NS
            self._drop(stream, len(data), GapReason.DISK)
            return
        self._digest.update(data)
        self.length += len(data)
        if self._unsynced >= SYNC_BYTES:
            self.sync()
        elif self._sync_due_ns is None:
            self._sync_due_ns = boot_ns + SYNC_EVERY_NS

    def _drop(self, stream: Stream, size: int, reason: GapReason) -> None:
        if self._missing and self._missing_reason is not reason:
            self._settle_missing()
        self._missing += size
        self._missing_reason = reason
        self.dropped[stream] += size

    def _write_gap(self, wall_ns: int) -> bool:
        """Write the gap frame for what is missing; False when the disk still takes nothing."""
        reason = self._missing_reason or GapReason.DISK
        gap = Gap(offset=self.length, missing_bytes=self._missing, reason=reason, resumed_at=self.length)
        frame = encode_gap(gap, wall_ns)
        is_written = self._write(frame)
        if not is_written:
            # The blocks of the reserve are enough for one frame, if nobody else is quicker.
            self._release_reserve()
            is_written = self._write(frame)
        if is_written:
            self._settle_missing()
        return is_written

    def _settle_missing(self) -> None:
        """Keep the gap for the exit file."""
        if not self._missing:
            return
        reason = self._missing_reason or GapReason.DISK
        self.gaps.append(Gap(offset=self.length, missing_bytes=self._missing, reason=reason, resumed_at=self.length))
        self._missing = 0
        self._missing_reason = None

    def _write(self, frame: bytes) -> bool:
        """Append a whole frame or nothing."""
        try:
            if self._file is None or self._file.size + len(frame) > self.segment_bytes:
                self._next_segment()
        except OSError:
            return False
        file = self._file
        if file is None:
            return False
        start = file.size
        try:
            file.write(frame)
        except OSError:
            self._cut(file, start)
            return False
        self._unsynced += len(frame)
        return True

    def _cut(self, file: AppendFile, size: int) -> None:
        try:
            file.truncate(size)
        except OSError:
            # Its end stays as it is; who reads it finds that out by the checksum.
            self._doubt()

    def _next_segment(self) -> None:
        header = encode_segment_header(self.length)
        path = self.folder / segment_name(self._number + 1)
        # A sync of the name would be waited for at each start; `sync` does it.
        file = self.disk.open_new(path)
        try:
            file.write(header)
        except OSError:
            file.close()
            self.disk.remove(path)
            raise
        if self._file is not None:
            self.sync()
        if self._file is not None:
            self._file.close()
        self._is_name_unsynced = True
        self._file = file
        self._number += 1
        self._unsynced += len(header)


def smallest_segment_bytes() -> int:
    """No segment may be smaller than one frame and its header."""
    return FRAME_DATA_MAX_BYTES + FRAME_HEADER_BYTES + 64
