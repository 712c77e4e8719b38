"""Text to documents: YAML 1.2 as JSON has it, each value with the line where it stands.

YAML's core schema and nothing else decides what a plain word means: ``on`` and ``12-24`` are texts, ``2026-12-31`` too.
Refused, because they grow or surprise when read: aliases and anchors, tags, merge keys, a name that stands twice, NaN.
"""

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hub.domain.parameters import INTEGER_MAX

if TYPE_CHECKING:
    from ruamel.yaml.events import Event

FILE_MAX_BYTES = 1024 * 1024
_DEPTH_MAX = 40
_CONSTANTS: dict[str, Any] = {"": None, "~": None}
_CONSTANTS |= dict.fromkeys(("null", "Null", "NULL"))
_CONSTANTS |= dict.fromkeys(("true", "True", "TRUE"), True) | dict.fromkeys(("false", "False", "FALSE"), False)
_INTEGER = re.compile(r"[-+]?[0-9]+\Z")
_BEYOND = re.compile(r"\\U(?!000|0010)")
_BASED = re.compile(r"0o[0-7]+\Z|0x[0-9a-fA-F]+\Z")
_NUMBER = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?\Z")
_NO_NUMBER = re.compile(r"[-+]?\.(inf|Inf|INF)\Z|\.(nan|NaN|NAN)\Z")
_STRING_TAG = "tag:yaml.org,2002:str"


@dataclass(frozen=True, slots=True)
class Wrong:
    """What is wrong in a text, and in which line, from 1."""

    line: int
    message: str
    remedy: str = ""


class _StoppedError(Exception):
    """Nothing behind this can be read."""

    def __init__(self, event: Any, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.wrong = Wrong(_line(event), message, remedy)


@dataclass(slots=True, kw_only=True)
class Located:
    """One document: its value, and the lines of its values by path."""

    value: Any
    line: int
    lines: dict[tuple[str, ...], int] = field(default_factory=dict)

    def line_of(self, member: str) -> int:
        """Where a member stands, as ``retry.attempts``; of one that is not there, where the nearest around it does."""
        return self.lines[_deepest(self.lines, (), member.partition(", ")[0])]


@dataclass(slots=True, kw_only=True)
class Read:
    """What a text holds."""

    documents: Sequence[Located]
    faults: Sequence[Wrong]


def read(text: str) -> Read:
    """The documents of a text, and what is wrong with it.

    Behind an error of syntax nothing is read; all others are told at once.
    """
    from ruamel.yaml.error import YAMLError

    faults: list[Wrong] = []
    documents: list[Located] = []
    try:
        documents.extend(one for one in _documents(text, faults) if one.value is not None)
    except _StoppedError as stopped:
        faults.append(stopped.wrong)
    except YAMLError as error:
        faults.append(_of_syntax(error, text))
    except (ValueError, OverflowError):
        # The library's own, without a place: an escape such as \U00110000.
        line = next((n for n, one in enumerate(text.split("\n"), 1) if _BEYOND.search(one)), 1)
        faults.append(Wrong(line, "has an escape that is no character", "\\U0010FFFF is the last one"))
    odd = [one for one in documents if not isinstance(one.value, dict)]
    faults += [Wrong(one.line, "is no document", "begin with kind: and label:") for one in odd]
    return Read(documents=documents, faults=sorted(faults, key=lambda one: one.line))


def _documents(text: str, faults: list[Wrong]) -> Iterator[Located]:
    from ruamel.yaml import YAML
    from ruamel.yaml.events import DocumentStartEvent

    events: Iterator[Event] = YAML(typ="safe", pure=True).parse(text)
    for event in events:
        if isinstance(event, DocumentStartEvent):
            builder = _Builder(events, faults)
            first = next(events)
            value = builder.value(first, ())
            yield Located(value=value, line=_line(first), lines=builder.lines)


class _Builder:
    """Makes one document of the parser's events."""

    def __init__(self, events: "Iterator[Event]", faults: list[Wrong]) -> None:
        self._events = events
        self._faults = faults
        self.lines: dict[tuple[str, ...], int] = {}

    def value(self, event: "Event", path: tuple[str, ...]) -> Any:
        """What begins with this event. Raises _StoppedError for what can't be gone on from."""
        from ruamel.yaml.events import AliasEvent, MappingStartEvent, ScalarEvent, SequenceStartEvent

        self.lines.setdefault(path, _line(event))
        if len(path) > _DEPTH_MAX:
            raise _StoppedError(event, f"is nested deeper than {_DEPTH_MAX}", "write it flatter")
        if isinstance(event, AliasEvent):
            raise _StoppedError(event, "uses an alias (*name)", "write the value out")
        if getattr(event, "anchor", None):
            self._tell(event, "has an anchor (&name)", "write the value out where it is wanted")
        match event:
            case ScalarEvent():
                return self._scalar(event)
            case SequenceStartEvent():
                self._no_tag(event)
                return self._sequence(path)
            case MappingStartEvent():
                self._no_tag(event)
                return self._mapping(path)
        raise _StoppedError(event, "can't be read")

    def _sequence(self, path: tuple[str, ...]) -> list[Any]:
        from ruamel.yaml.events import SequenceEndEvent

        found: list[Any] = []
        while not isinstance(event := next(self._events), SequenceEndEvent):
            found.append(self.value(event, (*path, str(len(found)))))
        return found

    def _mapping(self, path: tuple[str, ...]) -> dict[str, Any]:
        from ruamel.yaml.events import MappingEndEvent, ScalarEvent

        found: dict[str, Any] = {}
        while not isinstance(event := next(self._events), MappingEndEvent):
            if not isinstance(event, ScalarEvent):
                raise _StoppedError(event, "is no name", "a name is a plain word, then a colon")
            name = event.value
            where = (*path, name)
            if name in found:
                self._tell(event, f"{name[:64]!r} stands twice", f"first in line {self.lines[where]}; keep one")
            if name == "<<" and event.style is None:
                self._tell(event, "merges another value (<<)", "write the members out")
            self.lines.setdefault(where, _line(event))
            found[name] = self.value(next(self._events), where)
        return found

    def _scalar(self, event: Any) -> Any:
        if event.tag is not None:
            if event.tag == _STRING_TAG:
                return event.value
            self._no_tag(event)
        text: str = event.value
        if event.style is not None:
            self._no_surrogates(event, text)
            return text
        if text in _CONSTANTS:
            return _CONSTANTS[text]
        if _INTEGER.match(text) or _BASED.match(text):
            return self._integer(event, text)
        if _NUMBER.match(text) and math.isfinite(number := float(text)):
            return number
        if _NUMBER.match(text) or _NO_NUMBER.match(text):
            self._tell(event, f"{text[:40]!r} is no number that JSON has", "give a finite one, or quote it")
        return text

    def _integer(self, event: Any, text: str) -> int | None:
        digits = text.lstrip("+-0")
        number = int(text, 0) if _BASED.match(text) and len(text) < 40 else None
        if number is None and len(digits) < 40:
            number = int(digits or "0") * (-1 if text.startswith("-") else 1)
        if number is None or abs(number) > INTEGER_MAX:
            self._tell(event, f"{text[:40]!r} is too large a number", "quote it, if it is a text")
            return None
        return number

    def _no_surrogates(self, event: Any, text: str) -> None:
        if any("\ud800" <= one <= "\udfff" for one in text):
            self._tell(event, "has half of a character (\\ud800 to \\udfff)", "write the character itself")

    def _no_tag(self, event: Any) -> None:
        if event.tag is not None:
            self._tell(event, f"has a tag ({event.tag[:64]})", "leave it out")

    def _tell(self, event: "Event", message: str, remedy: str) -> None:
        self._faults.append(Wrong(_line(event), message, remedy))


def _deepest(lines: dict[tuple[str, ...], int], here: tuple[str, ...], rest: str) -> tuple[str, ...]:
    """The longest known path of a dotted name; names may have dots, and unknown parts are left out."""
    parts = rest.split(".") if rest else []
    for size in range(len(parts), 0, -1):
        inner = (*here, ".".join(parts[:size]))
        if inner in lines:
            return _deepest(lines, inner, ".".join(parts[size:]))
    return _deepest(lines, here, ".".join(parts[1:])) if len(parts) > 1 else here


def _of_syntax(error: Any, text: str) -> Wrong:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    position = getattr(error, "position", 0)
    line = mark.line + 1 if mark is not None else text.count("\n", 0, position) + 1
    problem = getattr(error, "problem", None) or (str(error).splitlines() or ["can't be read"])[0]
    remedy = "indent with spaces" if "\\t" in problem else ""
    if problem.startswith("mapping values"):
        remedy = "put a value that holds ': ' in quotes, or mend the indent of this line"
    return Wrong(line, problem, remedy)


def _line(event: Any) -> int:
    line: int = event.start_mark.line
    return line + 1
