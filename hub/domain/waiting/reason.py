"""Reasons why a task waits: the closed list of codes, and what a reason says."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from agent.wire.condition import FaultCode


class WaitingCode(StrEnum):
    """The reasons, a closed list."""

    NOT_BEFORE = "not_before"
    PREREQUISITE = "prerequisite"
    HELD = "held"
    STOPPED = "stopped"
    NO_BUILD = "no_build"
    NO_RUNNER = "no_runner"
    RUNNERS_OFFLINE = "runners_offline"
    RUNNERS_DRAINING = "runners_draining"
    MAINTENANCE = "maintenance"
    NOT_READY = "not_ready"
    UNFIT = "unfit"
    """A runner has what is needed, and something is wrong with it (`WaitingReason.fault`)."""
    PREPARING = "preparing"
    PREPARE_FAILED = "prepare_failed"
    WITHHELD = "withheld"
    OTHER_RUNNER = "other_runner"
    LIMIT = "limit"
    RATE = "rate"
    BUSY = "busy"
    NEXT = "next"
    PERMIT_OUT = "permit_out"
    UNREACHABLE = "unreachable"


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingReason:
    """One reason, for programs and for people."""

    code: WaitingCode
    message: str
    runner: str | None = None
    """The runner that it is about; for a missing label the one that lacks least."""
    since: datetime | None = None
    """From when it has held this task, as far as the hub knows."""
    fault: FaultCode | None = None
    """What is wrong with it, where it is unfit."""
    remedy: str = ""
    """The one change that would end this reason; empty where waiting is all there is to do."""


def latest(*moments: datetime | None) -> datetime | None:
    """The newest moment that is known."""
    return max((one for one in moments if one is not None), default=None)


def few(names: Sequence[str]) -> str:
    """The first five of them."""
    return ", ".join(names) if len(names) <= 5 else f"{', '.join(names[:5])} and {len(names) - 5} more"
