"""One connection to the hub, from challenge to close, as a pure machine (P1, P2).

    joining --Challenge--> greeted --Welcome--> welcomed --inventory--> resuming --Resumed x held--> open
       +------------- any fault, silence, Bye, Rejected -------------> closed

Frames go in by `receive`, what happened here by the other methods, time by `tick`; each returns effects, to be
performed in order. Nothing here waits, reads a clock or touches a socket. One `Session` lives as long as one
connection; what outlives it (executions, slots, spool) is told to the next one by its inventory (`design.md` §3).

Why it is safe:

- `StoreEpoch` comes before the first frame of an epoch (`core.md` D5), so a later join counter with an epoch not
  smaller makes absence valid (D8).
- A `Start` is delivered in the step that decodes it; its receiver puts it into the table before anything is awaited.
  One whose permit is of another epoch is dropped.
- `Held…` is the table at one moment, and no `Start` can come before `resume_end`, because credits come after it.
- Nothing is sent of an execution before the hub said from where (`Resumed`); facts and output each have a window.
"""

from collections.abc import Sequence
from enum import StrEnum

from agent.beats import Beats
from agent.handshake import Handshake, closed_by
from agent.lanes import FactLane, FactWindow, FactWish, Lanes, OutputLane
from agent.session_effects import (
    CloseLink,
    CloseReason,
    Deliver,
    Effect,
    FactsAcked,
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
from agent.wire.limits import BURIED_MAX, HANDSHAKE_S, OUTPUT_DATA_MAX_BYTES, OUTPUT_WINDOW_BYTES
from agent.wire.messages import (
    Buried,
    Bye,
    Challenge,
    FactAck,
    HeartbeatAck,
    Held,
    News,
    OutputAck,
    OutputGap,
    OutputRewind,
    Query,
    Rejected,
    Resumed,
    ResumeEnd,
    SlotBusy,
    SlotFree,
    Stamp,
    Start,
    Stone,
    Stop,
    ToRunner,
    Welcome,
)

_SILENT_SHARE = 0.9
"""Of the time that a link may be silent: so that it is told within that time (R42), on a busy machine too."""
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


class Session:
    """See the module. Not safe to call from inside a performed effect of itself."""

    def __init__(self, identity: Identity, joining: Joining, proofs: Proofs, now: float) -> None:
        self._handshake = Handshake(identity, joining, proofs)
        self._stage = Stage.JOINING
        self._began_at = self._heard_at = now
        self._beats = Beats()
        self._awaited: set[str] = set()
        self._lanes: dict[str, Lanes] = {}
        self._fact_window = FactWindow()
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

    def _exchange(self, message: ToRunner) -> list[Effect]:  # noqa: PLR0911 - one line for each message
        match message:
            case Resumed():
                return self._resumed(message)
            case Start():
                return self._start(message)
            case Query() | Stop():
                # The answer to an unknown one is a void, which needs lanes from its first fact on.
                self._track(message.execution_id)
                return [Deliver(message=message)]
            case FactAck():
                return self._fact_ack(message)
            case OutputAck():
                return self._output_ack(message)
            case OutputRewind():
                return self._output_rewind(message)
            case HeartbeatAck():
                return self._beats.answered(message)
            case Bye():
                return [closed_by(message)]
            case Challenge() | Welcome() | Rejected():
                raise ProtocolError(f"{message.type} in a session")
            case _:
                return [Deliver(message=message)]

    def _resumed(self, message: Resumed) -> list[Effect]:
        if message.execution_id not in self._awaited:
            raise ProtocolError(f"resumed for {message.execution_id}, which was not held")
        self._awaited.discard(message.execution_id)
        lanes = self._lanes.get(message.execution_id)
        if lanes is None:
            return self._open_when_resumed()  # forgotten here while the hub made its answer
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

    def inventory(
        self, held: Sequence[Held], prepared: Sequence[str], stones: Sequence[Stone] | None = None
    ) -> list[Effect]:
        """The answer to `TakeInventory`: all that this machine holds, and the end of the list.

        `stones` are tombstones, where the hub asked for them.
        """
        if self._stage is not Stage.WELCOMED:
            return []
        self._stage = Stage.RESUMING
        self._awaited = {one.execution_id for one in held}
        for one in held:
            self._make_lanes(one.execution_id, one.last_fact, one.output_bytes)
        sends: list[Effect] = [Send(message=one) for one in held]
        parts = range(0, len(stones or ()), BURIED_MAX)
        sends += [Send(message=Buried(stones=tuple((stones or ())[first : first + BURIED_MAX]))) for first in parts]
        end = ResumeEnd(prepared=tuple(prepared), buried=None if stones is None else len(stones))
        return [*sends, Send(message=end), *self._open_when_resumed()]

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

    def news(self, message: News) -> list[Effect]:
        """A build came a step further, or failed; a watched folder has something to tell; desktops changed."""
        return [Send(message=message)] if self._stage in {Stage.RESUMING, Stage.OPEN} else []

    def forgotten(self, execution_id: str) -> None:
        """The execution is gone here; frames that still come for it mean nothing."""
        lanes = self._lanes.pop(execution_id, None)
        if lanes is not None:
            lanes.facts.end()
        # One that was told as held is answered all the same: that answer is still awaited.

    # --- output ------------------------------------------------------------------------------------------------------

    def output_available(self, execution_id: str, total: int) -> None:
        """The execution's output is `total` bytes long by now."""
        if execution_id in self._lanes:
            lane = self._lanes[execution_id].output
            lane.available = max(lane.available, total)

    def next_output(self, window_max: int = OUTPUT_WINDOW_BYTES) -> OutputWish | None:
        """What may be sent now, the executions in turn; None while the windows are full or all is sent.

        `window_max` bounds each execution's window, besides what the hub gave.
        """
        if self.welcome is None or self._stage not in {Stage.RESUMING, Stage.OPEN}:
            return None
        under_way = sum(lanes.output.in_flight for lanes in self._lanes.values())
        free = min(OUTPUT_DATA_MAX_BYTES, self.welcome.connection_window_bytes - under_way)
        window = min(window_max, self.welcome.output_window_bytes)
        for execution_id, lanes in self._lanes.items():
            room = min(free, lanes.output.room(window))
            if room > 0:
                # To the end of the row, so that a flood of one does not starve the others.
                self._lanes[execution_id] = self._lanes.pop(execution_id)
                return OutputWish(execution_id=execution_id, start=lanes.output.sent, limit=room)
        return None

    def under_way(self, execution_id: str) -> int:
        """Bytes of its output that were sent and are not acknowledged."""
        return self._lanes[execution_id].output.in_flight if execution_id in self._lanes else 0

    def output_sent(self, execution_id: str, end: int) -> None:
        """A frame whose last byte is before `end` was given to the link."""
        if execution_id in self._lanes:
            self._lanes[execution_id].output.moved(end)

    def output_missing(self, execution_id: str, end: int | None = None) -> list[Effect]:
        """Nothing can be read where something should be: wait for it, or tell that it is gone up to a told `end`."""
        lanes = self._lanes.get(execution_id)
        gap = lanes.output.missing(end) if lanes is not None else None
        return self.output_gap(execution_id, gap) if gap is not None else []

    def output_gap(self, execution_id: str, gap: Gap) -> list[Effect]:
        """Bytes are missing here: said once for each pass over that place."""
        lanes = self._lanes.get(execution_id)
        if lanes is None or self._stage not in {Stage.RESUMING, Stage.OPEN}:
            return []
        if gap.resumed_at is not None:
            lanes.output.moved(gap.resumed_at)
        return [Send(message=OutputGap(execution_id=execution_id, gap=gap))]

    # --- time --------------------------------------------------------------------------------------------------------

    def due_at(self) -> float:
        """When `tick` has something to do, on the clock of `Moment.monotonic`; `receive` and `inventory` may change it.

        What is heard meanwhile only makes it later.
        """
        if self._stage is Stage.CLOSED:
            return float("inf")
        if self.welcome is None:
            return self._began_at + HANDSHAKE_S
        dues = [self._heard_at + self.welcome.silence_s * _SILENT_SHARE]
        if self._stage is not Stage.OPEN:
            dues.append(self._began_at + _RESUME_S)
        if self._stage is not Stage.WELCOMED:
            dues.append(self._beats.due_at(self.welcome.heartbeat_s))
        return min(dues)

    def tick(self, moment: Moment, readiness: Readiness) -> list[Effect]:
        """To be called at `due_at`, or sooner: heartbeat, silence, a handshake that takes too long (P8)."""
        now = moment.monotonic
        if now < self.due_at():
            return []
        if self.welcome is None:
            return self._close(CloseReason.HANDSHAKE, f"no welcome within {HANDSHAKE_S:.0f} s")
        if self._stage is not Stage.OPEN and now >= self._began_at + _RESUME_S:
            return self._close(CloseReason.HANDSHAKE, f"the resume was not answered within {_RESUME_S:.0f} s")
        if now >= self._heard_at + self.welcome.silence_s * _SILENT_SHARE:
            return self._close(CloseReason.SILENCE, f"nothing heard for {self.welcome.silence_s:.0f} s")
        return self._heartbeat(moment, readiness)

    def changed(self, moment: Moment, readiness: Readiness) -> list[Effect]:
        """A heartbeat out of turn where readiness is news: work must not wait for the next one to be asked for."""
        return self._heartbeat(moment, readiness) if self._beats.is_news(readiness) else []

    def _heartbeat(self, moment: Moment, readiness: Readiness) -> list[Effect]:
        is_heard = self._stage in {Stage.RESUMING, Stage.OPEN}
        return [Send(message=self._beats.next(moment, readiness))] if is_heard else []

    def heard(self, now: float) -> None:
        """Any byte counts as life, a pong too."""
        self._heard_at = max(self._heard_at, now)

    # --- inside ------------------------------------------------------------------------------------------------------

    def _make_lanes(self, execution_id: str, facts: int = 0, output_bytes: int = 0) -> Lanes:
        made = Lanes(FactLane(facts, self._fact_window, execution_id), OutputLane(output_bytes))
        self._lanes[execution_id] = made
        return made

    def _track(self, execution_id: str) -> Lanes:
        """The lanes of an execution; new ones begin at zero, for it began on this connection."""
        if execution_id not in self._lanes:
            lanes = self._make_lanes(execution_id)
            lanes.facts.begin(0)
            lanes.output.begin(0, 0)
        return self._lanes[execution_id]

    def _reading(self, execution_id: str, wish: FactWish | None) -> list[Effect]:
        own: list[Effect] = [] if wish is None else [ReadFacts(execution_id=execution_id, wish=wish)]
        others = self._fact_window.served()
        return own + [ReadFacts(execution_id=lane.execution_id, wish=its) for lane, its in others]

    def _close(self, reason: CloseReason, message: str) -> list[Effect]:
        self._stage = Stage.CLOSED
        return [CloseLink(reason=reason, message=message)]
