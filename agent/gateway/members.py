"""Bodies of our own small calls: JSON objects, or forms as ``curl -d name=value`` sends them. Pure.

Each fault is one sentence that begins with the name of the field. Values are never quoted: they may be secret.
"""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from agent.output_file import name_fault, shown
from agent.wire.limits import COLUMN_NAME_MAX, LOG_NAME_MAX, PROGRESS_TEXT_MAX, ROW_COLUMNS_MAX

FORM = "application/x-www-form-urlencoded"
_FIELDS_MAX = 1000
_TOTALS = ("total", "processed", "failed")
Scalar = str | bool | int | float | None


class FieldError(ValueError):
    """What is wrong with a body; `field` is empty where it is the body as a whole."""

    def __init__(self, field: str, why: str) -> None:
        super().__init__(f"{field}: {why}" if field else why)
        self.field = field


@dataclass(frozen=True, slots=True)
class Members:
    """The members of a body; in a form every value is a text."""

    values: Mapping[str, Any]
    is_form: bool = False

    def check_known(self, *names: str) -> None:
        """Raise FieldError for a member of another name."""
        for name in self.values:
            if name not in names:
                raise FieldError(_named(name), f"unknown member; {_listed(names)} can be sent")


def read_members(content_type: str, data: bytes) -> Members:
    """The body's members. JSON counts as JSON whatever its type says: ``curl -d '{…}'`` calls it a form."""
    if data.lstrip()[:1] in {b"{", b"["} or (content_type != FORM and data.strip()):
        return Members(_object(data))
    return Members(_form(data), is_form=True)


def _object(data: bytes) -> dict[str, Any]:
    try:
        value = json.loads(data, object_pairs_hook=_once, parse_constant=_no_number)
    except FieldError:
        raise
    except (ValueError, RecursionError):
        raise FieldError("", "The body is neither a JSON object nor a form (name=value)") from None
    if not isinstance(value, dict):
        raise FieldError("", "The body must be a JSON object or a form (name=value)")
    return value


def _once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise FieldError(_named(name), "stands twice")
        found[name] = value
    return found


def _no_number(word: str) -> None:
    raise FieldError("", f"{word} is no number of JSON")


def _form(data: bytes) -> dict[str, str]:
    try:
        pairs = parse_qsl(data.decode(), keep_blank_values=True, strict_parsing=bool(data), max_num_fields=_FIELDS_MAX)
    except ValueError:
        raise FieldError("", "The body is neither a JSON object nor a form (name=value&name=value)") from None
    return _once(pairs)


# --- what each call means ------------------------------------------------------------------------------------------


def progress_of(members: Members) -> tuple[float | None, str]:
    """``percent`` (0 to 100) and ``text``; one of them at least. A long text is cut."""
    members.check_known("percent", "text")
    percent, text = members.values.get("percent"), members.values.get("text")
    if percent is None and text is None:
        raise FieldError("percent", "missing; send percent (0 to 100), text, or both")
    if text is not None and not isinstance(text, str):
        raise FieldError("text", "must be a text")
    return _percent(percent, is_form=members.is_form), (text or "")[: 4 * PROGRESS_TEXT_MAX]


def _percent(value: Any, *, is_form: bool) -> float | None:
    if value is None:
        return None
    if is_form:
        try:
            value = float(value)
        except ValueError:
            value = None
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not 0 <= value <= 100:
        raise FieldError("percent", "must be a number from 0 to 100")
    return float(value)


def row_of(members: Members) -> tuple[str, dict[str, Scalar]]:
    """``log`` and its ``columns``; in a form each other field is a column."""
    if not members.is_form:
        members.check_known("log", "columns")
    log = members.values.get("log")
    if log is None:
        raise FieldError("log", "missing; name the log that the row goes to")
    if not isinstance(log, str) or not 0 < len(log) <= LOG_NAME_MAX:
        raise FieldError("log", f"must be a text of 1 to {LOG_NAME_MAX} characters")
    columns = members.values.get("columns")
    if members.is_form:
        columns = {name: value for name, value in members.values.items() if name != "log"}
    if not isinstance(columns, dict) or not columns:
        raise FieldError("columns", "must be an object that names at least one column")
    if len(columns) > ROW_COLUMNS_MAX:
        raise FieldError("columns", f"{len(columns)} columns; {ROW_COLUMNS_MAX} at most")
    for name, value in columns.items():
        _check_column(name, value)
    return log, columns


def _check_column(name: str, value: Any) -> None:
    if not name or len(name) > COLUMN_NAME_MAX:
        raise FieldError("columns", f"{_named(name)} is no name of 1 to {COLUMN_NAME_MAX} characters")
    if not (value is None or isinstance(value, str | bool | int | float)):
        raise FieldError(f"columns.{_named(name)}", "must be a text, a number, true, false or null")
    if isinstance(value, float) and not math.isfinite(value):
        raise FieldError(f"columns.{_named(name)}", "is too large for a number")


def outputs_of(members: Members) -> dict[str, str]:
    """Names and values; numbers, true and false become the text that JSON has for them."""
    if not members.values:
        raise FieldError("", "No output is named; send name=value, or a JSON object")
    found: dict[str, str] = {}
    for name, value in members.values.items():
        why = name_fault(name) or ("a name cannot hold a line break" if "\n" in name or "\r" in name else "")
        if why:
            raise FieldError(_named(name), why)
        if not isinstance(value, str | bool | int | float):
            raise FieldError(_named(name), "must be a text, a number, true or false")
        found[name] = value if isinstance(value, str) else json.dumps(value)
    return found


def result_of(members: Members) -> bytes:
    """What the result file would hold; a form has ``status``, ``message``, ``total``, ``processed`` and ``failed``."""
    if not members.is_form:
        return json.dumps(members.values).encode()
    members.check_known("status", "message", *_TOTALS)
    totals = {name: _count(name, members.values[name]) for name in _TOTALS if name in members.values}
    said = {name: members.values[name] for name in ("status", "message") if name in members.values}
    return json.dumps({**said, "totals": totals} if totals else said).encode()


def _count(name: str, text: str) -> int:
    if not text.isascii() or not text.isdecimal() or len(text) > 18:
        raise FieldError(name, "must be a whole number")
    return int(text)


def masked(value: Scalar, mask: Callable[[str], str]) -> Scalar:
    """A column's value without secrets; a number that is one becomes a text."""
    if isinstance(value, str):
        return mask(value)
    if isinstance(value, bool) or value is None:
        return value
    written = json.dumps(value)
    safe = mask(written)
    return value if safe == written else safe


def _named(name: str) -> str:
    """A name as it may stand in a sentence: names that are plain stand without quotes."""
    return name if name.isidentifier() and len(name) <= COLUMN_NAME_MAX else shown(name)


def _listed(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else names[0]
