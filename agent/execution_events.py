"""What can happen to a `LocalExecution`, and what it asks the daemon to do (pure values)."""

from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from agent.wire.facts import ArtifactFact, ExitFact, Fact, FinalFact, ReportFact, RowFact, SaidFact
from agent.wire.messages import StopOrder
from agent.wire.words import StopCause, VoidReason

# --- events ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class HandedOver:
    """A shim was given the order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CannotStart:
    """The order will not be handed to a shim, or its shim will never decide: give it up (D1, D7)."""

    reason: VoidReason
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """The verdict was read: ``started``."""

    at: datetime
    pid: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Voided:
    """The verdict was read: ``void``, durable."""

    at: datetime
    reason: VoidReason
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StopAsked:
    """The hub, a person here or the daemon wants it to end."""

    order: StopOrder
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ShimStopped:
    """The shim itself decided to stop its bot: run limit, no progress, dead man. Durable in the folder already."""

    cause: StopCause
    at: datetime
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reaped:
    """The main process has ended; its tree may live on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShimLost:
    """The shim ended, or will not obey."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reported:
    """The bot reported, through the gateway or (``from_file``) in the result file that it left behind."""

    report: ReportFact
    from_file: bool = False
    to_hub: bool = False
    """There was no room for it here, and the hub was told at once: it becomes no fact."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArtifactStored:
    """The hub has a file of this execution."""

    artifact: ArtifactFact


@dataclass(frozen=True, slots=True, kw_only=True)
class RowWritten:
    """The bot wrote a row of a record log."""

    row: RowFact


@dataclass(frozen=True, slots=True, kw_only=True)
class Spoken:
    """Its files and lines were read at its end, and it had said something there."""

    said: SaidFact


@dataclass(frozen=True, slots=True, kw_only=True)
class Exited:
    """The exit file is complete (or was made up for a shim that is gone)."""

    exit: ExitFact
    final: FinalFact | None = None
    """The last fact, where nothing has to be brought to the hub before it: both are one step, one commit, one frame."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Concluded:
    """Artifacts and result file are collected, the output's length and digest are known."""

    final: FinalFact


@dataclass(frozen=True, slots=True, kw_only=True)
class ForgetAsked:
    """The hub has all of it."""


Event: TypeAlias = (
    HandedOver
    | CannotStart
    | Started
    | Voided
    | StopAsked
    | ShimStopped
    | Reaped
    | ShimLost
    | Reported
    | ArtifactStored
    | RowWritten
    | Spoken
    | Exited
    | Concluded
    | ForgetAsked
)


# --- effects --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkVoid:
    """Link ``void``, read the winner back, and report it as `Voided` or `Started`."""

    reason: VoidReason
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spool:
    """Make the fact durable, then let the session send it. The effects after it wait for that."""

    fact: Fact


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """The bot runs: follow its output and its shim."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StopShim:
    """Tell the shim to end its bot by the ladder of this cause."""

    order: StopOrder


@dataclass(frozen=True, slots=True, kw_only=True)
class FindExit:
    """Read the exit file; where there is none and the shim is gone, end the tree and make up the exit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FreeSlot:
    """The permit is used up: the slot's generation rises; it is free when it is ready again."""

    tree_empty: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Conclude:
    """Collect result file and artifacts, let the token die, work out the final fact: then `Concluded`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Erase:
    """Leave a tombstone with this outcome, then remove folder and facts."""

    outcome: str


Effect: TypeAlias = LinkVoid | Spool | Watch | StopShim | FindExit | FreeSlot | Conclude | Erase
