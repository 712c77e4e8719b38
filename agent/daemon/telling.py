"""Telling the hub how far bots have come, while there is a link (`agent/progress.py` says what and when)."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from agent.progress import ProgressNotes, Said
from agent.wire.messages import Progress

if TYPE_CHECKING:
    from agent.daemon.house import House

Tell = Callable[[Sequence[Progress]], None]


class ProgressTeller:
    """`tell` is None while no session is open; then words wait, and only the last of each bot is told by the next."""

    def __init__(self) -> None:
        self._notes = ProgressNotes()

    def note(self, house: "House", said: Said, tell: Tell | None) -> None:
        """A bot said how far it is."""
        self._notes.note(said)
        self.due(house, tell)

    def due(self, house: "House", tell: Tell | None) -> None:
        """Tell what may be told by now: at most one word a second of each bot."""
        if tell is not None:
            tell(_messages(house, self._notes.due(house.clock.monotonic())))

    def due_at(self) -> float:
        """When `due` has something to tell, while there is a session."""
        return self._notes.due_at()

    def ended(self, house: "House", execution_id: str, tell: Tell | None) -> None:
        """A bot has ended: its last word is told at once, before its exit."""
        if tell is not None:
            tell(_messages(house, self._notes.last(execution_id, house.clock.monotonic())))
        self._notes.forget(execution_id)

    def again(self, house: "House", tell: Tell | None) -> None:
        """A session has opened: it is told the last word of each bot."""
        self._notes.again()
        self.due(house, tell)


def _messages(house: "House", words: Sequence[Said]) -> list[Progress]:
    keepers = [(house.keepers.get(said.execution_id), said) for said in words]
    return [keeper.progress(said) for keeper, said in keepers if keeper is not None]
