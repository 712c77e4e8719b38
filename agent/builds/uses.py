"""What running bots stand on: their builds, and what is shared with others. Never removed, never made anew under them.

Names are those of `room.Entry`. A launch marks its build before it looks whether the build is there, and cleaning
forgets a build before it looks whether that is marked: whichever comes second sees the other.
"""

from collections.abc import Iterable

ENVIRONMENT = "environment"
NODE = "node"
BUILD = "build"
FILE = "file"
SPARE = "spare"
RECORD = "record"


def named(kind: str, key: str) -> str:
    """The name of one thing."""
    return f"{kind}/{key}"


class Uses:
    """Which executions use what. Calls come from the loop and from launching threads."""

    def __init__(self) -> None:
        self._of: dict[str, frozenset[str]] = {}

    def begin(self, execution_id: str, names: Iterable[str]) -> None:
        """This execution uses these from now on."""
        self._of[execution_id] = self._of.get(execution_id, frozenset()) | frozenset(names)

    def end(self, execution_id: str) -> frozenset[str]:
        """It uses nothing any more; what it used."""
        return self._of.pop(execution_id, frozenset())

    def names(self) -> frozenset[str]:
        """All that is in use."""
        return frozenset[str]().union(*list(self._of.values()))

    def is_used(self, kind: str, key: str) -> bool:
        """Whether any execution uses it."""
        name = named(kind, key)
        return any(name in names for names in list(self._of.values()))
