"""How far something is, on stderr: bars that are redrawn in a terminal, plain lines anywhere else, nothing for scripts.

    uploading greeter.zip  [##########··········]  50%  4.1 MiB of 8.2 MiB
    prepare on desk-1      [####················]  20%  installing

A terminal shows each bar on a line of its own; finished ones stay. In a pipe each new text is one line, and a number
that only moves is told every tenth of the whole.
"""

import shutil
import sys
from dataclasses import dataclass, field
from typing import TextIO

from hub.cli import show
from hub.cli.scripted import SCRIPTED

WIDTH = 20
_STEP = 10
"""In a pipe: one line for so many parts of the whole."""


@dataclass(frozen=True, slots=True)
class _Line:
    fraction: float | None
    text: str


@dataclass(slots=True)
class Progress:
    """Lines by name, each with a bar or without; `tell` adds one that stays."""

    stream: TextIO = field(default_factory=lambda: sys.stderr)
    _lines: dict[str, _Line] = field(default_factory=dict)
    _told: dict[str, tuple[str, int]] = field(default_factory=dict)
    _last: str = ""
    _drawn: int = 0

    @property
    def is_live(self) -> bool:
        """Whether lines can be redrawn."""
        return self.stream.isatty()

    def tell(self, text: str) -> None:
        """A line of its own that stays, unless it is the one that was told last."""
        if text == self._last or SCRIPTED.get():
            return
        self._last = text
        self._erase()
        self.stream.write(text + "\n")
        self._draw()

    def set(self, name: str, fraction: float | None, text: str = "") -> None:
        """How far `name` is: 0 to 1, None where nobody knows, and what it is at."""
        line = _Line(fraction, text)
        if self._lines.get(name) == line or SCRIPTED.get():
            return
        self._lines[name] = line
        if self.is_live:
            self._erase()
            self._draw()
        else:
            self._plain(name, line)

    def end(self) -> None:
        """Leave the lines as they stand; what comes next begins below them."""
        if self._drawn and self.is_live:
            self._erase()
            self._write_lines()
            self.stream.flush()
        self._lines.clear()
        self._drawn = 0

    def _plain(self, name: str, line: _Line) -> None:
        """One line where something new is to be said."""
        tenth = -1 if line.fraction is None else int(line.fraction * _STEP)
        words = _words(line.text)
        if self._told.get(name) == (words, tenth):
            return
        self._told[name] = (words, tenth)
        percent = "" if line.fraction is None else f"{line.fraction:.0%}"
        self.stream.write("  ".join(part for part in (name, percent, line.text) if part) + "\n")
        self.stream.flush()

    def _erase(self) -> None:
        if self._drawn and self.is_live:
            self.stream.write(f"\x1b[{self._drawn}F\x1b[J")
        self._drawn = 0

    def _draw(self) -> None:
        if self.is_live:
            self._write_lines()
            self._drawn = len(self._lines)
        self.stream.flush()

    def _write_lines(self) -> None:
        width = max(map(len, self._lines), default=0)
        columns = shutil.get_terminal_size().columns
        for name, line in self._lines.items():
            text = f"{name:<{width}}  {_bar(line.fraction)}  {line.text}".rstrip()
            self.stream.write(show.cut(text, columns - 1) + "\n")


def _bar(fraction: float | None) -> str:
    if fraction is None:
        return f"[{'·' * WIDTH}]     "
    full = round(max(0.0, min(1.0, fraction)) * WIDTH)
    return f"[{'#' * full}{'·' * (WIDTH - full)}] {fraction:>4.0%}"


def _words(text: str) -> str:
    """What is said beside numbers, which may only move."""
    return " ".join(word for word in text.split() if not any(letter.isdigit() for letter in word))
