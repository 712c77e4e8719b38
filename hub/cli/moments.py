"""Moments as people type them: ``2026-03-31``, ``2026-03-31T18:00``, ``18:00``, ``+2h`` (from now), ``2h`` (ago).

A moment without an offset is local time. What can't be read is refused with the forms that can.
"""

import re
from datetime import UTC, datetime, timedelta

import typer

from agent.ports.clock import SystemClock

FORMS = "2026-03-31, 2026-03-31T18:00, 18:00 or {relative}"
_LENGTH = re.compile(r"(?P<count>[0-9]{1,6})(?P<unit>[smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_TIME_OF_DAY = re.compile(r"[0-9]{1,2}:[0-9]{2}(:[0-9]{2})?")


def coming(text: str, option: str, now: datetime | None = None) -> datetime:
    """A moment to wait for; ``+2h`` counts from `now` (UTC). Raises typer.BadParameter that names `option`."""
    now = now or SystemClock().now()
    if text.startswith("+") and (length := _length(text[1:])) is not None:
        return now + length
    return _absolute(text, option, now, relative="+2h")


def past(text: str, option: str, now: datetime | None = None) -> datetime:
    """A moment to look back to; ``2h`` is so long before `now` (UTC). Raises typer.BadParameter that names `option`."""
    now = now or SystemClock().now()
    if (length := _length(text)) is not None:
        return now - length
    return _absolute(text, option, now, relative="2h (ago)")


def _length(text: str) -> timedelta | None:
    found = _LENGTH.fullmatch(text)
    return timedelta(**{_UNITS[found["unit"]]: int(found["count"])}) if found else None


def _absolute(text: str, option: str, now: datetime, *, relative: str) -> datetime:
    if _TIME_OF_DAY.fullmatch(text):
        text = f"{now.astimezone():%Y-%m-%d}T{text.zfill(5)}"
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        forms = FORMS.format(relative=relative)
        raise typer.BadParameter(f"{text[:40]!r} is no moment; say {forms}", param_hint=option) from None
