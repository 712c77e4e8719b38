"""Command lines as programs of Windows read them (CommandLineToArgvW); pure, as Linux renders and tests them too."""

import re

_NEEDS_QUOTES = re.compile(r'[\s"]')
_BACKSLASHES = re.compile(r'(\\*)("|\Z)')


def quoted(word: str) -> str:
    """One argument: backslashes count double before a quote, and only there."""
    if word and not _NEEDS_QUOTES.search(word):
        return word
    return '"' + _BACKSLASHES.sub(lambda found: found[1] * 2 + ("\\" + found[2] if found[2] else ""), word) + '"'


def image_path(program: str, *words: str) -> str:
    """A service's command line, the program always in quotes: else that of a part of its path is tried first."""
    return " ".join([f'"{program}"', *map(quoted, words)])
