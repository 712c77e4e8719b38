"""`::x::` lines on the way from a bot's pipes to its masker: `agent/wire/lines.py` reads them, this acts on them.

    pipe ──> LineScan (one a stream) ──> Masker ──> segments
                │ a whole line that is a command
                v
             LineDesk (one a bot): masks, annotations, progress, stop-commands

Bytes pass unchanged, with one exception: the value of `::add-mask::` becomes `***`, is masked from that line on, and is
held back until its line is whole. A line that is longer than 64 KiB is no command. Ordinary output costs two searches a
piece. Nothing here changes a status.
"""

import re
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from agent.masking import MASK, Masker, PatternSet, is_maskable, mask_text
from agent.shim.exit_file import ANNOTATIONS_MAX
from agent.shim.wire import Message
from agent.wire.lines import (
    COMMAND_MAX_BYTES,
    LineCommand,
    LineReader,
    LineWord,
    Remark,
    percent_of,
    remark_of,
)
from agent.wire.words import AnnotationLevel

PROGRESS_EVERY_NS = 250_000_000
TITLE_MAX = 200
TEXT_MAX = 1000
"""Characters of an annotation that are kept; the output has all of them."""
_BLANKS = rb"[ \t\v\f\r]*"
_HEAD = re.compile(_BLANKS + rb"::")
_NEXT = re.compile(rb"\n" + _BLANKS + rb"::")
_MAY_BECOME = re.compile(_BLANKS + rb"(?:::|:?\Z)")
_ADD_MASK = re.compile(_BLANKS + rb"::add-mask(?: (?:[^:]|:(?!:))*)?::", re.IGNORECASE)
_TOO_SHORT = Remark(
    level=AnnotationLevel.WARNING, title="add-mask", text="A value of fewer than 4 characters is not masked."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a bot says that it is."""

    percent: float | None
    text: str


class LineDesk:
    """Acts on the commands of one bot, and keeps what they said until its end."""

    def __init__(
        self, add_masks: Callable[[Sequence[bytes]], None], patterns: PatternSet, tell: Callable[[Message], None]
    ) -> None:
        """`add_masks` adds to `patterns`; `tell` brings an event to the daemons that are connected."""
        self._add_masks = add_masks
        self._patterns = patterns
        self._tell = tell
        self._reader = LineReader()
        self._annotations: list[Remark] = []
        self._counts: dict[AnnotationLevel, int] = {}
        self._progress_line: bytes | None = None
        self._is_progress_told = True
        self._progress_due_ns = 0

    @property
    def progress(self) -> Progress | None:
        """The last one, without secrets."""
        if self._progress_line is None:
            return None
        said = self._without_secrets(self._progress_line, LineWord.PROGRESS)
        return Progress(percent=percent_of(said), text=self._clean(said.text, TEXT_MAX))

    @property
    def progress_due_ns(self) -> int | None:
        """When `tell_progress` must be called, by `Clock.boot_ns`; None when there is nothing to tell."""
        return None if self._is_progress_told else self._progress_due_ns

    @property
    def annotations(self) -> tuple[Remark, ...]:
        """The first 50, without secrets."""
        return tuple(
            Remark(level=each.level, title=self._clean(each.title, TITLE_MAX), text=self._clean(each.text, TEXT_MAX))
            for each in self._annotations
        )

    @property
    def annotation_counts(self) -> dict[AnnotationLevel, int]:
        """How many there were of each level."""
        return dict(self._counts)

    def is_stopped(self) -> bool:
        """True between `::stop-commands::` and its token."""
        return self._reader.stop_token is not None

    def act(self, line: bytes) -> bool:
        """Do what a line says; True when it is an `::add-mask::`, whose value must not be shown."""
        command = self._reader.read(line.decode("utf-8", "surrogateescape"))
        if command is None:
            return False
        match command.word:
            case LineWord.ADD_MASK:
                self._mask(command.text)
                return True
            case LineWord.PROGRESS:
                self._progress_line, self._is_progress_told = line, False
            case LineWord.ERROR | LineWord.WARNING | LineWord.NOTICE:
                self._count(AnnotationLevel(command.word))
                if len(self._annotations) < ANNOTATIONS_MAX:
                    self._keep(remark_of(self._without_secrets(line, command.word)))
            case _:
                pass
        return False

    def tell_progress(self, now_ns: int, *, is_end: bool = False) -> None:
        """Tell the last progress, at most four times a second but at the end; unheard, it stands in the state."""
        if self._is_progress_told or (now_ns < self._progress_due_ns and not is_end):
            return
        self._is_progress_told = True
        self._progress_due_ns = now_ns + PROGRESS_EVERY_NS
        if (progress := self.progress) is not None:
            self._tell({"event": "progress", "percent": progress.percent, "text": progress.text})

    def _mask(self, text: str) -> None:
        value = text.encode("utf-8", "surrogateescape")
        if is_maskable(value):
            self._add_masks([value])
            self._tell({"event": "masks", "masks": [b64encode(value).decode()]})
        elif value.strip(b"* "):
            self._count(_TOO_SHORT.level)
            self._keep(_TOO_SHORT)

    def _without_secrets(self, line: bytes, word: LineWord) -> LineCommand:
        """The command of a line, masked before its escapes are taken out, which would make another form of a secret."""
        masker = Masker(self._patterns)
        masked = masker.feed(line) + masker.end()
        found = LineReader().read(masked.decode("utf-8", "surrogateescape"))
        # Where the command itself is part of a secret, nothing else of its line is told.
        return found or LineCommand(word=word, text=MASK.decode())

    def _count(self, level: AnnotationLevel) -> None:
        self._counts[level] = self._counts.get(level, 0) + 1

    def _keep(self, remark: Remark | None) -> None:
        if remark is not None and len(self._annotations) < ANNOTATIONS_MAX:
            # Secrets before the cut, which could leave half of one; those that come later, when it is asked for.
            title, text = self._clean(remark.title, TITLE_MAX), self._clean(remark.text, TEXT_MAX)
            self._annotations.append(Remark(level=remark.level, title=title, text=text))

    def _clean(self, text: str, length: int) -> str:
        readable = text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        return mask_text(readable, self._patterns)[:length]


class LineScan:
    """Finds the commands in one stream."""

    def __init__(self, desk: LineDesk) -> None:
        self._desk = desk
        # What has come of the line that is not over yet, while it may be a command; None when it is text for certain.
        self._open: bytes | None = b""
        # The end of that, which was not given out.
        self._held = b""

    def feed(self, data: bytes) -> Iterable[bytes]:
        """Take the next piece; give out what the masker takes. To be read to its end before the next call.

        Each part is to be masked before the next one is asked for, since the next may begin behind an added mask.
        """
        # One byte is searched for ten times as fast as two.
        if self._open or (b":" in data and b"::" in data):
            return self._scan(data)
        start = data.rfind(b"\n") + 1
        if start == len(data) and start:
            self._open = b""
        elif start or self._open is not None:
            self._open = self._candidate(data, start)
        return (data,)

    def end(self) -> Iterator[bytes]:
        """The stream is over: its last line is one without a newline, too."""
        line, self._open = self._open, None
        if line and _HEAD.match(line) and self._desk.act(line):
            yield from _hidden(line, len(line) - len(self._held))
        elif self._held:
            yield self._held
        self._held = b""

    def _scan(self, data: bytes) -> Iterator[bytes]:
        is_text, before = self._open is None, self._open or b""
        text = before + data
        given = len(before) - len(self._held)
        start = -1 if is_text or _HEAD.match(text) is None else 0
        if start < 0:
            start = _next_start(text, 0)
        while start >= 0 and (end := text.find(b"\n", start)) >= 0:
            value = _value_start(text, start, end)
            if value >= 0 and not self._desk.is_stopped():
                # Everything before is masked with what was known before.
                yield text[given:value]
                given = value
            if end - start <= COMMAND_MAX_BYTES and self._desk.act(text[start:end]):
                yield from _hidden(text[:end], given)
                given = max(given, len(text[:end].rstrip(b"\r")))
            start = _next_start(text, end)
        yield from self._keep(text, given, is_text=is_text)

    def _keep(self, text: bytes, given: int, *, is_text: bool) -> Iterator[bytes]:
        """Give out the rest, but for the value of an `::add-mask::` that may go on."""
        start = text.rfind(b"\n") + 1
        self._open = None if is_text and not start else self._candidate(text, start)
        value = -1 if self._open is None or self._desk.is_stopped() else _value_start(text, start, len(text))
        until = len(text) if value < 0 else max(value, given)
        self._held = text[until:]
        if until > given:
            yield text[given:until]

    def _candidate(self, data: bytes, start: int) -> bytes | None:
        """The unfinished line that begins at `start`, if it may still become a command."""
        if len(data) - start > COMMAND_MAX_BYTES or _MAY_BECOME.match(data, start) is None:
            return None
        return data[start:]


def _next_start(text: bytes, newline: int) -> int:
    """Where the next line begins that looks like a command, from a newline or anywhere in a line on; -1 for none."""
    found = _NEXT.search(text, newline)
    return -1 if found is None else found.start() + 1


def _value_start(text: bytes, start: int, end: int) -> int:
    """Where the value of an `::add-mask::` line begins; -1 for any other line."""
    found = _ADD_MASK.match(text, start, end)
    return -1 if found is None else found.end()


def _hidden(line: bytes, value: int) -> Iterator[bytes]:
    """What stands for the value in its line: stars, unless there is none."""
    if line[value:].strip(b"\r"):
        yield MASK
