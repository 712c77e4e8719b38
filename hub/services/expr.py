"""Expressions (CEL) over parameters and payloads: compiled when they are defined, evaluated within bounds.

The library has no cost limit and holds the interpreter while it evaluates, so what it may be given is bounded instead:
the text, macros within macros, and the size of every value (`evaluate`). Within the bounds an evaluation takes
milliseconds; a regular expression is matched in linear time.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from hub.domain.parameters import Fault

if TYPE_CHECKING:
    import cel

TEXT_MAX = 1000
"""Characters of an expression."""
MACROS_MAX = 4
NESTED_MAX = 2
DEPTH_MAX = 50
"""Brackets within brackets: the parser recurses."""
LIST_MAX = 64
"""Members of each list and object of the variables: a nested macro takes their square."""
NODES_MAX = 5_000
CHARACTERS_MAX = 64 * 1024

_TOKEN = re.compile(
    r"""(?:[rR]|[bB])*(?:'''.*?'''|\"\"\".*?\"\"\"|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*")"""
    r"""|\.\s*(?:all|exists|exists_one|existsOne|map|filter)\s*\(|[()\[\]{}]""",
    re.DOTALL,
)
_FIRST_LINE = re.compile(r"ERROR: <input>:\d+:(\d+): ([^\n]+)")
_OPEN = frozenset("([{")
_CLOSE = frozenset(")]}")


class ExpressionFailed(Exception):  # noqa: N818 - an outcome of what somebody else wrote
    """An expression came to no value, or was given more than it may look at; the message says which."""


def faults(text: str, where: str, variables: frozenset[str]) -> list[Fault]:
    """What is wrong with an expression that may name `variables`; `where` names its field. Empty when it can stand."""
    if not text.strip():
        return [Fault(field=where, message="is empty", remedy="leave it out, or give an expression")]
    if len(text) > TEXT_MAX:
        return [Fault(field=where, message=f"has more than {TEXT_MAX} characters", remedy="write it shorter")]
    found = _cost_faults(text, where)
    if found:
        return found
    try:
        program = _compiled(text)
    except ExpressionFailed as error:
        return [Fault(field=where, message=f"does not compile: {error}", remedy="see cel.dev for the language")]
    known = _NATIVE.union(_functions())
    named = [name for name in program.variables() if name not in variables and name not in _bound(text)]
    unknown = [name for name in program.functions() if name.isidentifier() and name not in known]
    given = f"it may name {', '.join(sorted(variables))}"
    found += [Fault(field=where, message=f"names {name[:64]!r}, which it is not given", remedy=given) for name in named]
    remedy = "see the functions of CEL and its string extension"
    found += [Fault(field=where, message=f"calls {name[:64]!r}, which is unknown", remedy=remedy) for name in unknown]
    return found


def evaluate(text: str, variables: Mapping[str, Any]) -> Any:
    """The value of an expression that has no `faults`, as JSON's types. Raises ExpressionFailed."""
    return Given(variables).value(text)


class Given:
    """Variables for any number of expressions: weighing and handing them over takes 100 times as long as most of these.

    Raises ExpressionFailed for variables that are more than an expression may look at.
    """

    def __init__(self, variables: Mapping[str, Any]) -> None:
        _weigh(variables)
        import cel

        try:
            self._context = cel.Context(dict(variables), dict(_functions()))
        except Exception as error:  # noqa: BLE001 - as below: a whole number of 30 digits
            raise _failed(error) from None

    def value(self, expression: "str | Expression") -> Any:
        """As `evaluate`."""
        try:
            program = _compiled(expression) if isinstance(expression, str) else expression.program
            found = program.execute(self._context)
        except ExpressionFailed:
            raise
        except KeyError as error:
            raise ExpressionFailed(f"there is no {str(error.args[0])[:64]!r}") from None
        except Exception as error:  # noqa: BLE001 - the library documents none; anybody wrote the expression
            raise _failed(error) from None
        return found if isinstance(found, bool | str | int) else _as_json(found)


class Expression:
    """An expression for whoever keeps it, compiled when it is first evaluated and never again."""

    __slots__ = ("_program", "_text")

    def __init__(self, text: str) -> None:
        self._text = text
        self._program: cel.Program | None = None

    @property
    def program(self) -> "cel.Program":
        """Raises ExpressionFailed where the text does not compile."""
        if self._program is None:
            self._program = _compile(self._text)
        return self._program


def _failed(error: Exception) -> ExpressionFailed:
    return ExpressionFailed(str(error).partition(". ")[0][:200] or type(error).__name__)


def _as_json(found: Any) -> Any:
    """A value as it is stored and sent: a time, a duration, bytes and 1.0/0.0 are none of JSON's."""
    try:
        return json.loads(json.dumps(found, allow_nan=False))
    except TypeError:
        remedy = "make a text of times, durations and bytes: string(…)"
    except (ValueError, RecursionError):
        remedy = "it has no number for what is infinite or undefined"
    raise ExpressionFailed(f"its value is none of JSON's; {remedy}")


@lru_cache(maxsize=1024)
def _compiled(text: str) -> "cel.Program":
    return _compile(text)


def _compile(text: str) -> "cel.Program":
    import cel

    try:
        return cel.compile(text)
    except Exception as error:  # noqa: BLE001 - as in `Given.value`
        said = _FIRST_LINE.search(str(error))
        message = f"at {said.group(1)}: {said.group(2)[:120]}" if said else str(error).split("\n")[0][:160]
        raise ExpressionFailed(message) from None


def _cost_faults(text: str, where: str) -> list[Fault]:
    """Too many macros, macros too deep in each other, or too many brackets for the parser."""
    macros, deepest, depth = 0, 0, 0
    stack: list[bool] = []
    for piece in _TOKEN.findall(text):
        if piece.startswith(".") or piece in _OPEN:
            stack.append(piece.startswith("."))
            macros += stack[-1]
            deepest, depth = max(deepest, sum(stack)), max(depth, len(stack))
        elif piece in _CLOSE and stack:
            stack.pop()
    remedy = "do this in the bot, or give it as a parameter of its own"
    limits = (
        (deepest > NESTED_MAX, f"has macros (map, filter, all, exists) {deepest} deep: at most {NESTED_MAX}"),
        (macros > MACROS_MAX, f"has {macros} macros: at most {MACROS_MAX}"),
        (depth > DEPTH_MAX, f"has brackets {depth} deep: at most {DEPTH_MAX}"),
    )
    return [Fault(field=where, message=message, remedy=remedy) for is_over, message in limits if is_over]


def _bound(text: str) -> frozenset[str]:
    """Names that macros bind; the library lists them with the variables."""
    macro = r"\.\s*(?:all|exists|exists_one|existsOne|map|filter)\s*\(\s*([A-Za-z_]\w*)\s*,"
    return frozenset(re.findall(macro, text))


def _weigh(variables: Mapping[str, Any]) -> None:
    characters = 0
    for nodes, value in enumerate(_walk(dict(variables))):
        characters += len(value) if isinstance(value, str | bytes) else 0
        if isinstance(value, list | tuple | dict) and len(value) > LIST_MAX:
            raise ExpressionFailed(f"a value has {len(value)} members: at most {LIST_MAX}")
        if nodes > NODES_MAX or characters > CHARACTERS_MAX:
            raise ExpressionFailed("the values are too large to be looked at by an expression")


def _walk(value: Any) -> Iterator[Any]:
    waiting = [value]
    while waiting:
        one = waiting.pop()
        yield one
        if isinstance(one, Mapping):
            waiting.extend(one)
            waiting.extend(one.values())
        elif isinstance(one, list | tuple):
            waiting.extend(one)


# fmt: off
_NATIVE = frozenset({
    "size", "has", "all", "exists", "exists_one", "existsOne", "map", "filter", "int", "uint", "double", "string",
    "bytes", "bool", "timestamp", "duration", "type", "dyn", "contains", "startsWith", "endsWith", "matches",
    "getFullYear", "getMonth", "getDate", "getDayOfMonth", "getDayOfWeek", "getDayOfYear", "getHours",
    "getMinutes", "getSeconds", "getMilliseconds", "max", "min", "optional", "or", "orValue",
})
# fmt: on


@lru_cache(maxsize=1)
def _functions() -> Mapping[str, Callable[..., Any]]:
    """String functions that the language's own library lacks; none can make more than it was given many times over."""
    return {
        "lowerAscii": lambda text: _text(text).lower(),
        "upperAscii": lambda text: _text(text).upper(),
        "trim": lambda text: _text(text).strip(),
        "split": lambda text, by: _text(text).split(_text(by))[:LIST_MAX] if by else list(_text(text)[:LIST_MAX]),
        "join": lambda parts, by="": _text(by).join(_text(one) for one in parts),
        "substring": _substring,
        "indexOf": lambda text, part: _text(text).find(_text(part)),
    }


def _substring(text: Any, start: int, end: int | None = None) -> str:
    whole = _text(text)
    if not 0 <= start <= (len(whole) if end is None else end) <= len(whole):
        raise ValueError(f"substring({start}, {end}) is out of range")
    return whole[start:end]


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{type(value).__name__} where a string is expected")
    return value
