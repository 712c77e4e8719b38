"""Documents to text, in a stable order: nothing quoted that reads the same plain, texts of several lines as blocks.

Written here because the library's emitter folds texts, and loses some odd ones on their way back; a property test reads
whatever this writes.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

_PLAIN = frozenset(" _./@+*,()$-")
_WORDS = frozenset({"null", "true", "false", "yes", "no", "on", "off", "y", "n"})
"""Plain words that YAML 1.2 or 1.1 takes for something else than a text."""
_NAME_MAX = 1000
"""Beyond it, YAML wants a name marked (1,024)."""
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}


def written(documents: Sequence[Mapping[str, Any]]) -> str:
    """YAML that `yaml_reading.read` reads as the same documents."""
    return "---\n".join("".join(f"{line}\n" for line in _lines(one)) for one in documents)


def _lines(value: Any) -> Iterator[str]:
    """The lines of an object or a list that is not empty."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            if len(shown := _text(name)) <= _NAME_MAX:
                yield from _member(f"{shown}:", inner)
            else:
                yield f"? {shown}"
                yield from _member(":", inner)
        return
    for inner in value:
        lines = _lines(inner) if _is_nested(inner) else _inline(inner)
        yield f"- {next(lines)}"
        yield from (f"  {line}" if line else "" for line in lines)


def _member(name: str, value: Any) -> Iterator[str]:
    if _is_nested(value):
        yield name
        yield from (f"  {line}" if line else "" for line in _lines(value))
        return
    lines = _inline(value)
    yield f"{name} {next(lines)}"
    yield from (f"  {line}" if line else "" for line in lines)


def _inline(value: Any) -> Iterator[str]:
    """What stands behind a name or a dash, and the lines below it."""
    match value:
        case str() if _is_block(value):
            yield "|" if value.endswith("\n") else "|-"
            yield from value.removesuffix("\n").split("\n")
        case str():
            yield _text(value)
        case None | bool():
            yield {None: "null", True: "true", False: "false"}[value]
        case int() | float():
            yield repr(value)
        case _:
            yield "{}" if isinstance(value, Mapping) else "[]"


def _is_nested(value: Any) -> bool:
    return isinstance(value, Mapping | list | tuple) and bool(value)


def _is_block(text: str) -> bool:
    """Whether a block keeps the text: lines that can be seen, the first of them at the margin."""
    lines = text.removesuffix("\n").split("\n")
    return (
        len(lines) > 1
        and all(line.isprintable() and not line[:1].isspace() and line == line.rstrip() for line in lines)
        and bool(lines[0] and lines[-1])
    )


def _text(text: str) -> str:
    is_plain = (
        (text[:1].isalpha() or text[:1] == "_")
        and not text.endswith(" ")
        and text.lower() not in _WORDS
        and all(one.isalnum() or one in _PLAIN for one in text)
    )
    return text if is_plain else '"' + "".join(map(_escaped, text)) + '"'


def _escaped(one: str) -> str:
    if one in _ESCAPES:
        return _ESCAPES[one]
    if one.isprintable():
        return one
    number = ord(one)
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"
