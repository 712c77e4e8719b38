"""What commands print: tables that fit the terminal, JSON for scripts, times that people read."""

import json
import os
import re
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from agent.ports.clock import SystemClock
from hub.cli.failing import Exit, Failure
from hub.cli.scripted import SCRIPTED

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
LEAST_WIDTH = 12
"""A column of a table is not cut below this."""


def as_json(value: Any) -> None:
    """Print a value as JSON."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print rows in columns, one line a row; nothing but a line when there are none.

    In a terminal the widest cells are cut, never the first column, which people copy; a pipe gets everything.
    """
    lines = [["" if cell is None else one_line(str(cell)) for cell in row] for row in rows]
    if not lines:
        sys.stdout.write("none\n")
        return
    widths = _widths([columns, *lines])
    for line in (columns, *lines):
        cells = (_cut(text, width) for text, width in zip(line, widths, strict=True))
        sys.stdout.write("  ".join(cells).rstrip() + "\n")


def _widths(lines: Sequence[Sequence[str]]) -> list[int]:
    """How wide each column is: as its widest text, less where the terminal ends."""
    from rich.cells import cell_len

    widths = [max(map(cell_len, texts)) for texts in zip(*lines, strict=True)]
    whole = sum(widths) + 2 * (len(widths) - 1)
    known = sys.stdout.isatty() or "COLUMNS" in os.environ
    over = whole - shutil.get_terminal_size().columns if known else 0
    while over > 0 and max(widths[1:], default=0) > LEAST_WIDTH:
        widest = widths.index(max(widths[1:]), 1)
        less = min(over, widths[widest] - LEAST_WIDTH)
        widths[widest] -= less
        over -= less
    return widths


def _cut(text: str, width: int) -> str:
    """The text in exactly that many columns of the terminal."""
    from rich.cells import cell_len, set_cell_size

    return set_cell_size(text, width - 1) + "…" if cell_len(text) > width else set_cell_size(text, width)


def cut(line: str, width: int | None) -> str:
    """A line that has to fit this many columns; None: it need not."""
    if width is None or (line.isascii() and len(line) <= width):
        return line
    from rich.cells import cell_len

    return line if cell_len(line) <= width else _cut(line, width).rstrip()


def one_line(text: str) -> str:
    """A text as it fits a line: its first line, and a sign where there is more; harmless to a terminal (`plain`)."""
    first, *more = text.strip().splitlines() or [""]
    return plain(f"{first} …" if more else first)


def plain(text: str) -> str:
    """A text of a bot as a terminal may have it: what would move its cursor or turn its letters is shown as a mark."""
    return _CONTROLS.sub("\N{REPLACEMENT CHARACTER}", text)


def members(value: Mapping[str, object]) -> None:
    """Print names and values one below the other; empty ones are left out."""
    known = {name: one for name, one in value.items() if one is not None and one != ""}
    width = max(map(len, known), default=0)
    for name, one in known.items():
        sys.stdout.write(f"{name:<{width}}  {one}\n")


def note(text: str) -> None:
    """Tell the person something that is not the command's result: on stderr, so that pipes stay clean.

    With ``--json`` nobody reads it: stderr is left to a failure's JSON object.
    """
    if not SCRIPTED.get():
        warn(text)


def warn(text: str) -> None:
    """Tell, on stderr, also a script."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def confirm(question: str, remedy: str, *, yes: bool) -> None:
    """Ask before something is gone for good, unless it was said already. Raises Failure where nobody can answer."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise Failure(f"nobody is there to confirm: {remedy}", Exit.USAGE)
    typer.confirm(question, abort=True, err=True)


def when(moment: str | None) -> str:
    """A time of the API as people read it: how long ago it was, or the local time when that is more than a day."""
    if moment is None:
        return ""
    then = datetime.fromisoformat(moment)
    passed_s = (SystemClock().now() - then.astimezone(UTC)).total_seconds()
    if not -86400 < passed_s < 86400:
        return then.astimezone().strftime("%Y-%m-%d %H:%M")
    words = duration(abs(passed_s))
    return f"{words} ago" if passed_s >= 0 else f"in {words}"


def duration(length_s: float) -> str:
    """A length of time in its two largest units."""
    whole = int(length_s)
    for unit, size, smaller, per in (("d", 86400, "h", 3600), ("h", 3600, "m", 60), ("m", 60, "s", 1)):
        if whole >= size:
            return f"{whole // size}{unit} {whole % size // per}{smaller}"
    return f"{whole}s"


def lasted(length_s: float) -> str:
    """A length of time as exactly as people want it: 7 ms, 1.25 s, 3m 2s."""
    if length_s < 1:
        return f"{length_s * 1000:.0f} ms"
    return f"{length_s:.2f} s" if length_s < 60 else duration(length_s)


def many(count: int, noun: str) -> str:
    """A number with its noun, in the plural unless it is one."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def size(count_bytes: int) -> str:
    """A number of bytes as people read it."""
    value = float(count_bytes)
    for unit in ("B", "KiB", "MiB"):
        if value < 1024:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} GiB"


def labels(found: Mapping[str, str]) -> str:
    """Labels as they are typed."""
    return " ".join(f"{name}={value}" for name, value in sorted(found.items()))


def read_labels(given: Sequence[str], option: str) -> dict[str, str]:
    """Labels as they were typed. Raises typer.BadParameter for one without a value."""
    read: dict[str, str] = {}
    for one in given:
        name, equals, value = one.partition("=")
        if not equals or not name or not value:
            raise typer.BadParameter(f"{one!r} is no name=value", param_hint=option)
        read[name] = value
    return read
