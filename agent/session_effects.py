"""What a `session.Session` is given, and the effects that it returns (pure values)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TypeAlias

from agent.lanes import FactWish
from agent.wire.messages import (
    Collect,
    Desired,
    Drain,
    Forget,
    Hello,
    Interrupt,
    Query,
    Resumed,
    SetLimits,
    Stamp,
    Start,
    Stop,
    ToHub,
    Welcome,
)
from agent.wire.screens import ShowScreen
from agent.wire.watching import FilesTaken, Watch


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who this runner is and which hub it means: fixed by enrolment and by the machine."""

    runner_id: str
    hub_id: str
    hub_key: str
    home_id: str
    boot_id: str
    fingerprint: str
    origin: str
    """scheme://host:port that is dialled."""
    agent_version: str
    platform: Mapping[str, str]
    slots: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Joining:
    """What is new with each connection. ``join`` is durable in the home before this exists (`core.md` D8)."""

    join: int
    last_epoch: int
    commit_position: int
    runner_nonce: str
    store_id: str = ""
    """The store that the position counts in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proofs:
    """Ed25519, given by the caller: ``sign(data) -> signature`` and ``verify(key, data, signature)``, hexadecimal."""

    sign: Callable[[bytes], str]
    verify: Callable[[str, bytes, str], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """Now, by the clock for durations and by both clocks of a stamp."""

    monotonic: float
    stamp: Stamp


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """What a heartbeat says beside being alive."""

    ready: bool = True
    unfit: tuple[str, ...] = ()
    running: int = 0


class CloseReason(StrEnum):
    """Why a connection ended, from this side's view; decides when the next is tried."""

    PROTOCOL = "protocol"
    SILENCE = "silence"
    HANDSHAKE = "handshake"
    WRONG_HUB = "wrong_hub"
    VERSION = "version"
    REJECTED = "rejected"
    BYE = "bye"


# --- effects --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Send:
    """Send this message; control messages never wait behind output."""

    message: ToHub | Hello


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreEpoch:
    """Make the epoch durable in the home before the effects after it."""

    epoch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeInventory:
    """Answer with `Session.inventory` at once: the table as it is now."""

    welcome: Welcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """The exchange is open: offer the free slots."""


Order: TypeAlias = Interrupt | Collect | SetLimits | Forget | Desired | Drain | Watch | FilesTaken | ShowScreen
"""Messages that a session hands on as they are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deliver:
    """A message for the executions, slots or builds; acted on before anything is awaited."""

    message: Resumed | Start | Query | Stop | Order


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadFacts:
    """Read these from the spool and answer with `Session.facts_read`."""

    execution_id: str
    wish: FactWish


@dataclass(frozen=True, slots=True, kw_only=True)
class FactsAcked:
    """The hub has committed the facts up to ``seq``."""

    execution_id: str
    seq: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputSafe:
    """Output before this offset is stored for good: its segments may go."""

    execution_id: str
    safe: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WakeOutput:
    """There may be output to send: ask `Session.next_output`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeartbeatAcked:
    """The hub heard the heartbeat that was sent at ``sent``: dead-man deadlines count from there (D10)."""

    sent: Stamp
    commit_position: int
    hub_at: datetime | None = None
    """The hub's time when it answered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseLink:
    """Close; ``final`` means that no further attempt will help, ``retry_after_s`` is the hub's hint (P10)."""

    reason: CloseReason
    message: str
    final: bool = False
    retry_after_s: float | None = None
    code: str = ""


Effect: TypeAlias = (
    Send
    | StoreEpoch
    | TakeInventory
    | Opened
    | Deliver
    | ReadFacts
    | FactsAcked
    | OutputSafe
    | WakeOutput
    | HeartbeatAcked
    | CloseLink
)


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputWish:
    """Output to be read and sent now: ``limit`` bytes at most from offset ``start``."""

    execution_id: str
    start: int
    limit: int
