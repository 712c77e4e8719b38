"""What commands print: tables that fit the terminal, JSON for scripts, times that people read."""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from agent.ports.clock import SystemClock

Json = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]


def as_json(value: Any) -> None:
    """Print a value as JSON."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print rows in columns that fit the terminal; nothing but a line when there are none."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    shown = Table(box=None, pad_edge=False, header_style="bold")
    for name in columns:
        shown.add_column(name, overflow="fold")
    for row in rows:
        shown.add_row(*(Text("" if cell is None else str(cell)) for cell in row))
    if shown.row_count == 0:
        sys.stdout.write("none\n")
        return
    Console(highlight=False).print(shown)


def members(value: Mapping[str, object]) -> None:
    """Print names and values one below the other; empty ones are left out."""
    known = {name: one for name, one in value.items() if one not in {None, ""}}
    width = max(map(len, known), default=0)
    for name, one in known.items():
        sys.stdout.write(f"{name:<{width}}  {one}\n")


def note(text: str) -> None:
    """Tell the person something that is not the command's result: on stderr, so that pipes stay clean."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


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
