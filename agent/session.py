"""One connection to the hub, from challenge to close, as a pure machine (P1, P2).

    joining --Challenge--> greeted --Welcome--> welcomed --inventory--> resuming --Resumed x held--> open
       +------------- any fault, silence, Bye, Rejected -------------> closed

Frames go in by `receive`, what happened here by the other methods, time by `tick`; each returns effects, to be
performed in order. Nothing here waits, reads a clock or touches a socket. One `Session` lives as long as one
connection; what outlives it (executions, slots, spool) is told to the next one by its inventory: reconcile, not
replay (`design.md` §3).

Why it is safe:

- `StoreEpoch` comes before the first frame of an epoch (`core.md` D5), so a later join counter with an epoch not
  smaller makes absence valid (D8).
- A `Start` is delivered in the step that decodes it; its receiver puts it into the table before anything is awaited.
  One whose permit is of another epoch is dropped.
- `Held…` is the table at one moment, and no `Start` can come before `resume_end`, because credits come after it.
- Nothing is sent of an execution before the hub said from where (`Resumed`); facts and output each have a window.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from agent.handshake import Handshake, closed_by
from agent.lanes import FactLane, FactWish, OutputLane
from agent.session_effects import (
    CloseLink,
    CloseReason,
    Deliver,
    Effect,
    FactsAcked,
    HeartbeatAcked,
    Identity,
    Joining,
    Moment,
    Opened,
    OutputSafe,
    OutputWish,
    Proofs,
    ReadFacts,
    Readiness,
    Send,
    WakeOutput,
)
from agent.wire.codec import ProtocolError
from agent.wire.facts import Fact, Gap
from agent.wire.limits import HANDSHAKE_S, OUTPUT_DATA_MAX_BYTES
from agent.wire.messages import (
    Bye,
    Challenge,
    Collect,
    Desired,
    Drain,
    FactAck,
    Forget,
    Heartbeat,
    HeartbeatAck,
    Held,
    Interrupt,
    OutputAck,
    OutputGap,
    OutputRewind,
    Preparation,
    Query,
    Rejected,
    Resumed,
    ResumeEnd,
    SetLimits,
    SlotBusy,
    SlotFree,
    Stamp,
    Start,
    Stop,
    ToRunner,
    Welcome,
)

_HEARTBEATS_REMEMBERED = 16
_RESUME_S = 60.0
"""From the first frame of a connection to its last `resumed`; a hub that needs longer is asked again."""


class Stage(StrEnum):
    """How far a connection has come; drawn above."""

    JOINING = "joining"
    GREETED = "greeted"
    WELCOMED = "welcomed"
    RESUMING = "resuming"
    OPEN = "open"
    CLOSED = "closed"


@dataclass(slots=True)
class _Lanes:
    facts: FactLane = field(default_factory=FactLane)
    output: OutputLane = field(default_factory=OutputLane)


class Session:
    """See the module. Not safe to call from inside a performed effect of itself."""

    def __init__(self, identity: Identity, joining: Joining, proofs: Proofs, now: float) -> None:
        self._handshake = Handshake(identity, joining, proofs)
        self._stage = Stage.JOINING
        self._began_at = self._heard_at = now
        self._beat_at = now
        self._beats = 0
        self._sent_beats: dict[int, Stamp] = {}
        self._awaited: set[str] = set()
        self._lanes: dict[str, _Lanes] = {}
        self._offered: dict[int, int] = {}

    @property
    def stage(self) -> Stage:
        """How far it has come."""
        return self._stage

    @property
    def epoch(self) -> int:
        """The session's epoch, 0 before the hub's welcome."""
        return self.welcome.epoch if self.welcome else 0

    @property
    def welcome(self) -> Welcome | None:
        """What the hub said when it opened the session."""
        return self._handshake.welcome

    # --- frames in ---------------------------------------------------------------------------------------------------

    def receive(self, message: ToRunner, now: float) -> list[Effect]:
        """One message of the hub. A fault of the protocol closes the link and is applied in no part."""
        if self._stage is Stage.CLOSED:
            return []
        self._heard_at = now
        try:
            effects = self._greet(message) if self.welcome is None else self._exchange(message)
        except ProtocolError as fault:
            return self._close(CloseReason.PROTOCOL, str(fault))
        if any(isinstance(effect, CloseLink) for effect in effects):
            self._stage = Stage.CLOSED
        return effects

    def _greet(self, message: ToRunner) -> list[Effect]:
        effects = self._handshake.receive(message)
        self._stage = Stage.GREETED if self.welcome is None else Stage.WELCOMED
        return effects

    def _exchange(self, message: ToRunner) -> list[Effect]:  # noqa: C901, PLR0911 - one line for each message
        match message:
            case Resumed():
                return self._resumed(message)
            case Start():
                return self._start(message)
            case Query() | Stop():
                # The answer to an unknown one is a void, which needs lanes from its first fact on.
                self._track(message.execution_id)
                return [Deliver(message=message)]
            case Interrupt() | Collect() | SetLimits() | Forget() | Desired() | Drain():
                return [Deliver(message=message)]
            case FactAck():
                return self._fact_ack(message)
            case OutputAck():
                return self._output_ack(message)
            case OutputRewind():
                return self._output_rewind(message)
            case HeartbeatAck():
                sent = self._sent_beats.pop(message.number, None)
                return [] if sent is None else [HeartbeatAcked(sent=sent, commit_position=message.commit_position)]
            case Bye():
                return [closed_by(message)]
            case Challenge() | Welcome() | Rejected():
                raise ProtocolError(f"{message.type} in a session")

    def _resumed(self, message: Resumed) -> list[Effect]:
        if message.execution_id not in self._awaited:
            raise ProtocolError(f"resumed for {message.execution_id}, which was not held")
        self._awaited.discard(message.execution_id)
        lanes = self._lanes[message.execution_id]
        lanes.output.begin(message.have, message.safe)
        effects: list[Effect] = [Deliver(message=message)]
        effects += self._reading(message.execution_id, lanes.facts.begin(message.fact))
        effects += [FactsAcked(execution_id=message.execution_id, seq=message.fact), WakeOutput()]
        if message.safe:
            effects.append(OutputSafe(execution_id=message.execution_id, safe=message.safe))
        return effects + self._open_when_resumed()

    def _open_when_resumed(self) -> list[Effect]:
        if self._awaited or self._stage is not Stage.RESUMING:
            return []
        self._stage = Stage.OPEN
        return [Opened()]

    def _start(self, message: Start) -> list[Effect]:
        if self._stage is not Stage.OPEN:
            raise ProtocolError(f"start during {self._stage}: no credit was given")
        if message.permit.epoch != self.epoch:
            return []
        self._offered.pop(message.permit.slot, None)
        self._track(message.execution_id)
        return [Deliver(message=message)]

    def _fact_ack(self, message: FactAck) -> list[Effect]:
        lanes = self._lanes.get(message.execution_id)
        if lanes is None:
            return []
        lanes.facts.ack(message.seq)
        reading = self._reading(message.execution_id, lanes.facts.wish())
        return [FactsAcked(execution_id=message.execution_id, seq=message.seq), *reading]

    def _output_ack(self, message: OutputAck) -> list[Effect]:
        lanes = self._lanes.get(message.execution_id)
        if lanes is None:
            return []
        lane, before = lanes.output, lanes.output.safe
        lane.ack(message.have, message.safe)
        effects: list[Effect] = [WakeOutput()]
        if lane.safe > before:
            effects.append(OutputSafe(execution_id=message.execution_id, safe=lane.safe))
        return effects

    def _output_rewind(self, message: OutputRewind) -> list[Effect]:
        lanes = self._lanes.get(message.execution_id)
        if lanes is None:
            return []
        lanes.output.rewind(message.start)
        return [WakeOutput()]

    # --- what happened here ------------------------------------------------------------------------------------------

    def inventory(self, held: Sequence[Held], prepared: Sequence[str]) -> list[Effect]:
        """The answer to `TakeInventory`: all that this machine holds, and the end of the list."""
        if self._stage is not Stage.WELCOMED:
            return []
        self._stage = Stage.RESUMING
        self._awaited = {one.execution_id for one in held}
        for one in held:
            self._lanes[one.execution_id] = _Lanes(FactLane(one.last_fact), OutputLane(one.output_bytes))
        sends: list[Effect] = [Send(message=one) for one in held]
        return [*sends, Send(message=ResumeEnd(prepared=tuple(prepared))), *self._open_when_resumed()]

    def fact_spooled(self, fact: Fact) -> list[Effect]:
        """A fact is durable here."""
        if self._stage not in {Stage.RESUMING, Stage.OPEN}:
            return []
        lanes = self._track(fact.execution_id)
        sends: list[Effect] = [Send(message=due) for due in lanes.facts.spooled(fact)]
        return sends + self._reading(fact.execution_id, lanes.facts.wish())

    def facts_read(self, execution_id: str, facts: Sequence[Fact]) -> list[Effect]:
        """The answer to `ReadFacts`."""
        lanes = self._lanes.get(execution_id)
        if lanes is None or self._stage is Stage.CLOSED:
            return []
        sends: list[Effect] = [Send(message=due) for due in lanes.facts.read(facts)]
        return sends + self._reading(execution_id, lanes.facts.wish())

    def slot_free(self, slot: int, generation: int, stamp: Stamp) -> list[Effect]:
        """A slot is ready and empty: a credit, once for each generation (`core.md` D2)."""
        if self._stage is not Stage.OPEN or self._offered.get(slot) == generation:
            return []
        self._offered[slot] = generation
        return [Send(message=SlotFree(slot=slot, generation=generation, stamp=stamp))]

    def slot_busy(self, slot: int, generation: int, reason: str) -> list[Effect]:
        """A slot that was offered cannot be used now."""
        if self._offered.pop(slot, None) is None or self._stage is not Stage.OPEN:
            return []
        return [Send(message=SlotBusy(slot=slot, generation=generation, reason=reason))]

    def preparation(self, message: Preparation) -> list[Effect]:
        """A build came a step further, or failed."""
        return [Send(message=message)] if self._stage in {Stage.RESUMING, Stage.OPEN} else []

    def forgotten(self, execution_id: str) -> None:
        """The execution is gone here; frames that still come for it mean nothing."""
        self._lanes.pop(execution_id, None)
        self._awaited.discard(execution_id)

    # --- output ------------------------------------------------------------------------------------------------------

    def output_available(self, execution_id: str, total: int) -> None:
        """The execution's output is `total` bytes long by now."""
        if execution_id in self._lanes:
            lane = self._lanes[execution_id].output
            lane.available = max(lane.available, total)

    def next_output(self) -> OutputWish | None:
        """What may be sent now, the executions in turn; None while the windows are full or all is sent."""
        if self.welcome is None or self._stage not in {Stage.RESUMING, Stage.OPEN}:
            return None
        under_way = sum(lanes.output.in_flight for lanes in self._lanes.values())
        free = min(OUTPUT_DATA_MAX_BYTES, self.welcome.connection_window_bytes - under_way)
        for execution_id, lanes in self._lanes.items():
            room = min(free, lanes.output.room(self.welcome.output_window_bytes))
            if room > 0:
                # To the end of the row, so that a flood of one does not starve the others.
                self._lanes[execution_id] = self._lanes.pop(execution_id)
                return OutputWish(execution_id=execution_id, start=lanes.output.sent, limit=room)
        return None

    def output_sent(self, execution_id: str, end: int) -> None:
        """A frame whose last byte is before `end` was given to the link."""
        if execution_id in self._lanes:
            self._lanes[execution_id].output.moved(end)

    def output_missing(self, execution_id: str) -> None:
        """Nothing could be read where something was said to be: wait for the next doorbell."""
        if execution_id in self._lanes:
            lane = self._lanes[execution_id].output
            lane.available = min(lane.available, lane.sent)

    def output_gap(self, execution_id: str, gap: Gap) -> list[Effect]:
        """Bytes are missing here: said once for each pass over that place."""
        lanes = self._lanes.get(execution_id)
        if lanes is None or self._stage not in {Stage.RESUMING, Stage.OPEN}:
            return []
        if gap.resumed_at is not None:
            lanes.output.moved(gap.resumed_at)
        return [Send(message=OutputGap(execution_id=execution_id, gap=gap))]

    # --- time --------------------------------------------------------------------------------------------------------

    def tick(self, moment: Moment, readiness: Readiness) -> list[Effect]:
        """To be called every second or so: heartbeat, silence, a handshake that takes too long (P8)."""
        now = moment.monotonic
        if self._stage is Stage.CLOSED:
            return []
        if self.welcome is None:
            if now - self._began_at > HANDSHAKE_S:
                return self._close(CloseReason.HANDSHAKE, f"no welcome within {HANDSHAKE_S:.0f} s")
            return []
        if self._stage in {Stage.WELCOMED, Stage.RESUMING} and now - self._began_at > _RESUME_S:
            return self._close(CloseReason.HANDSHAKE, f"the resume was not answered within {_RESUME_S:.0f} s")
        if now - self._heard_at > self.welcome.silence_s:
            return self._close(CloseReason.SILENCE, f"nothing heard for {self.welcome.silence_s:.0f} s")
        if self._beats and now - self._beat_at < self.welcome.heartbeat_s:
            return []
        return self.heartbeat(moment, readiness)

    def heartbeat(self, moment: Moment, readiness: Readiness) -> list[Effect]:
        """A heartbeat now, also out of turn when readiness changed."""
        if self._stage not in {Stage.RESUMING, Stage.OPEN}:
            return []
        self._beat_at = moment.monotonic
        self._beats += 1
        self._sent_beats[self._beats] = moment.stamp
        self._sent_beats.pop(self._beats - _HEARTBEATS_REMEMBERED, None)
        beat = Heartbeat(
            number=self._beats,
            stamp=moment.stamp,
            ready=readiness.ready,
            unfit=readiness.unfit,
            running=readiness.running,
        )
        return [Send(message=beat)]

    def heard(self, now: float) -> None:
        """Any byte counts as life, a pong too."""
        self._heard_at = max(self._heard_at, now)

    # --- inside ------------------------------------------------------------------------------------------------------

    def _track(self, execution_id: str) -> _Lanes:
        """The lanes of an execution; new ones begin at zero, for it began on this connection."""
        lanes = self._lanes.get(execution_id)
        if lanes is None:
            lanes = self._lanes[execution_id] = _Lanes()
            lanes.facts.begin(0)
            lanes.output.begin(0, 0)
        return lanes

    def _reading(self, execution_id: str, wish: FactWish | None) -> list[Effect]:
        return [] if wish is None else [ReadFacts(execution_id=execution_id, wish=wish)]

    def _close(self, reason: CloseReason, message: str) -> list[Effect]:
        self._stage = Stage.CLOSED
        return [CloseLink(reason=reason, message=message)]
