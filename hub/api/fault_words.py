"""What a model found wrong, in words that name the remedy instead of the library's: `problem.py` puts them together."""

from pydantic_core import ErrorDetails

UNKNOWN = "unknown member"
_LENGTHS = {"string_too_short": "min_length", "too_short": "min_length", "string_too_long": "max_length"}
_LENGTHS |= {"too_long": "max_length"}
_LIMITS = {
    "greater_than_equal": ("at least", "ge"),
    "less_than_equal": ("at most", "le"),
    "greater_than": ("more than", "gt"),
    "less_than": ("less than", "lt"),
}
_KINDS = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "string": "a text",
    "dict": "an object of names and values",
    "list": "a list",
    "datetime": "a moment such as 2026-03-31T18:00:00+02:00",
    "timezone_aware": "a moment with its offset, such as 2026-03-31T18:00:00Z",
    "timezone": "a moment with its offset, such as 2026-03-31T18:00:00Z",
    "model": "an object",
    "finite_number": "a finite number",
}


def words(one: ErrorDetails) -> tuple[str, str]:
    """(what is wrong, what to do) for one fault; the value itself is never repeated: it may be secret."""
    kind, about = one["type"], one.get("ctx", {})
    if kind == "extra_forbidden":
        return UNKNOWN, "remove it, or look for a slip in its name"
    if kind == "missing":
        return "missing", "add it"
    if kind in {"enum", "literal_error"}:
        return (
            "is none of the words that are known here",
            f"one of {str(about.get('expected', '')).replace(chr(39), '')}",
        )
    if kind in _LIMITS:
        word, member = _LIMITS[kind]
        return "is out of range", f"it must be {word} {about.get(member)}"
    if kind in _LENGTHS:
        bound = about.get(_LENGTHS[kind])
        return ("is too short", f"at least {bound}") if "short" in kind else ("is too long", f"at most {bound}")
    if kind == "string_pattern_mismatch":
        return "has not the form that is wanted here", f"it must match {about.get('pattern')}"
    wanted = next((text for name, text in _KINDS.items() if kind.startswith(name)), None)
    if wanted is not None:
        return f"is not {wanted}", f"give {wanted}"
    return one["msg"].removeprefix("Value error, "), ""
