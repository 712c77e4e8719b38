"""What may follow on a command line of `botyard-agent`: commands, options, words of closed lists; else nothing."""

import argparse
import sys
from collections.abc import Iterable, Sequence

from agent.ports.shells import answer


def complete(words: Sequence[str], parser: argparse.ArgumentParser) -> int:
    """Answer a shell: `words` are those behind the program's name, the last one is being typed."""
    typed = words[-1] if words else ""
    sys.stdout.write(answer(_candidates(list(words[:-1]), typed, parser), typed))
    return 0


def _candidates(before: list[str], typed: str, parser: argparse.ArgumentParser) -> Iterable[tuple[str, str]]:
    awaits: argparse.Action | None = None
    for word in before:
        commands = _commands(parser)
        if awaits is not None:
            awaits = None
        elif word.startswith("-") and len(word) > 1:
            option = next((one for one in parser._actions if word in one.option_strings), None)  # noqa: SLF001
            awaits = option if option is not None and option.nargs != 0 else None
        elif word in commands:
            parser = commands[word]
    if awaits is not None:
        return [(str(word), "") for word in awaits.choices or ()]
    if typed.startswith("-"):
        named = (one for one in parser._actions if one.option_strings)  # noqa: SLF001 - argparse tells it nowhere else
        return [(name, one.help or "") for one in named for name in one.option_strings if name.startswith("--")]
    commands = _commands(parser)
    if commands:
        return [(name, one.description or "") for name, one in commands.items()]
    closed = (one for one in parser._actions if not one.option_strings and one.choices)  # noqa: SLF001
    return [(str(word), "") for one in closed for word in one.choices or ()]


def _commands(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """The commands of a parser by name."""
    for action in parser._actions:  # noqa: SLF001
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            return dict(action.choices)
    return {}
