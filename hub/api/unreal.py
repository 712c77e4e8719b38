"""Numbers in a body that JSON does not have, as NaN, or that no float holds, as 1e999: nothing stores or shows them."""

import json
import math
import re
from collections.abc import Iterator
from typing import Any

from hub.api.problem import Fault

_PERHAPS = re.compile(rb"NaN|Infinity|[eE]\+?\d{3}|\d{200}")
"""What is too large for a float has an exponent of three digits, or so many digits before one of two."""
_SHOWN_MAX = 20


def faults_of(raw: bytes) -> list[Fault]:
    """Where a body has such numbers; none for what is no JSON at all, which its reader tells better."""
    if _PERHAPS.search(raw) is None:
        return []
    try:
        # Whole numbers stay text: Python refuses to read very long ones, and their reader tells why it does.
        body = json.loads(raw, parse_int=str)
    except (ValueError, RecursionError):
        return []
    remedy = "send a number, a text or null"
    return [
        Fault(field=where, message="is NaN or infinite, which JSON does not have", remedy=remedy)
        for where in list(_walk(body))[:_SHOWN_MAX]
    ]


def _walk(body: Any) -> Iterator[str]:
    waiting = [("", body)]
    while waiting:
        where, one = waiting.pop()
        if isinstance(one, float) and not math.isfinite(one):
            yield where
        elif isinstance(one, dict):
            waiting.extend((f"{where}.{name}" if where else name, value) for name, value in one.items())
        elif isinstance(one, list):
            waiting.extend((f"{where}.{number}" if where else str(number), value) for number, value in enumerate(one))
