"""The writing side of `agent/segments.py`: one writer for the life of one output, which never stops its reader.

A disk that is full must not stop the bot: the file is cut back to the last whole frame, further bytes are counted, and
as soon as the disk takes bytes again a gap frame says how many are missing. The reserve file makes room for that frame.
"""

import hashlib
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
SYNC_EVERY_NS = 250_000_000
"""reliability.md P4."""
_RESERVE_BYTES = 4096
_RETRY_NS = 250_000_000


@dataclass(slots=True, kw_only=True)
class SegmentWriter:
    """Appends pieces; counts and hashes what it wrote.

    `cap_bytes` bounds what is stored and not yet safe elsewhere (`note_safe`); above it bytes are dropped and counted.
    `wall_ns` and `boot_ns` are given with each call, so that this class reads no clock.
    """

    folder: Path
    disk: Disk
    cap_bytes: int
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
    _digest: "hashlib._Hash" = field(default_factory=hashlib.sha256)

    def open(self) -> None:
        """Make the first segment and the reserve; raises OSError when the disk has no room for them."""
        (self.folder / "reserve").write_bytes(b"\x01" * _RESERVE_BYTES)
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
        """Make everything written durable. Raises OSError: then nothing is known of the disk (G9)."""
        if self._file is not None and self._unsynced:
            self._file.sync()
        if self._is_name_unsynced:
            self.disk.sync_folder(self.folder)
        self._is_name_unsynced = False
        self._unsynced = 0
        self._sync_due_ns = None

    def close(self, wall_ns: int) -> None:
        """Write an open gap, sync and close."""
        if self._missing:
            self._write_gap(wall_ns)
        self._settle_missing()
        if self._file is not None:
            self.sync()
            self._file.close()
        (self.folder / "reserve").unlink(missing_ok=True)

    def _append_one(self, stream: Stream, data: bytes, wall_ns: int, boot_ns: int) -> None:
        if self.length + len(data) - self._safe > self.cap_bytes:
            self._drop(stream, len(data), GapReason.CAP)
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
            (self.folder / "reserve").unlink(missing_ok=True)
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
            file.truncate(start)
            return False
        self._unsynced += len(frame)
        return True

    def _next_segment(self) -> None:
        header = encode_segment_header(self.length)
        path = self.folder / segment_name(self._number + 1)
        # Made here, and not by the port, whose sync of the name would be waited for at each start; `sync` does it.
        path.touch(mode=0o600)
        file = self.disk.open_append(path)
        try:
            file.truncate(0)
            file.write(header)
        except OSError:
            file.close()
            path.unlink(missing_ok=True)
            raise
        if self._file is not None:
            self.sync()
            self._file.close()
        self._is_name_unsynced = True
        self._file = file
        self._number += 1
        self._unsynced += len(header)


def smallest_segment_bytes() -> int:
    """No segment may be smaller than one frame and its header."""
    return FRAME_DATA_MAX_BYTES + FRAME_HEADER_BYTES + 64
