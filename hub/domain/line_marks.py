"""How lines of an output are shown that say more than text: `::error::` and its like (`bot-packages.md` §7).

Read by the shim's own grammar (`agent/wire/lines.py`). A page that begins behind a `::stop-commands::` knows nothing of
it, and marks what the shim took for text: that changes what is seen, and nothing else.
"""

from dataclasses import dataclass

from agent.wire.lines import LineReader, LineWord, remark_of

_LEVELS = {
    LineWord.ERROR: "error",
    LineWord.WARNING: "warning",
    LineWord.NOTICE: "notice",
    LineWord.DEBUG: "debug",
}
_GROUPS = {LineWord.GROUP: "begin", LineWord.ENDGROUP: "end"}


@dataclass(frozen=True, slots=True, kw_only=True)
class LineMark:
    """What a line is: `level` of a remark, `group` "begin" or "end", its `title` and its `text` without the command."""

    level: str | None = None
    group: str | None = None
    title: str = ""
    text: str = ""


def mark_line(reader: LineReader, line: str) -> LineMark | None:
    """The mark of the next line of an output; None for text, and for commands that show nothing."""
    command = reader.read(line)
    if command is None or command.word not in _LEVELS | _GROUPS:
        return None
    remark = remark_of(command)
    return LineMark(
        level=_LEVELS.get(command.word),
        group=_GROUPS.get(command.word),
        title=remark.title if remark else "",
        text=command.text,
    )
