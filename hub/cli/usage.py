"""Usage errors in one line that names the option, what is wrong with it, and where to look."""

import re

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
