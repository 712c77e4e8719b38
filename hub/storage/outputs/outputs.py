"""The interface: take output in, say how far it is, read it by line or byte, follow it live."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from agent.ports.files import Disk
from agent.wire.codec import OutputFrame, Stream
from agent.wire.facts import Gap
from hub.storage.outputs import view
from hub.storage.outputs.live import JoinedSource, LiveOutput, MemorySource
from hub.storage.outputs.records import Record, RecordKind
from hub.storage.outputs.sealed import OutputDamaged, SealedOutput
from hub.storage.outputs.segment import SegmentReader, measure, read_gaps
from hub.storage.outputs.tally import Tally, Totals
from hub.storage.outputs.view import Lines, Piece, Source
from hub.storage.outputs.writer import SEALED_NAME, Progress, Writer
from hub.storage.room import Room

_LOG = logging.getLogger(__name__)
_UNSAFE_MAX_BYTES = 64 * 1024 * 1024
"""Received and not yet durable: above this the windows shrink, ..."""
_REFUSE_BYTES = 256 * 1024 * 1024
"""... and above this nothing is taken until there is less again (P9)."""
_LIVE_BYTES = 256 * 1024
_REMEMBERED = 2000
_FILL_BYTES = 64 * 1024
_FILL_AT_ONCE_BYTES = 8 * 1024 * 1024

T = TypeVar("T")

ProgressListener = Callable[[str, int, int], None]
AgainListener = Callable[[str, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """How far an output is after a frame; ``hole`` when the frame began behind that.

    ``refused``: there is no memory for it now; it will be asked for again (`Outputs.on_again`).
    """

    have: int
    hole: bool = False
    refused: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """``have`` moves the runner's window, ``safe`` lets it delete (`core.md` §3)."""

    have: int
    safe: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """A whole output as it is stored; ``lines`` counts an unfinished last line too."""

    bytes: int
    lines: int
    sha256: str
    gaps: tuple[Gap, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """Nothing more will come."""

    bytes: int


class Outputs:
    """All outputs of a hub. Methods are for the event loop; blocking work goes to the writer's thread or a pool."""

    def __init__(
        self,
        folder: Path,
        disk: Disk,
        *,
        on_fatal: Callable[[BaseException], None],
        room: Room | None = None,
        writer: type[Writer] = Writer,
    ) -> None:
        self._folder = folder
        self._disk = disk
        self._live: dict[tuple[str, str], LiveOutput] = {}
        self._unsafe = 0
        self._refused: set[tuple[str, str]] = set()
        """Outputs whose runners must send again, once there is memory, or what is gone before it is filled."""
        self._again: list[AgainListener] = []
        self._listeners: list[ProgressListener] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._room = room or Room()
        self._writer = writer(folder, disk, on_progress=self._tell_loop, on_fatal=on_fatal, room=self._room)

    async def start(self) -> None:
        """Recover the journal of the last process, then take output."""
        self._loop = asyncio.get_running_loop()
        await asyncio.to_thread(self._disk.make_folder, self._folder)
        await asyncio.to_thread(self._writer.recover)
        self._writer.start()

    async def close(self) -> None:
        """Make everything received durable; end the thread."""
        await asyncio.to_thread(self._writer.close)

    def on_progress(self, listener: ProgressListener) -> None:
        """Call `listener(execution_id, have, safe)` on the loop whenever something became durable."""
        self._listeners.append(listener)

    def on_again(self, listener: AgainListener) -> None:
        """Call `listener(execution_id, start)` on the loop when what was refused is wanted, from `start` on."""
        self._again.append(listener)

    def receive(self, workspace_id: str, frame: OutputFrame) -> Receipt:
        """Apply a frame: an overlap is cut, a hole is told and nothing applied. Viewers see it now."""
        live = self._open(workspace_id, frame.execution_id)
        if live.fill_to > live.length or self._unsafe >= _REFUSE_BYTES:
            self._refused.add((workspace_id, frame.execution_id))
            return Receipt(have=self._have(live), refused=True)
        if frame.start > live.length:
            return Receipt(have=live.length, hole=True)
        offset = frame.start
        grew = False
        for chunk in frame.chunks:
            skip = max(0, live.length - offset)
            data = chunk.data[skip:]
            offset += len(chunk.data)
            if data and not live.closed:
                grew = True
                self._take(live, Piece(start=live.length, time_ms=chunk.time_ms, stream=int(chunk.stream), data=data))
        if grew:
            live.wake()
        return Receipt(have=self._have(live))

    def gap(self, workspace_id: str, execution_id: str, gap: Gap) -> None:
        """Store a gap with the output; the same gap twice is one.

        Where it names the offset at which the runner goes on, NULs stand for what is gone: offsets stay the runner's,
        and what lies behind the gap can follow (`core.md` §3). A large hole is filled little by little.
        """
        live = self._open(workspace_id, execution_id)
        if live.closed:
            return
        self._fill(live, gap)
        if not live.add_gap(gap):
            return
        data = gap.model_dump_json().encode()
        self._writer.put(self._record(live, RecordKind.GAP, live.length, 0, 0, data))
        live.wake()

    def position(self, workspace_id: str, execution_id: str) -> Position:
        """Where an output stands, also one of an earlier hub process."""
        live = self._open(workspace_id, execution_id)
        return Position(have=live.length, safe=live.safe)

    async def finish(self, workspace_id: str, execution_id: str) -> Finished:
        """Count an output that is complete or will not go on; asking again gives the same answer.

        All of it is durable on return; it is sealed soon after. From the call on no byte is taken any more.
        """
        live = self._open(workspace_id, execution_id)
        live.closed = True
        if live.totals is None:
            counted = self._writer.finish((workspace_id, execution_id))
            # Nothing ever came: there is nothing to be made durable first.
            is_empty = live.length == 0 and not live.gaps
            known = Tally().totals() if is_empty else self._counted_while_full(live)
            live.totals = known if known is not None else await asyncio.wrap_future(counted)
            live.ended = True
            live.wake()
        totals = live.totals
        return Finished(bytes=totals.length, lines=totals.lines, sha256=totals.sha256, gaps=tuple(live.gaps))

    def end(self, workspace_id: str, execution_id: str) -> None:
        """Tell followers that nothing more will come (for now: late bytes are still stored)."""
        live = self._live.get((workspace_id, execution_id))
        if live is not None:
            live.ended = True
            live.wake()

    def arrived(self, workspace_id: str, execution_id: str) -> tuple[int, int]:
        """(bytes, lines that have ended) of what has arrived."""
        live = self._open(workspace_id, execution_id)
        return live.length, live.newlines

    async def gaps(self, workspace_id: str, execution_id: str) -> tuple[Gap, ...]:
        """What is known to be missing."""
        return tuple(self._open(workspace_id, execution_id).gaps)

    async def read_lines(self, workspace_id: str, execution_id: str, first: int, limit: int) -> Lines:
        """Lines by absolute number from 0; a negative `first` counts from the end."""
        live = self._open(workspace_id, execution_id)
        newlines = live.newlines
        return await self._read(live, lambda source: view.read_lines(source, newlines, first, limit))

    async def read_bytes(self, workspace_id: str, execution_id: str, start: int, limit: int) -> bytes:
        """At most `limit` bytes from `start`."""
        live = self._open(workspace_id, execution_id)
        return await self._read(live, lambda source: source.read(start, limit))

    async def read_pieces(self, workspace_id: str, execution_id: str, start: int, limit: int) -> list[Piece]:
        """The same with stream and time."""
        live = self._open(workspace_id, execution_id)
        if start >= live.length:
            return []
        memory = live.memory()
        if start >= memory.start:
            return view.read_pieces(memory, start, limit)
        return await self._read(live, lambda source: view.read_pieces(source, start, limit))

    async def subscribe(self, workspace_id: str, execution_id: str, start: int) -> AsyncIterator[Piece | End]:
        """Everything from `start` on, as it comes, then `End`.

        A slow reader costs nothing and slows nobody: it reads by offset (R50).
        """
        position = start
        while True:
            live = self._open(workspace_id, execution_id)
            changed = live.changed
            ended = live.ended
            pieces = await self.read_pieces(workspace_id, execution_id, position, _LIVE_BYTES)
            for piece in pieces:
                position = piece.end
                yield piece
            if pieces:
                continue
            if ended and position >= live.length:
                yield End(bytes=live.length)
                return
            await changed.wait()

    # --- inside ---

    def _counted_while_full(self, live: LiveOutput) -> Totals | None:
        """What is durable can be settled though the writer waits for room (R14)."""
        if not self._room.is_full or live.safe < live.length:
            return None
        return self._writer.counted((live.workspace_id, live.execution_id), live.length)

    def _fill(self, live: LiveOutput, gap: Gap) -> None:
        if gap.start <= live.length:
            live.fill_to = max(live.fill_to, gap.resumed_at or 0)
            self._fill_on(live)

    @staticmethod
    def _fillable(live: LiveOutput) -> int:
        """How much may be filled now: memory is not for NULs."""
        return min(live.fill_to, live.safe + _FILL_AT_ONCE_BYTES) - live.length

    def _fill_on(self, live: LiveOutput) -> None:
        while (missing := self._fillable(live)) > 0:
            data = bytes(min(missing, _FILL_BYTES))
            self._take(live, Piece(start=live.length, time_ms=0, stream=int(Stream.STDOUT), data=data))

    def _take(self, live: LiveOutput, piece: Piece) -> None:
        live.add(piece)
        self._unsafe += len(piece.data)
        self._writer.put(self._record(live, RecordKind.DATA, piece.start, piece.time_ms, piece.stream, piece.data))

    @staticmethod
    def _record(live: LiveOutput, kind: RecordKind, start: int, time_ms: int, stream: int, data: bytes) -> Record:  # noqa: PLR0913, PLR0917 - one record, field by field
        return Record(
            kind=kind,
            workspace_id=live.workspace_id,
            execution_id=live.execution_id,
            start=start,
            time_ms=time_ms,
            stream=stream,
            data=data,
        )

    def _have(self, live: LiveOutput) -> int:
        """What moves the window: all that arrived, or only what is durable while the disk is behind (G8)."""
        return live.length if self._unsafe < _UNSAFE_MAX_BYTES else live.safe

    def _open(self, workspace_id: str, execution_id: str) -> LiveOutput:
        key = (workspace_id, execution_id)
        live = self._live.get(key)
        if live is None:
            if len(self._live) >= _REMEMBERED:
                self._let_go_of_sealed()
            live = self._live[key] = self._load(key)
        return live

    def _let_go_of_sealed(self) -> None:
        """Forget what can be read from a sealed file again; an unsealed output stays, its segment may be growing."""
        for key in [key for key, live in self._live.items() if live.sealed]:
            del self._live[key]

    def _load(self, key: tuple[str, str]) -> LiveOutput:
        """An output of an earlier process, or a new one. Small files: the index, not the data."""
        live = LiveOutput(workspace_id=key[0], execution_id=key[1])
        folder = self._writer.folder_of(key)
        if (folder / SEALED_NAME).exists():
            try:
                sealed = SealedOutput(folder / SEALED_NAME)
            except OutputDamaged as error:
                # Told to whoever reads it; its runner, and all others, go on.
                _LOG.error("output of %s: %s", key[1], error)
                live.sealed = live.closed = live.ended = True
                return live
            live.length = live.safe = live.cut = sealed.length
            live.newlines = sealed.totals.newlines
            live.totals = sealed.totals
            live.gaps = list(sealed.gaps)
            live.sealed = live.closed = live.ended = True
        elif (folder / "data").exists():
            live.length, live.newlines = measure(folder)
            live.safe = live.cut = live.length
            live.gaps = read_gaps(folder)
        return live

    async def _read(self, live: LiveOutput, question: Callable[[Source], T]) -> T:
        """Ask a question of the whole output in a thread; once more where it was sealed meanwhile."""
        try:
            return await asyncio.to_thread(self._ask, live, live.memory(), live.cut, question)
        except FileNotFoundError:
            return await asyncio.to_thread(self._ask, live, live.memory(), live.cut, question)

    def _ask(self, live: LiveOutput, memory: MemorySource, cut: int, question: Callable[[Source], T]) -> T:
        folder = self._writer.folder_of((live.workspace_id, live.execution_id))
        if (folder / SEALED_NAME).exists():
            return question(SealedOutput(folder / SEALED_NAME))
        if cut == 0:
            return question(memory)
        return question(JoinedSource(SegmentReader(folder, cut), memory))

    def _tell_loop(self, progress: list[Progress]) -> None:
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop has been closed: nobody is left to tell
                self._loop.call_soon_threadsafe(self._advanced, progress)

    def _advanced(self, progress: list[Progress]) -> None:
        for step in progress:
            live = self._live.get(step.key)
            if live is None:
                continue
            self._unsafe -= max(0, step.safe - live.safe)
            live.advance(step.safe, step.cut, sealed=step.sealed)
            if live.fill_to > live.length:
                self._fill_on(live)
                live.wake()
            for listener in self._listeners:
                listener(live.execution_id, self._have(live), live.safe)
        self._ask_again()

    def _ask_again(self) -> None:
        """What was refused may come now, those first whose hole is filled."""
        if not self._refused or self._unsafe >= _UNSAFE_MAX_BYTES:
            return
        for key in list(self._refused):
            live = self._open(*key)
            if live.fill_to <= live.length:
                self._refused.discard(key)
                for listener in self._again:
                    listener(live.execution_id, live.length)
