"""Usage errors in one line that names the option, what is wrong with it, and where to look."""

import re
from collections.abc import Sequence

from hub.cli.failing import Exit, Failure

_WORDS = (
    (re.compile(r"Input should be a valid integer.*"), "it must be a whole number."),
    (re.compile(r"Input should be a valid number.*"), "it must be a number."),
    (re.compile(r"Input should be greater than or equal to (\S+?)\.?$"), r"it must be at least \1."),
    (re.compile(r"Input should be less than or equal to (\S+?)\.?$"), r"it must be at most \1."),
    (re.compile(r"Input should be '(.*)$"), r"it must be one of '\1"),
)


def in_our_words(said: str) -> str:
    """What the library said of an option or argument, as people say it."""
    text = " ".join(said.split())
    for pattern, ours in _WORDS:
        text = pattern.sub(ours, text)
    return text


def contradiction(one: str, other: str, remedy: str = "say one of them") -> Failure:
    """Two options as they were typed, which can't both be meant."""
    return Failure(f"{one} and {other} contradict each other: {remedy}.", Exit.USAGE)


def one_way(said: Sequence[bool] | None, yes: str, no: str) -> bool | None:
    """What a flag and its opposite say together; None where neither was typed. Raises Failure where both were."""
    if not said:
        return None
    if len(set(said)) > 1:
        raise contradiction(yes, no)
    return said[0]


def none_or(said: Sequence[str] | None, option: str, none: str) -> list[str] | None:
    """The values of an option that may say none of them; None where it was not typed. Raises Failure for both."""
    if not said:
        return None
    others = [one for one in said if one != none]
    if others and len(others) < len(said):
        raise contradiction(f"{option} {none}", f"{option} {others[0]}")
    return others
