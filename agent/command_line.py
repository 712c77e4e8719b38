"""What the agent's command lines share: refusals in one line, and values that are looked at before anything is made.

The bundle's command line is one of them, on a machine that has nothing of ours yet: so no library is imported here.
"""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar, NoReturn

from agent.errors import EXIT_USAGE, UsageError
from agent.wire.names import LABEL, LABEL_FORM, RUNNER_NAME_FORM, SLOTS_MAX, is_runner_name


class OneLineParser(argparse.ArgumentParser):
    """Says what is wrong in one line, as `botyard` does, instead of printing its usage."""

    speaker: ClassVar[str] = "botyard-agent"

    def error(self, message: str) -> NoReturn:
        """End with 2 and a line that names the option and where to look."""
        self.exit(EXIT_USAGE, f"{self.speaker}: {message}. See {self.prog} --help.\n")


def slots(least: int) -> Callable[[str], int]:
    """The type of `--slots`: a whole number from `least` on."""

    def read(said: str) -> int:
        number = int(said) if said.removeprefix("-").isdecimal() and len(said) < 20 else None
        if number is None or not least <= number <= SLOTS_MAX:
            raise argparse.ArgumentTypeError(f"{said[:40]!r}: say a number from {least} to {SLOTS_MAX}, bots at once")
        return number

    return read


def runner_name(said: str) -> str:
    """The type of `--name`; nothing is the host's."""
    if said and not is_runner_name(said):
        raise argparse.ArgumentTypeError(f"{said[:100]!r} can't be a runner's name: {RUNNER_NAME_FORM}")
    return said


def label(said: str) -> str:
    """The type of `--label`: NAME=VALUE, as it was typed."""
    name, equals, value = said.partition("=")
    if not equals or not LABEL.match(name.strip()) or not LABEL.match(value.strip()):
        raise argparse.ArgumentTypeError(f"{said[:140]!r} is no label: say {LABEL_FORM}")
    return said


def folder(said: str) -> str:
    """The type of `--home`: a folder, there or not; a file on the way to it is none."""
    if not said.strip():
        raise argparse.ArgumentTypeError("it is empty: name a folder, or leave the option out")
    try:
        path = Path(said).expanduser().absolute()
    except RuntimeError as error:
        raise argparse.ArgumentTypeError(f"{said[:140]!r}: {str(error).rstrip('.')}: name another place") from None
    there = next((one for one in (path, *path.parents) if _exists(one)), None)
    if there is not None and not there.is_dir():
        raise argparse.ArgumentTypeError(f"{there} is a file where a folder has to be: name another place")
    return said


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:
        return False  # this user may not look; who writes there says why not


def parse_labels(pairs: Sequence[str]) -> dict[str, str]:
    """The labels that were typed. Raises UsageError where one name has two values."""
    labels: dict[str, str] = {}
    for pair in pairs:
        name, _, value = (part.strip() for part in pair.partition("="))
        if labels.setdefault(name, value) != value:
            raise UsageError(
                f"--label {name}={labels[name]} and --label {name}={value}: a label has one value, say one"
            )
    return labels
