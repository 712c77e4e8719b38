"""The live runner sessions of this process, as services see them; `hub/runners` is the other side.

A session is named by (runner, epoch): what is meant for one epoch never reaches another (core.md D5).
"""

from dataclasses import dataclass
from typing import Protocol

from agent.wire.messages import ToRunner
from hub.services.effects import ByeReason
from hub.services.subject import SessionKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Unclosed:
    """A session that ended while the store took no writes: its row still says that the runner is here."""

    key: SessionKey
    why: str
    heard_s: float
    """When its last byte came, by the clock that counts suspend."""


class LiveSession(Protocol):
    """One runner's connection."""

    @property
    def workspace_id(self) -> str:
        """The workspace that the runner belongs to."""
        ...

    @property
    def workspace(self) -> str:
        """That workspace's label."""
        ...

    @property
    def runner_id(self) -> str:
        """The runner."""
        ...

    @property
    def epoch(self) -> int:
        """The session's number; a later session of the runner has a higher one."""
        ...

    def send(self, message: ToRunner) -> None:
        """Send in order, now if the socket takes it; a session whose backlog is full is closed."""
        ...

    def close(self, reason: ByeReason, message: str = "") -> None:
        """Say goodbye and end the session soon; returns at once."""
        ...


class LiveSessions(Protocol):
    """All of them, by runner."""

    def find(self, runner_id: str, epoch: int | None = None) -> LiveSession | None:
        """The runner's session, if it lives here and has this epoch (any, when None)."""
        ...

    def runners_of(self, workspace_id: str) -> list[str]:
        """Runners of a workspace that have a session here."""
        ...

    def by_ticket(self, ticket: str) -> LiveSession | None:
        """The session that this HTTP ticket belongs to; a ticket dies with its socket (P2)."""
        ...

    def silent_s(self, runner_id: str) -> float:
        """Seconds, suspend included, since this hub last heard the runner, or since this hub started (core.md D10)."""
        ...

    def note_unclosed(self, ended: Unclosed) -> None:
        """The end of a session could not be written: a sweep does it."""
        ...

    def take_unclosed(self) -> Unclosed | None:
        """One whose end is to be written: it is the caller's now. None when there is none."""
        ...
