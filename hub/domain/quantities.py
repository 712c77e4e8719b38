"""Times and sizes as people write and read them: ``90s``, ``30m``, ``2h``, ``1d``; ``512M``, ``2G``; ``none``."""

import re

NONE = "none"
"""Stands for no limit."""
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*([smhd]?)")
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_BYTES = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}


def read_duration(text: str, *, bare: bool = False) -> float | None:
    """Seconds of ``90s`` or ``1h30m``; None for ``none``. Raises ValueError with a sentence for people.

    A number without a unit is refused: one person means minutes by it, another seconds. Only 0 needs none.
    `bare` reads one as seconds: so do definitions that were stored before it was refused.
    """
    plain = text.strip().lower()
    if plain == NONE:
        return None
    parts = _DURATION.findall(plain)
    if not parts or "".join(number + unit for number, unit in parts) != plain.replace(" ", ""):
        raise ValueError(f"{text!r} is no duration: say 90s, 30m, 2h, 1d, 1h30m, or none")
    unitless = [number for number, unit in parts if not unit]
    if unitless and len(parts) > 1:
        raise ValueError(f"{text!r} is no duration: each part needs its unit, as in 1h30m")
    if unitless and not bare and float(unitless[0]):
        raise ValueError(f"{text!r} is no duration: it needs its unit; say {unitless[0]}m or {unitless[0]}s")
    return sum(float(number) * _SECONDS[unit or "s"] for number, unit in parts)


def read_size(text: str) -> int | None:
    """Bytes of ``512M``, ``1.5G``, ``64MiB`` or ``4096``; units are binary; None for ``none``. Raises ValueError."""
    plain = text.strip().lower()
    if plain == NONE:
        return None
    found = _SIZE.fullmatch(plain)
    if found is None:
        raise ValueError(f"{text!r} is no size: say 512M, 2G, 64MiB, a number of bytes, or none")
    return int(float(found[1]) * _BYTES[found[2]])


def read_count(text: str) -> float | None:
    """A number; None for ``none``. Raises ValueError."""
    plain = text.strip().lower()
    if plain == NONE:
        return None
    try:
        return float(plain)
    except ValueError:
        raise ValueError(f"{text!r} is no number: say 50, 1.5, or none") from None


def duration_text(seconds: float | None) -> str:
    """``1h 30m`` of 5400; ``none`` of None."""
    if seconds is None:
        return NONE
    if seconds < 60 or seconds % 1:
        return f"{seconds:g}s"
    left, parts = int(seconds), []
    for unit in ("d", "h", "m", "s"):
        count, left = divmod(left, _SECONDS[unit])
        if count:
            parts.append(f"{count}{unit}")
    return " ".join(parts)


def size_text(size: float | None) -> str:
    """``64.0 MiB`` of 67108864; ``none`` of None."""
    if size is None:
        return NONE
    for unit in ("bytes", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} GiB"
