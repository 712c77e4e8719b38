"""Every JSON message of the link, each a model with a ``type``; `codec` turns them into frames and back.

`ToRunner` is what a hub sends, `ToHub` what a runner sends. Output travels beside them in binary frames.
Order of a connection (P2): Challenge > Hello > Welcome > Held… ResumeEnd > Resumed… > the open exchange.
"""

from typing import Annotated, Literal

from pydantic import AwareDatetime, Field

from agent.wire.condition import Condition
from agent.wire.facts import Fact, Gap
from agent.wire.ids import WireBuildId, WireExecutionId, WireRunnerId, WireTaskId
from agent.wire.limits import (
    BURIED_MAX,
    CONNECTION_WINDOW_BYTES,
    HEARTBEAT_S,
    OUTPUT_WINDOW_BYTES,
    PROGRESS_TEXT_MAX,
    SILENCE_S,
)
from agent.wire.screens import ShowScreen
from agent.wire.task import BotText, BuildReference, Limits, WireModel, Work
from agent.wire.watching import FilesTaken, FolderNews, Watch
from agent.wire.words import PreparationState, StopCause

Nonce = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Key = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Signature = Annotated[str, Field(pattern=r"^[0-9a-f]{128}$")]


class Stamp(WireModel):
    """A moment by the runner's own two clocks; only that runner ever compares it (`core.md` D3)."""

    boot_ns: int
    wall_ns: int


class Permit(WireModel):
    """The slot credit that a grant used up: leave to start, once (`core.md` D2)."""

    epoch: int = Field(ge=1)
    slot: int = Field(ge=0)
    generation: int = Field(ge=1)
    stamp: Stamp


# --- handshake -------------------------------------------------------------------------------------------------------


class Challenge(WireModel):
    """Hub's first word: who it is, proven over the runner's own nonce (sent with the upgrade request)."""

    type: Literal["challenge"] = "challenge"
    protocol_min: int
    protocol_max: int
    hub_id: str
    key: Key
    nonce: Nonce
    signature: Signature


class Hello(WireModel):
    """Runner's answer, signed with its own key over hub id, origin, nonce, join counter and epoch (S2)."""

    type: Literal["hello"] = "hello"
    protocol_min: int
    protocol_max: int
    runner_id: WireRunnerId
    home_id: str
    boot_id: str
    join: int = Field(ge=1)
    last_epoch: int = Field(ge=0)
    """The last epoch that this home made durable (`core.md` D5)."""
    fingerprint: str
    commit_position: int = Field(default=0, ge=0)
    """Highest commit position that a hub ever acknowledged to this home (`core.md` D8)."""
    store_id: str = ""
    """Of which store: a restored one is another (R20)."""
    origin: str
    """scheme://host:port that the runner dialled."""
    agent_version: str
    platform: dict[str, str] = Field(default_factory=dict)
    slots: int = Field(ge=0)
    signature: Signature


class Welcome(WireModel):
    """The session is open; ``ticket`` is for HTTP and dies with the socket."""

    type: Literal["welcome"] = "welcome"
    protocol: int
    epoch: int = Field(ge=1)
    ticket: str
    runner_name: str
    workspace: str
    heartbeat_s: float = HEARTBEAT_S
    silence_s: float = SILENCE_S
    output_window_bytes: int = OUTPUT_WINDOW_BYTES
    connection_window_bytes: int = CONNECTION_WINDOW_BYTES
    store_id: str = ""
    """The store that commit positions of this session count in."""
    show_buried: bool = False
    """The store was restored: tell tombstones too, so that what ran since the backup is known (R20)."""


class Rejected(WireModel):
    """The hub will not open a session. ``final`` means that trying again is useless."""

    type: Literal["rejected"] = "rejected"
    code: Literal["version", "signature", "origin", "unknown", "revoked", "quarantined", "cloned", "busy", "held"]
    message: str
    final: bool
    retry_after_s: float | None = None


# --- resume ----------------------------------------------------------------------------------------------------------


class Held(WireModel):
    """One execution that the runner still holds, as its folder and its memory say."""

    type: Literal["held"] = "held"
    execution_id: WireExecutionId
    fence: int = Field(ge=1)
    verdict: Literal["none", "started", "void"]
    last_fact: int = Field(ge=0)
    output_bytes: int = Field(ge=0)
    ended: bool = False
    task_id: WireTaskId | None = None
    build_id: WireBuildId | None = None
    """What it is of: a hub whose store was restored may not know the execution (R20)."""


class Stone(WireModel):
    """What a runner keeps of an execution that it forgot at the hub's word (`core.md` D8)."""

    execution_id: WireExecutionId
    task_id: WireTaskId
    fence: int = Field(ge=1)
    outcome: str
    """``void`` where it never started."""


class Buried(WireModel):
    """Tombstones, told before `ResumeEnd` where the hub asked for them."""

    type: Literal["buried"] = "buried"
    stones: tuple[Stone, ...] = Field(max_length=BURIED_MAX)


class ResumeEnd(WireModel):
    """The inventory is complete; what was not named is not there (`core.md` D8, valid absence)."""

    type: Literal["resume_end"] = "resume_end"
    prepared: tuple[WireBuildId, ...] = ()
    buried: int | None = None
    """How many tombstones were told; None where they were not asked for, or by a runner that can't tell them."""


class StopOrder(WireModel):
    """Leave a running bot no more time than the ladder of its cause."""

    cause: StopCause
    by: str = ""


class Resumed(WireModel):
    """The hub's answer to one `Held`: from where to go on, and what should become of it."""

    type: Literal["resumed"] = "resumed"
    execution_id: WireExecutionId
    fence: int
    action: Literal["continue", "stop", "upload_rest", "forget"]
    fact: int = Field(default=0, ge=0)
    """Last fact that the hub has; the next one to send is one higher."""
    have: int = Field(default=0, ge=0)
    safe: int = Field(default=0, ge=0)
    stop: StopOrder | None = None


# --- work ------------------------------------------------------------------------------------------------------------


class SlotFree(WireModel):
    """A slot credit: this slot may be granted once, within 30 s of the stamp (renewed by heartbeats)."""

    type: Literal["slot_free"] = "slot_free"
    slot: int = Field(ge=0)
    generation: int = Field(ge=1)
    stamp: Stamp


class SlotBusy(WireModel):
    """The slot's credit is withdrawn: draining, unfit, no idle shim."""

    type: Literal["slot_busy"] = "slot_busy"
    slot: int = Field(ge=0)
    generation: int = Field(ge=1)
    reason: str = ""


class Start(WireModel):
    """An order with its permit; answered by a `started` or `void` fact, always."""

    type: Literal["start"] = "start"
    execution_id: WireExecutionId
    task_id: WireTaskId
    fence: int = Field(ge=1)
    permit: Permit
    work: Work


class Query(WireModel):
    """What became of this order? The runner answers by making a verdict (`core.md` D9)."""

    type: Literal["query"] = "query"
    execution_id: WireExecutionId
    task_id: WireTaskId
    fence: int = Field(ge=1)


class Stop(WireModel):
    """End this execution; for an unknown one: make a durable void (`core.md` D6)."""

    type: Literal["stop"] = "stop"
    execution_id: WireExecutionId
    task_id: WireTaskId
    fence: int = Field(ge=1)
    order: StopOrder


class SetLimits(WireModel):
    """Keep these bounds from now on, all of them anew; open files and file size are those of the start."""

    type: Literal["set_limits"] = "set_limits"
    execution_id: WireExecutionId
    fence: int = Field(ge=1)
    limits: Limits


class Interrupt(WireModel):
    """A person asked the bot to finish by itself: a flag, no signal (`maestro.md` §4)."""

    type: Literal["interrupt"] = "interrupt"
    execution_id: WireExecutionId
    fence: int = Field(ge=1)


class Collect(WireModel):
    """Bring the files that a running bot has left so far; lost, it is asked again (`bot-packages.md` §6)."""

    type: Literal["collect"] = "collect"
    execution_id: WireExecutionId
    fence: int = Field(ge=1)


class FactAck(WireModel):
    """All facts up to ``seq`` are committed."""

    type: Literal["fact_ack"] = "fact_ack"
    execution_id: WireExecutionId
    fence: int = Field(ge=1)
    seq: int = Field(ge=0)


class OutputAck(WireModel):
    """``have`` moves the window; ``safe`` lets the runner delete (`core.md` §3)."""

    type: Literal["output_ack"] = "output_ack"
    execution_id: WireExecutionId
    have: int = Field(ge=0)
    safe: int = Field(ge=0)


class OutputGap(WireModel):
    """Bytes that the hub asked for, or will never see, are gone: stored as a gap, takes no offset."""

    type: Literal["output_gap"] = "output_gap"
    execution_id: WireExecutionId
    gap: Gap


class OutputRewind(WireModel):
    """The hub stored less than was sent (a hole, a refused frame): send again from here."""

    type: Literal["output_rewind"] = "output_rewind"
    execution_id: WireExecutionId
    start: int = Field(ge=0)


class Forget(WireModel):
    """The hub has all of it: the runner leaves a tombstone and frees the space."""

    type: Literal["forget"] = "forget"
    execution_id: WireExecutionId
    fence: int = Field(ge=1)


# --- desired state, life ---------------------------------------------------------------------------------------------


class Desired(WireModel):
    """All builds that this runner should have prepared; the whole set, each time."""

    type: Literal["desired"] = "desired"
    builds: tuple[BuildReference, ...] = ()


class Preparation(WireModel):
    """How far a wanted build has come here. A permanent failure is not tried again by itself."""

    type: Literal["preparation"] = "preparation"
    build_id: WireBuildId
    state: PreparationState
    progress: float = Field(default=0.0, ge=0, le=1)
    message: str = ""
    permanent: bool = False


class Progress(WireModel):
    """How far a bot has come, as it says itself: the newest counts, one a second at most, never acknowledged."""

    type: Literal["progress"] = "progress"
    execution_id: WireExecutionId
    fence: int = Field(ge=1)
    percent: float | None = Field(default=None, ge=0, le=100)
    text: BotText = Field(default="", max_length=PROGRESS_TEXT_MAX)
    at: AwareDatetime


class Heartbeat(WireModel):
    """Alive, fit or not, and one stamp that renews the credit of every free slot (`core.md` D2)."""

    type: Literal["heartbeat"] = "heartbeat"
    number: int = Field(ge=1)
    stamp: Stamp
    ready: bool = True
    unfit: tuple[str, ...] = ()
    running: int = Field(default=0, ge=0)


class HeartbeatAck(WireModel):
    """The heartbeat arrived; extends dead-man deadlines from its send time (`reliability.md` G3)."""

    type: Literal["heartbeat_ack"] = "heartbeat_ack"
    number: int = Field(ge=1)
    commit_position: int = Field(default=0, ge=0)
    at: AwareDatetime | None = None
    """The hub's time when it answered: a runner tells by it that one of the two clocks is wrong."""


class Drain(WireModel):
    """Take no new work (or take it again); running bots are left alone."""

    type: Literal["drain"] = "drain"
    on: bool = True


class Bye(WireModel):
    """The hub closes in an orderly way and says when to come back (R5)."""

    type: Literal["bye"] = "bye"
    reason: Literal["shutdown", "revoked", "replaced", "protocol", "overload", "unanswered"]
    message: str = ""
    reconnect_after_s: float | None = None


ToRunner = Annotated[
    Challenge
    | Welcome
    | Rejected
    | Resumed
    | Start
    | Query
    | Stop
    | Interrupt
    | SetLimits
    | Collect
    | FactAck
    | OutputAck
    | OutputRewind
    | Forget
    | Desired
    | Watch
    | FilesTaken
    | ShowScreen
    | HeartbeatAck
    | Drain
    | Bye,
    Field(discriminator="type"),
]

News = Preparation | FolderNews | Condition
ToHub = Annotated[
    Hello | Held | Buried | ResumeEnd | SlotFree | SlotBusy | Fact | OutputGap | Progress | News | Heartbeat,
    Field(discriminator="type"),
]
