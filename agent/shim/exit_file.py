"""The file `exit`: what came of the bot, durable, read by whichever daemon is there (core.md §3, reliability.md P5).

Written twice. First when the main process was reaped (`final` false): the exit is a fact and goes ahead of data. Then,
when pipes and tree are done, with the output's length and digest (`final` true). Both are written into files whose
blocks were allocated before the bot began, then synced and renamed, so that a full disk does not lose them.
"""

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from agent.checked import DamagedError, seal, unseal
from agent.ports.files import Disk
from agent.segments import Gap
from agent.wire.lines import Remark
from agent.wire.words import AnnotationLevel, ExitKind, GapReason, StopCause

EXIT_NAME = "exit"
EXIT_VERSION = 1
READABLE_VERSIONS = frozenset({1})
_RESERVED_BYTES = 32 * 1024
_GAPS_MAX = 100
_SURVIVORS_MAX = 50
ANNOTATIONS_MAX = 50
_NUMBER_MAX = 2**63 - 1
_SHA256 = re.compile("[0-9a-f]{64}")


class ExitFileError(ValueError):
    """The file `exit` holds nothing that this program can read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamEnd:
    """One stream: whether it was read to its end, and the bytes that came and that were not stored."""

    ended: bool
    read_bytes: int
    dropped_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ExitRecord:
    """How an execution ended, as its shim saw it. Times are ns since 1970 by the wall clock.

    `cause` is the first durable stop cause; `last_step` the last step of the ladder that was taken for it or for what
    the bot left behind; `signaled_by_stop` says that a stop had sent a signal before the main process ended.
    Fields from `output_bytes` on are what is known so far while `final` is false. Totals of `gaps` are complete;
    beyond 100 gaps the last one holds the sum. `annotations` are the first 50 that the bot's lines made, masked;
    `annotation_counts` counts all of them by level. `last_errors` is the end of stderr, masked: whole lines, at most
    2 KiB.
    """

    final: bool
    how: ExitKind
    code: int | None
    signal: int | None
    error: str
    started_wall_ns: int
    ended_wall_ns: int
    cause: StopCause | None
    by: str
    last_step: str | None
    signaled_by_stop: bool
    peak_memory_bytes: int
    output_bytes: int
    output_sha256: str
    streams: dict[str, StreamEnd]
    gaps: tuple[Gap, ...] = ()
    survivors: tuple[tuple[int, str], ...] = ()
    annotations: tuple[Remark, ...] = ()
    annotation_counts: Mapping[AnnotationLevel, int] = field(default_factory=dict)
    last_errors: str = ""


@dataclass(slots=True, kw_only=True)
class ExitFile:
    """Where the record is written; makes its room on disk first."""

    folder: Path
    disk: Disk
    _reserves: list[Path] = field(default_factory=list)

    def reserve(self) -> None:
        """Allocate room for both writes; raises OSError when there is none."""
        for number in (1, 2):
            path = self.folder / f"exit.reserve{number}"
            self.disk.reserve(path, _RESERVED_BYTES)
            self._reserves.append(path)

    def write(self, record: ExitRecord) -> None:
        """Make `record` the content of `exit`, durably."""
        data = seal(encode_exit(record))
        if not self._reserves or len(data) > _RESERVED_BYTES:
            try:
                self.disk.write_durable(self.folder / EXIT_NAME, data)
            except OSError:
                if not self._reserves or not record.annotations:
                    raise
                # What the bot remarked must not cost the record its room.
                self.write(replace(record, annotations=()))
            return
        path = self._reserves.pop()
        try:
            # Blanks behind the JSON, not a shorter file: the blocks are there, and stay.
            self.disk.rewrite(path, data.ljust(_RESERVED_BYTES))
        except OSError:
            # What is in there nobody knows: another file, on another place of the disk.
            self.disk.write_durable(self.folder / EXIT_NAME, data)
            return
        self.disk.rename(path, self.folder / EXIT_NAME)
        self.disk.sync_folder(self.folder)

    def release(self) -> None:
        """Give back what was not needed."""
        for path in self._reserves:
            with suppress(OSError):
                self.disk.remove(path)
        self._reserves.clear()


def read_exit(folder: Path, disk: Disk) -> ExitRecord | None:
    """Return the record in an execution's folder, or None when there is none yet. Raises `ExitFileError`."""
    data = disk.read(folder / EXIT_NAME)
    if data is None:
        return None
    try:
        return decode_exit(unseal(data))
    except DamagedError as error:
        raise ExitFileError(f"the exit file is damaged: {error}") from error


def encode_exit(record: ExitRecord) -> bytes:
    """JSON of a record, with bounded lists."""
    body = asdict(record)
    body["gaps"] = [asdict(gap) for gap in _bounded(record.gaps)]
    body["survivors"] = [list(each) for each in record.survivors[:_SURVIVORS_MAX]]
    body["annotations"] = [asdict(each) for each in record.annotations[:ANNOTATIONS_MAX]]
    return (json.dumps({"version": EXIT_VERSION, **body}) + "\n").encode()


def decode_exit(data: bytes) -> ExitRecord:
    """Read a record; raises `ExitFileError`. Unknown fields of a readable version are ignored, new ones may miss."""
    try:
        body = json.loads(data)
        if body["version"] not in READABLE_VERSIONS:
            raise ExitFileError(f"exit file version {body['version']}")  # noqa: TRY301 - one place for what is wrong
        known = {name: body[name] for name in ExitRecord.__slots__ if name in body}
        known["how"] = ExitKind(body["how"])
        known["cause"] = StopCause(body["cause"]) if body["cause"] else None
        known["streams"] = {name: StreamEnd(**end) for name, end in body["streams"].items()}
        known["gaps"] = tuple(Gap(**{**gap, "reason": GapReason(gap["reason"])}) for gap in body["gaps"])
        known["survivors"] = tuple((int(pid), str(command)) for pid, command in body["survivors"])
        known["annotations"] = tuple(_remark(each) for each in body.get("annotations", ()))
        counts = body.get("annotation_counts", {}).items()
        known["annotation_counts"] = {AnnotationLevel(level): int(count) for level, count in counts}
        return _sound(ExitRecord(**known))
    except ExitFileError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ExitFileError(f"not an exit record: {error}") from error


def _sound(record: ExitRecord) -> ExitRecord:
    """The record, if facts can be made of it: a bot of the runner's own user can write this file, too (G9).

    Raises ValueError, TypeError.
    """
    ends = [count for end in record.streams.values() for count in (end.read_bytes, end.dropped_bytes)]
    gaps = [count for gap in record.gaps for count in (gap.offset, gap.resumed_at)]
    times = (record.started_wall_ns, record.ended_wall_ns)
    counts = record.annotation_counts.values()
    for count in (*times, record.peak_memory_bytes, record.output_bytes, *ends, *gaps, *counts):
        _check_number(count, 0)
    maybe = (record.code, record.signal, *(gap.missing_bytes for gap in record.gaps))
    for number in (*(pid for pid, _ in record.survivors), *(each for each in maybe if each is not None)):
        _check_number(number, -_NUMBER_MAX)
    if not _SHA256.fullmatch(record.output_sha256):
        raise ValueError("no digest of the output")
    remarks = [text for remark in record.annotations for text in (remark.title, remark.text)]
    commands = [command for _, command in record.survivors]
    for text in (record.error, record.by, record.last_errors, *remarks, *commands):
        text.encode()
    flags: tuple[object, ...] = (record.final, record.signaled_by_stop)
    if not all(isinstance(flag, bool) for flag in flags):
        raise TypeError("neither true nor false")
    return record


def _check_number(number: object, least: int) -> None:
    if not isinstance(number, int) or not least <= number <= _NUMBER_MAX:
        raise ValueError(f"a number that cannot be: {number!r:.40}")


def _remark(body: dict[str, str]) -> Remark:
    return Remark(level=AnnotationLevel(body["level"]), title=body["title"], text=body["text"])


def _bounded(gaps: tuple[Gap, ...]) -> tuple[Gap, ...]:
    if len(gaps) <= _GAPS_MAX:
        return gaps
    rest = gaps[_GAPS_MAX - 1 :]
    missing = sum(gap.missing_bytes or 0 for gap in rest)
    last = rest[-1]
    joined = Gap(offset=rest[0].offset, missing_bytes=missing, reason=last.reason, resumed_at=last.resumed_at)
    return (*gaps[: _GAPS_MAX - 1], joined)
