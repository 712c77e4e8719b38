"""How people name a task beside its id: by its number (the newest round), or by number and round, as in ``1042.2``."""

import re
from dataclasses import dataclass

_NUMBER = re.compile(r"(?P<number>[0-9]{1,18})(?:\.(?P<round>[0-9]{1,9}))?")


@dataclass(frozen=True, slots=True)
class TaskNumber:
    """A number, and one of its rounds; `round` None is the newest."""

    number: int
    round: int | None = None


def read_number(named: str) -> TaskNumber | None:
    """The number that `named` is; None for anything else, such as an id."""
    found = _NUMBER.fullmatch(named)
    if found is None:
        return None
    return TaskNumber(int(found["number"]), None if found["round"] is None else int(found["round"]))
