"""JSON as both engines can keep it: no NaN, no NUL (JSONB refuses both, SQLite would take them)."""

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

_NUL = "\x00"
_REPLACEMENT = "\ufffd"
_encoder = json.JSONEncoder(ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":"))
_make: Callable[..., Callable[[Any, int], Iterable[str]]] | None = getattr(json.encoder, "c_make_encoder", None)


def _made_once() -> Callable[[Any], str]:
    """What the encoder does, without making its inner parts anew at each call, which takes as long as a small value.

    Each event is encoded twice. Where Python has no C encoder, its own is as good.
    """
    if _make is None:
        return _encoder.encode
    quoted = json.encoder.encode_basestring
    inner = _make(None, _encoder.default, quoted, None, ":", ",", True, False, False)
    return lambda value: "".join(inner(value, 0))


_encode = _made_once()


def dump_json(value: Any) -> str:
    """Return `value` as compact JSON with sorted keys; NUL characters become U+FFFD.

    Raises ValueError for NaN and infinities, TypeError for what JSON has no word for.
    """
    text = _encode(value)
    if "\\u0000" in text:
        text = _encode(_without_nul(value))
    return text


def clean_text(value: str) -> str:
    """Return `value` with NUL characters replaced by U+FFFD: PostgreSQL's text cannot hold them."""
    return value.replace(_NUL, _REPLACEMENT) if _NUL in value else value


def _without_nul(value: Any) -> Any:
    match value:
        case str():
            return clean_text(value)
        case Mapping():
            return {clean_text(str(name)): _without_nul(inner) for name, inner in value.items()}
        case list() | tuple():
            return [_without_nul(inner) for inner in value]
        case _:
            return value
