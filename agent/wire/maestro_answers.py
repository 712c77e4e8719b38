"""What hub and gateway answer alike under ``/api/v2``: version, errors, ids, bodies (`maestro.md` §1.1-§1.6, §3.1)."""

import json
from http import HTTPStatus
from typing import Any

from pydantic import ValidationError

MAESTRO_VERSION = "3.1.0"
"""Switches on all that the SDKs can do (`maestro.md` §3.1); below 3.0.2 their methods raise before they send."""

API_PREFIX = "/api/v2"

_LONGEST_NUMBER = 18


def error_object(status: int, message: str, path: str) -> dict[str, Any]:
    """The JSON object of any answer that is not 2xx; `message` is what SDKs put into their exceptions (§1.3)."""
    return {"status": status, "error": _phrase(status), "message": message, "path": path}


def task_number(text: object) -> int | None:
    """A task's id as clients send it, integer or decimal string; None is "not there", never an error of form (§1.6)."""
    if isinstance(text, int) and not isinstance(text, bool):
        return text if text > 0 else None
    if not isinstance(text, str) or not text.isascii() or not text.isdecimal() or len(text) > _LONGEST_NUMBER:
        return None
    return int(text) or None


def json_object(body: bytes) -> dict[str, Any]:
    """The members of a request's body; an empty body, or ``null``, has none (§1.1). Raises ValueError for others."""
    if not body.strip():
        return {}
    try:
        value = json.loads(body)
    except RecursionError:
        raise ValueError("The body is nested too deeply") from None
    except ValueError:
        raise ValueError("The body is not JSON") from None
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ValueError("The body must be a JSON object")  # noqa: TRY004 - one kind of error for the caller
    return _storable(value) if b"\\u" in body else value


def _storable(value: dict[str, Any]) -> dict[str, Any]:
    """The same with `?` for each half of a letter (U+D83D alone), which no database and no UTF-8 can hold."""
    try:
        data = json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")
    except RecursionError:
        raise ValueError("The body is nested too deeply") from None
    return dict(json.loads(data))


def first_fault(error: ValidationError) -> str:
    """One sentence for people, without the input: it may hold a secret (`reliability.md` S54)."""
    fault = error.errors(include_input=False, include_url=False, include_context=False)[0]
    where = ".".join(str(part) for part in fault["loc"])
    return f"{where}: {fault['msg']}" if where else fault["msg"]


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"
