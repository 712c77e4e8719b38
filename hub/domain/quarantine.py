"""Which machine is at fault: one that fails work again and again, whatever the work, gets no more (issue 5).

Not the quarantine of a copied home (core.md D8), which only a new enrolment ends: this one ends when somebody has
mended the machine and says so.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from agent.wire.words import Outcome, Reason

KEPT = 5
"""Tasks and automations that are remembered of a row of failures."""
_MACHINES = frozenset({Reason.ENVIRONMENT, Reason.SUPERVISOR_LOST, Reason.HOST_RESTARTED})
"""Not `oom_killed`: a bot that eats all memory does so on every machine, one after the other."""


class Sign(StrEnum):
    """What an execution's end says of its machine."""

    GOOD = "good"
    BAD = "bad"
    NONE = "none"


def sign_of(outcome: Outcome, reason: Reason | None) -> Sign:
    """What an end says of the machine: a bot's own failure says nothing, and breaks no row."""
    match outcome:
        case Outcome.SUCCEEDED | Outcome.PARTIAL:
            return Sign.GOOD
        case Outcome.LOST:
            return Sign.BAD
        case Outcome.FAILED if reason in _MACHINES:
            return Sign.BAD
        case _:
            return Sign.NONE


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A runner's failures in a row."""

    count: int = 0
    tasks: Sequence[str] = ()
    """Different ones, the first few."""
    automations: Sequence[str] = ()
    last: str = ""
    """As ``failed: environment``."""
    at: str = ""
    """When the last one that counts ended (ISO 8601, UTC)."""
    may_be_packages: bool = False
    """One of them could not be started: that may be its package's fault, and would be so everywhere."""

    @classmethod
    def read(cls, count: int, stored: Mapping[str, Any] | None) -> "Row":
        """The row as a runner's row holds it."""
        return cls(count=count, **stored) if stored else cls(count=count)

    def stored(self) -> dict[str, Any]:
        """All but the count, as `read` reads it."""
        return {
            "tasks": list(self.tasks),
            "automations": list(self.automations),
            "last": self.last,
            "at": self.at,
            "may_be_packages": self.may_be_packages,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """An execution that its machine failed."""

    task_id: str
    automation_id: str
    outcome: Outcome
    reason: Reason | None
    granted_at: datetime
    ended_at: datetime


def longer(row: Row, failed: Failed) -> Row:
    """The row with one more failure of the machine.

    One incident counts once: a machine that restarts takes all its bots with it, and failed once. What was granted
    before the last failure that counts tells of the same incident.
    """
    is_new = not row.at or failed.granted_at > datetime.fromisoformat(row.at)
    reason = failed.reason
    return Row(
        count=row.count + is_new,
        tasks=_with(row.tasks, failed.task_id),
        automations=_with(row.automations, failed.automation_id),
        last=f"{failed.outcome}: {reason}" if reason else str(failed.outcome),
        at=failed.ended_at.isoformat() if is_new else row.at,
        may_be_packages=row.may_be_packages or reason is Reason.ENVIRONMENT,
    )


def verdict(row: Row, threshold: int) -> str | None:
    """Why the machine is to get no more work; None while it may.

    So many in a row, and of two different tasks at least; where a package may be at fault, of two different
    automations: one broken package must not take every machine, one after the other.
    """
    different = row.automations if row.may_be_packages else row.tasks
    if row.count < threshold or len(different) < 2:
        return None
    return f"{row.count} executions in a row failed by its machine's fault, the last one {row.last}"


def _with(known: Sequence[str], one: str) -> Sequence[str]:
    return known if one in known or len(known) >= KEPT else (*known, one)
