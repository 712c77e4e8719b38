"""``BOTYARD_OUTPUT``: a run's outputs, in the grammar of GitHub's runner (`bot-packages.md` §7). Pure.

    name=value          all behind the first ``=`` is the value
    name<<END           a value of several lines, until a line that is END and nothing else
    first line
    END

Of two of one name the later counts. Lines end with LF or CRLF; blank ones count for nothing. A line that is neither is
left out, the others count all the same; an ``END`` that never comes takes what follows with it.
"""

import codecs
from collections.abc import Iterator
from dataclasses import dataclass, field

OUTPUT_FILE_MAX_BYTES = 1024 * 1024
"""What lies behind is not read; GitHub's runner takes as much."""
OUTPUT_NAME_MAX = 256
_SHOWN = 40
_BOMS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))


@dataclass(frozen=True, slots=True)
class Fault:
    """A line that says nothing, and why."""

    line: int
    """The first is 1."""
    why: str


@dataclass(slots=True)
class Outputs:
    """What a file says."""

    values: dict[str, str] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)


def read_outputs(data: bytes) -> Outputs:
    """Every output in `data`, and every line that is none. Never raises."""
    found = Outputs()
    is_cut = len(data) > OUTPUT_FILE_MAX_BYTES
    lines = _lines(decoded(data[:OUTPUT_FILE_MAX_BYTES]), is_cut=is_cut)
    for number, line in lines:
        _take(found, number, line, lines)
    if is_cut:
        found.faults.append(Fault(0, f"it is larger than {OUTPUT_FILE_MAX_BYTES} bytes; the rest was not read"))
    return found


def decoded(data: bytes) -> str:
    """A text file's text: UTF-8, or what its byte order mark says, as PowerShell's ``>`` writes it."""
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            return data[len(mark) :].decode(encoding, "replace")
    return data.decode(errors="replace")


def _lines(text: str, *, is_cut: bool) -> Iterator[tuple[int, str]]:
    """Numbered lines without their LF; the last one of a text that goes on is left out."""
    position, number = 0, 0
    while position < len(text):
        end = text.find("\n", position)
        if end < 0 and is_cut:
            return
        number += 1
        yield number, text[position:] if end < 0 else text[position:end]
        position = len(text) if end < 0 else end + 1


def _take(found: Outputs, number: int, line: str, lines: Iterator[tuple[int, str]]) -> None:
    plain = line.removesuffix("\r")
    if not plain.strip():
        return
    equals, block = plain.find("="), plain.find("<<")
    if equals >= 0 and (block < 0 or equals < block):
        name, value = plain[:equals], plain[equals + 1 :]
    elif block >= 0:
        name, end = plain[:block], plain[block + 2 :]
        read = _block(end, lines) if end else None
        if read is None:
            missing = f"no line {shown(end)} ends the block of {shown(name)}" if end else "no word follows <<"
            found.faults.append(Fault(number, missing))
            return
        value = read
    else:
        found.faults.append(Fault(number, "neither name=value nor name<<END"))
        return
    why = name_fault(name)
    if why:
        found.faults.append(Fault(number, why))
    else:
        found.values[name] = value


def name_fault(name: str) -> str:
    """Why this cannot be the name of an output; empty where it can."""
    if not name.strip():
        return "the name is empty"
    return f"the name is longer than {OUTPUT_NAME_MAX} characters" if len(name) > OUTPUT_NAME_MAX else ""


def _block(end: str, lines: Iterator[tuple[int, str]]) -> str | None:
    """The lines up to `end`; None where it does not come."""
    parts: list[str] = []
    for _, line in lines:
        if line.removesuffix("\r") == end:
            return "\n".join(parts).removesuffix("\r") if parts else ""
        parts.append(line)
    return None


def shown(text: str) -> str:
    """A text in quotes, as it fits a sentence."""
    return repr(text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…")
