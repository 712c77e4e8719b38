"""Files of items, line by line: CSV or JSON lines, of any length, in the memory of a few lines.

Every broken line is told with its number, and the lines behind it are read all the same. Only CR and LF end a line of
CSV, only LF one of JSON lines: what else Unicode calls a line break is text like any other.
"""

import csv
import json
import re
import shutil
import sys
import tempfile
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from hub.cli.failing import Exit, Failure

ITEM_BYTES = 600 * 1024
"""Longest item as JSON; the hub takes less, and says how much."""
_CELL_MAX = 256 * 1024
_LINE_MAX = 8 * 1024 * 1024
_DEEPEST = 150
"""The hub reads a body no deeper than 200."""
_AGAIN_MAX = 100_000
"""So many lines are read a second time after broken quotes; behind that only what comes after the quote."""
_KEPT = 10_000
_UNKNOWN_SHOWN = 5
_BOM = b"\xef\xbb\xbf"
_META = frozenset({"payload", "reference", "priority", "not_before", "deadline", "tags", "files"})


def _no_number(text: str) -> None:
    raise ValueError(f"{text} is no JSON")


# Made once: the functions of the module make a coder for each call that is not the plain one.
_decode = json.JSONDecoder(parse_constant=_no_number).decode
_encode = json.JSONEncoder(allow_nan=False).encode


@dataclass(frozen=True, slots=True)
class Line:
    """An item, and the line of the file where it stands."""

    number: int
    item: dict[str, Any]
    size: int
    """Bytes of the item as JSON."""


@dataclass(slots=True)
class Faults:
    """What was refused: how many lines, and the first of them in words."""

    count: int = 0
    first: list[str] = field(default_factory=list)

    def add(self, text: str) -> None:
        """One more."""
        self.count += 1
        if len(self.first) < _KEPT:
            self.first.append(text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """How a file is to be read."""

    kind: str
    """``csv`` or ``jsonl``."""
    delimiter: str
    types: Mapping[str, str]
    """Type of each field that the queue declares: a cell takes it."""
    reference: str | None


@contextmanager
def opened(file: str) -> Iterator[IO[bytes]]:
    """The file; standard input and pipes are kept on the disk meanwhile, for it is read twice. Raises Failure."""
    with ExitStack() as open_:
        try:
            source = sys.stdin.buffer if file == "-" else open_.enter_context(Path(file).open("rb"))
        except OSError as error:
            raise Failure(f"{file}: {error.strerror}.", Exit.USAGE) from None
        if file != "-" and source.seekable():
            yield source
            return
        kept = open_.enter_context(tempfile.TemporaryFile())
        shutil.copyfileobj(source, kept)
        yield kept


def items(source: IO[bytes], form: Form, faults: Faults) -> Iterator[Line]:
    """The items of a file from its beginning; a broken line is noted in `faults`. Raises Failure for what is no CSV."""
    source.seek(0)
    found = _csv(_Physical(source), form, faults) if form.kind == "csv" else _json_lines(source, faults)
    for number, item in found:
        named = _named(item, form.reference)
        why, size = _unfit(named)
        if why:
            faults.add(f"line {number}: {why}")
        else:
            yield Line(number, named, size)


def _unfit(item: dict[str, Any]) -> tuple[str, int]:
    """Why no body that holds this item would be read, and how long it is."""
    try:
        text = _encode(item)
    except ValueError:
        return "a number is not finite", 0
    except RecursionError:
        return _TOO_DEEP, 0
    if len(text) > ITEM_BYTES:
        return f"{len(text)} bytes as JSON; attach a file instead", 0
    if "\\ud" in text:
        try:
            json.dumps(item, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            return "half a character (a lone surrogate)", 0
    if text.count("{") + text.count("[") > _DEEPEST and _depth(item) > _DEEPEST:
        return _TOO_DEEP, 0
    return "", len(text)


_TOO_DEEP = f"nested more than {_DEEPEST} deep"


def _depth(value: Any) -> int:
    """How deep lists and objects stand in each other; without recursion, for it may be very deep."""
    deepest, left = 0, [(value, 1)]
    while left:
        one, depth = left.pop()
        inner = one.values() if isinstance(one, dict) else one if isinstance(one, list) else ()
        if isinstance(one, dict | list):
            deepest = max(deepest, depth)
        left += [(each, depth + 1) for each in inner]
    return deepest


def _named(item: dict[str, Any], reference: str | None) -> dict[str, Any]:
    value = item["payload"].get(reference) if reference else None
    return item if value is None else {"reference": str(value), **item}


# --- JSON lines ---


def _json_lines(source: IO[bytes], faults: Faults) -> Iterator[tuple[int, dict[str, Any]]]:
    """Items of JSON lines: each an item with a `payload`, or the payload itself."""
    for number, (raw, is_whole) in enumerate(_raw_lines(source), start=1):
        if not raw.strip():
            continue
        value = _value(raw) if is_whole else _TOO_LONG
        if isinstance(value, str):
            faults.add(f"line {number}: {value}")
            continue
        is_item = isinstance(value.get("payload"), dict)
        unknown = sorted(value.keys() - _META) if is_item else []
        if unknown:
            # Taken for a payload it would be stored as one that nobody meant, and a misspelt priority be lost in it.
            named = ", ".join(repr(name[:40]) for name in unknown[:_UNKNOWN_SHOWN])
            faults.add(f"line {number}: an item has no {named} beside its payload; a payload of that form goes in one")
            continue
        yield number, value if is_item else {"payload": value}


def _value(raw: bytes) -> dict[str, Any] | str:
    """The object that a line is, or why it is none."""
    try:
        value = _decode(raw.decode())
    except UnicodeDecodeError:
        return _NOT_UTF_8
    except RecursionError:
        return _TOO_DEEP
    except ValueError as error:
        return f"no JSON: {error}"
    return value if isinstance(value, dict) else "not an object"


_NOT_UTF_8 = "not UTF-8; save the file so"
_TOO_LONG = f"longer than {_LINE_MAX} bytes"


def _raw_lines(source: IO[bytes]) -> Iterator[tuple[bytes, bool]]:
    """Lines up to LF, without a byte order mark; of one that is far too long only the beginning, and False."""
    is_first = True
    while raw := source.readline(_LINE_MAX):
        is_whole = raw.endswith(b"\n") or len(raw) < _LINE_MAX
        rest = b"" if is_whole else raw
        while rest and not rest.endswith(b"\n"):
            rest = source.readline(_LINE_MAX)
        yield (raw.removeprefix(_BOM) if is_first else raw), is_whole
        is_first = False


# --- CSV ---

_AFTER_CR = re.compile(r"(?<=\r)(?!\n|\Z)")


class _Undecodable(Exception):  # noqa: N818 - a line of theirs, not a fault of ours
    """This line is no text."""


class _Physical:
    """The lines of a text for a reader of CSV, which may ask for those of a broken record once more."""

    def __init__(self, source: IO[bytes]) -> None:
        self.number = 0
        """Lines given so far."""
        self._source = self._lines(source)
        self._ahead: deque[str | None] = deque()
        self._given: list[str | None] = []
        self._again = _AGAIN_MAX

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._ahead.popleft() if self._ahead else next(self._source)
        self.number += 1
        self._given.append(line)
        if line is None:
            raise _Undecodable
        return line

    def begin(self) -> int:
        """A record begins here: the number of its first line."""
        self._given.clear()
        return self.number + 1

    def behind_the_first(self) -> None:
        """Go on behind the first line of the record, however many lines a quote that nothing closes has swallowed."""
        again = self._given[1:]
        if len(again) <= self._again:
            self._again -= len(again)
            self._ahead.extendleft(reversed(again))
            self.number -= len(again)

    @staticmethod
    def _lines(source: IO[bytes]) -> Iterator[str | None]:
        for raw, is_whole in _raw_lines(source):
            try:
                text = raw.decode() if is_whole else None
            except UnicodeDecodeError:
                text = None
            if text is None:
                yield None
            else:
                yield from _AFTER_CR.split(text)


def _csv(lines: _Physical, form: Form, faults: Faults) -> Iterator[tuple[int, dict[str, Any]]]:
    """Items of a CSV text; a cell takes the type that the queue declares, an empty one is absent."""
    records = _records(lines, form.delimiter, faults)
    head = _head(next(records, (1, None))[1], form)
    kinds = [form.types.get(name, "text") for name in head]
    for number, cells in records:
        if cells is None:
            continue
        if len(cells) != len(head):
            faults.add(f"line {number}: {len(cells)} cells, and the head line has {len(head)}")
            continue
        named = zip(head, cells, kinds, strict=True)
        yield number, {"payload": {name: _cell(cell, kind) for name, cell, kind in named if cell}}


def _records(lines: _Physical, delimiter: str, faults: Faults) -> Iterator[tuple[int, list[str] | None]]:
    """(first line, cells) of each record; None for the cells of a broken head, which nobody can do without."""
    csv.field_size_limit(_CELL_MAX)
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    has_head = False
    while True:
        begins = lines.begin()
        try:
            cells = next(reader)
        except StopIteration:
            return
        except (_Undecodable, csv.Error) as error:
            if not has_head:
                raise Failure(f"line {begins} is no head line of a CSV: {_words(error)}.", Exit.USAGE) from None
            faults.add(f"line {begins}: {_words(error)}")
            lines.behind_the_first()
            continue
        if cells:
            has_head = True
            yield begins, cells


def _words(error: Exception) -> str:
    if isinstance(error, _Undecodable):
        return _NOT_UTF_8
    told = str(error)
    if told == "unexpected end of data":
        return "a quote is opened and never closed"
    return f"a cell has more than {_CELL_MAX} characters, or a quote is never closed" if "limit" in told else told


def _head(cells: list[str] | None, form: Form) -> list[str]:
    """The names of the columns. Raises Failure, with every fault, unless each has one of its own."""
    if cells is None:
        raise Failure("the file is empty: the first line of a CSV names the columns.", Exit.USAGE)
    told = [f"column {place} has no name" for place, name in enumerate(cells, start=1) if not name.strip()]
    told += [
        f"{name!r} stands there {cells.count(name)} times" for name in dict.fromkeys(cells) if _is_twice(name, cells)
    ]
    if form.reference is not None and form.reference not in cells:
        told.append(f"there is no column {form.reference!r} for --reference")
    if told:
        raise Failure("the first line must name the columns, each once.", Exit.USAGE, told)
    return cells


def _is_twice(name: str, cells: list[str]) -> bool:
    return bool(name.strip()) and cells.count(name) > 1


def _cell(cell: str, kind: str) -> Any:
    """The cell in the field's type; one that is not of it goes as text, and the hub says so."""
    if kind == "text":
        return cell
    try:
        return _decode(cell)
    except (ValueError, RecursionError):
        return cell
