"""`::name key=value,key=value::text`: what a bot can say by printing a line (`bot-packages.md` §7, layer 2).

GitHub's grammar, exactly (`ActionCommand.TryParseV2` of its runner): blanks before the first `::` are skipped, names
and keys ignore case, a value ends at `,`, the text is all that follows the second `::`. Escapes: `%25 %0D %0A` in the
text, `%3A %2C` too in values; capitals only. A line that is no command of ours is text.

They change what is shown and what is masked, never a status, never an output: anything that prints may print them.
Both sides read them with this module: the shim to act, the hub to show. Pure.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from agent.wire.words import AnnotationLevel

COMMAND_MAX_BYTES = 64 * 1024
"""A longer line is never a command."""
BLANKS = " \t\v\f\r"
_KEY = "::"
_TEXT_ESCAPES = (("%0D", "\r"), ("%0A", "\n"), ("%25", "%"))
_VALUE_ESCAPES = (("%0D", "\r"), ("%0A", "\n"), ("%3A", ":"), ("%2C", ","), ("%25", "%"))


class LineWord(StrEnum):
    """The commands that there are."""

    ERROR = "error"
    WARNING = "warning"
    NOTICE = "notice"
    DEBUG = "debug"
    GROUP = "group"
    ENDGROUP = "endgroup"
    ADD_MASK = "add-mask"
    STOP_COMMANDS = "stop-commands"
    PROGRESS = "progress"


_WORDS = frozenset(word.value for word in LineWord)
_LEVELS = frozenset(level.value for level in AnnotationLevel)


@dataclass(frozen=True, slots=True, kw_only=True)
class Remark:
    """An annotation as a line made it; `title` may be empty."""

    level: AnnotationLevel
    title: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LineCommand:
    """One command: its word, its text without escapes, its values by key in small letters."""

    word: LineWord
    text: str = ""
    values: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class LineReader:
    """Reads the lines of one bot in their order: `::stop-commands::TOKEN` makes all text, until `::TOKEN::`.

    The switch is the bot's, not a stream's: one reader for both streams.
    """

    stop_token: str | None = None

    def read(self, line: str) -> LineCommand | None:
        """Return what a line (without its end) commands; None for text, and for the token that ends a stop."""
        parts = split_line(line)
        if parts is None:
            return None
        name, values, text = parts
        if self.stop_token is not None:
            if name.lower() == self.stop_token:
                self.stop_token = None
            return None
        command = _command(name, values, text)
        if command is not None and command.word is LineWord.STOP_COMMANDS:
            token = command.text.lower()
            if not token or token in _WORDS:
                # As at GitHub: such a token would stop for ever, or be ended by any command.
                return None
            self.stop_token = token
        return command


def split_line(line: str) -> tuple[str, str, str] | None:
    """Return name, values and text as they stand in a line of this form; None for any other line."""
    inner = line.strip("\r\n").lstrip(BLANKS)
    if not inner.startswith(_KEY):
        return None
    head, key, text = inner[len(_KEY) :].partition(_KEY)
    if not key:
        return None
    name, _, values = head.partition(" ")
    return name, values, text


def remark_of(command: LineCommand) -> Remark | None:
    """The remark that a command makes; its title is `title`, else where in which file it is."""
    if command.word not in _LEVELS:
        return None
    values = command.values
    file = values.get("file", "")
    place = f"{file}:{values['line']}" if file and values.get("line") else file
    return Remark(level=AnnotationLevel(command.word), title=values.get("title") or place, text=command.text)


def percent_of(command: LineCommand) -> float | None:
    """The `percent` of a progress line, from 0 to 100; None where it names none that is a number."""
    try:
        percent = float(command.values.get("percent", "").rstrip("% "))
    except ValueError:
        return None
    return min(100.0, max(0.0, percent)) if percent == percent else None  # noqa: PLR0124 - "nan" is a float, too


def _command(name: str, values: str, text: str) -> LineCommand | None:
    word = name.lower()
    if word not in _WORDS:
        return None
    return LineCommand(word=LineWord(word), text=_unescaped(text, _TEXT_ESCAPES), values=_values(values))


def _values(text: str) -> dict[str, str]:
    found = {}
    for pair in text.strip().split(","):
        key, _, value = pair.partition("=")
        if key and value:
            found[key.strip().lower()] = _unescaped(value, _VALUE_ESCAPES)
    return found


def _unescaped(text: str, escapes: tuple[tuple[str, str], ...]) -> str:
    if "%" in text:
        for escape, character in escapes:
            text = text.replace(escape, character)
    return text
