"""The bot's pipes: read, `::x::` lines obeyed, masked per stream, gathered for 5 ms, put into segments (core.md §3).

Order is exact within a stream; across streams it is the order in which the shim read them, so the bytes of one stream
are written before any of the other is taken.
"""

import sys
from dataclasses import dataclass, field

from agent.masking import Masker, PatternSet
from agent.ports.clock import Clock
from agent.segment_writer import SegmentWriter
from agent.segments import FRAME_DATA_MAX_BYTES, Stream
from agent.shim.body import Source
from agent.shim.exit_file import StreamEnd
from agent.shim.last_errors import LastErrors
from agent.shim.lines import LineDesk, LineScan
from agent.shim.order import wall_ns

GATHER_NS = 5_000_000
_PIPE_BYTES = 256 * 1024
_READS_A_TURN = 4


@dataclass(slots=True, kw_only=True)
class Tap:
    """One stream: its pipe, its masker, and what is gathered and not written yet."""

    source: Source | None
    masker: Masker
    scan: LineScan | None
    ended: bool = False
    read_bytes: int = 0
    gathered: list[bytes] = field(default_factory=list)
    gathered_bytes: int = 0


class Taps:
    """Both streams of one bot, and the writer that they share."""

    def __init__(
        self,
        sources: dict[Stream, Source],
        patterns: PatternSet,
        lines: LineDesk | None,
        writer: SegmentWriter,
        clock: Clock,
    ) -> None:
        """`lines` is None where a bot's lines are only text."""
        self._taps = {
            stream: Tap(source=each, masker=Masker(patterns), scan=None if lines is None else LineScan(lines))
            for stream, each in sources.items()
        }
        self.last_errors = LastErrors()
        self._writer = writer
        self._clock = clock
        self._gathering: Stream | None = None
        self._flush_due_ns: int | None = None
        for each in sources.values():
            _enlarge(each.fileno())

    @property
    def all_ended(self) -> bool:
        """True when both streams were read to their end."""
        return all(tap.ended for tap in self._taps.values())

    @property
    def read_bytes(self) -> int:
        """How much the bot has printed."""
        return sum(tap.read_bytes for tap in self._taps.values())

    @property
    def flush_due_ns(self) -> int | None:
        """When `flush` must be called, by `Clock.boot_ns`."""
        return self._flush_due_ns

    def at_end(self, stream: Stream) -> bool:
        """Read what is there, a bounded amount; True when that was the end of the stream: then call `end`."""
        tap = self._taps[stream]
        for _ in range(_READS_A_TURN):
            if tap.source is None:
                return True
            try:
                data = tap.source.read(FRAME_DATA_MAX_BYTES)
            except BlockingIOError:
                return False
            if not data:
                return True
            tap.read_bytes += len(data)
            if tap.scan is None:
                self._gather(stream, tap.masker.feed(data))
                continue
            for part in tap.scan.feed(data):
                self._gather(stream, tap.masker.feed(part))
        return False

    def end(self, stream: Stream, *, is_end_seen: bool) -> None:
        """Give out what was held back, and close the pipe; `is_end_seen` false: somebody outside still holds it."""
        tap = self._taps[stream]
        if tap.source is None:
            return
        for part in () if tap.scan is None else tap.scan.end():
            self._gather(stream, tap.masker.feed(part))
        self._gather(stream, tap.masker.end())
        self.flush()
        tap.ended = is_end_seen
        tap.source.close()
        tap.source = None

    def open_sources(self) -> dict[Stream, Source]:
        """Return what is still read."""
        return {stream: tap.source for stream, tap in self._taps.items() if tap.source is not None}

    def flush(self) -> None:
        """Write what is gathered."""
        self._flush_due_ns = None
        if self._gathering is None:
            return
        stream, self._gathering = self._gathering, None
        tap = self._taps[stream]
        data = b"".join(tap.gathered)
        tap.gathered.clear()
        tap.gathered_bytes = 0
        self._writer.append(stream, data, wall_ns(self._clock.now()), self._clock.boot_ns())

    def ends(self) -> dict[str, StreamEnd]:
        """What the exit file says of the streams."""
        return {
            stream.value: StreamEnd(
                ended=tap.ended, read_bytes=tap.read_bytes, dropped_bytes=self._writer.dropped[stream]
            )
            for stream, tap in self._taps.items()
        }

    def _gather(self, stream: Stream, data: bytes) -> None:
        if not data:
            return
        if self._gathering is not stream:
            self.flush()
            self._gathering = stream
            self._flush_due_ns = self._clock.boot_ns() + GATHER_NS
        if stream is Stream.STDERR:
            self.last_errors.take(data)
        tap = self._taps[stream]
        tap.gathered.append(data)
        tap.gathered_bytes += len(data)
        if tap.gathered_bytes >= FRAME_DATA_MAX_BYTES:
            self.flush()


if sys.platform == "linux":
    import fcntl

    def _enlarge(pipe: int) -> None:
        """Let the bot write on while the shim syncs; what the kernel refuses is left as it is."""
        try:
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        except OSError:
            return

else:

    def _enlarge(pipe: int) -> None:
        """Leave the pipe as it is."""
