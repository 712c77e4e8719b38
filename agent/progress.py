"""How far bots have come: the newest word of each, told at most once a second, dropped while there is no link. Pure.

Nothing of it is kept on disk and nothing is acknowledged: what a new session is told is the last word again.
"""

from dataclasses import dataclass
from datetime import datetime

from agent.wire.limits import PROGRESS_EVERY_S


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """One word of a bot; its text is not masked yet."""

    execution_id: str
    percent: float | None
    text: str
    at: datetime


@dataclass(slots=True)
class _Newest:
    said: Said
    is_told: bool = False
    told_at: float | None = None


class ProgressNotes:
    """The newest word of each execution. Times are monotonic seconds."""

    def __init__(self) -> None:
        self._newest: dict[str, _Newest] = {}

    def note(self, said: Said) -> None:
        """A bot said something; what it said before and was not told yet is told no more."""
        known = self._newest.get(said.execution_id)
        self._newest[said.execution_id] = _Newest(said, told_at=known.told_at if known else None)

    def due(self, now: float) -> list[Said]:
        """What is to be told now; it counts as told."""
        return [self._tell(one, now) for one in self._newest.values() if not one.is_told and now >= _due_at(one)]

    def due_at(self) -> float:
        """When `due` has something to tell again."""
        return min((_due_at(one) for one in self._newest.values() if not one.is_told), default=float("inf"))

    def last(self, execution_id: str, now: float) -> list[Said]:
        """The last word of a bot that has ended, if it was not told, however soon after the one before."""
        one = self._newest.get(execution_id)
        return [] if one is None or one.is_told else [self._tell(one, now)]

    def again(self) -> None:
        """A new session knows nothing: tell everything once more."""
        for one in self._newest.values():
            one.is_told, one.told_at = False, None

    def forget(self, execution_id: str) -> None:
        """Its bot has ended, and its last word was told if there was a link."""
        self._newest.pop(execution_id, None)

    @staticmethod
    def _tell(one: _Newest, now: float) -> Said:
        one.is_told, one.told_at = True, now
        return one.said


def _due_at(one: _Newest) -> float:
    return float("-inf") if one.told_at is None else one.told_at + PROGRESS_EVERY_S
