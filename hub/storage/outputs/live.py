"""One output while it may still grow, as the event loop sees it: what has arrived, what is durable, who is waiting.

Bytes below `cut` are read from the segment, those above from `pieces`. Only the loop touches this.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from agent.wire.facts import Gap
from hub.storage.outputs.tally import Totals
from hub.storage.outputs.view import ChunkEntry, Piece, Source


@dataclass(slots=True, kw_only=True)
class LiveOutput:
    """Counters, the pieces not yet in the segment, and an event that is replaced at each change."""

    workspace_id: str
    execution_id: str
    length: int = 0
    newlines: int = 0
    safe: int = 0
    cut: int = 0
    fill_to: int = 0
    """NULs are to stand up to here for what is gone, where this is above `length`."""
    ended: bool = False
    closed: bool = False
    """No byte is taken any more."""
    sealed: bool = False
    totals: Totals | None = None
    """Known once somebody asked for the end."""
    gaps: list[Gap] = field(default_factory=list)
    pieces: deque[tuple[Piece, int]] = field(default_factory=deque)
    """Each with the number of newlines before it."""
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def add(self, piece: Piece) -> None:
        """Take a piece that follows on `length`."""
        self.pieces.append((piece, self.newlines))
        self.length = piece.end
        self.newlines += piece.data.count(b"\n")

    def add_gap(self, gap: Gap) -> bool:
        """Remember a gap once; false when it is known (facts and frames both name it)."""
        if gap in self.gaps:
            return False
        self.gaps.append(gap)
        return True

    def advance(self, safe: int, cut: int, *, sealed: bool) -> None:
        """Take note of what the writer made durable, and let go of what segment or sealed file holds."""
        self.sealed = self.sealed or sealed
        self.safe = max(self.safe, safe)
        self.cut = max(self.cut, cut)
        while self.pieces and self.pieces[0][0].end <= self.cut:
            self.pieces.popleft()

    def wake(self) -> None:
        """Tell everybody who waits that there is something new."""
        self.changed.set()
        self.changed = asyncio.Event()

    def memory(self) -> "MemorySource":
        """What is only in memory, as it is now."""
        return MemorySource(tuple(self.pieces), self.length)


class MemorySource:
    """Pieces in memory as a `Source`; knows only offsets from the first of them on."""

    def __init__(self, pieces: Sequence[tuple[Piece, int]], length: int) -> None:
        self._pieces = pieces
        self.length = length
        self.start = pieces[0][0].start if pieces else length
        self.chunks: Sequence[ChunkEntry] = [
            ChunkEntry(piece.start, line, piece.time_ms, piece.stream) for piece, line in pieces
        ]

    def read(self, start: int, limit: int) -> bytes:
        """At most `limit` bytes from `start`, which must not lie below the first piece."""
        parts: list[bytes] = []
        end = start + limit
        for piece, _ in self._pieces:
            if piece.end > start and piece.start < end:
                parts.append(piece.data[max(0, start - piece.start) : end - piece.start])
        return b"".join(parts)


class JoinedSource:
    """A segment, and behind it what is only in memory."""

    def __init__(self, segment: Source, memory: MemorySource) -> None:
        self._segment = segment
        self._memory = memory
        self.length = memory.length
        self.chunks: Sequence[ChunkEntry] = _JoinedChunks(segment, memory)

    def read(self, start: int, limit: int) -> bytes:
        """At most `limit` bytes from `start`."""
        boundary = self._memory.start
        if start >= boundary:
            return self._memory.read(start, limit)
        head = self._segment.read(start, min(limit, boundary - start))
        return head + self._memory.read(boundary, limit - len(head)) if len(head) < limit else head


class _JoinedChunks(Sequence[ChunkEntry]):
    def __init__(self, segment: Source, memory: MemorySource) -> None:
        self._head = segment.chunks
        self._tail = memory.chunks

    def __len__(self) -> int:
        return len(self._head) + len(self._tail)

    def __getitem__(self, index: int) -> ChunkEntry:  # type: ignore[override]  # nobody slices it
        count = len(self._head)
        return self._head[index] if index < count else self._tail[index - count]
