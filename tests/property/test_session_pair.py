"""Sessions of one runner over channels that drop, repeat and reorder between connections (style §2.10).

A scripted hub, a spool, a ledger and executions stand at their ends; each connection is a fresh `Session`. What was on
its way when one ended is lost, or comes again on the next. Invariants: one start per fence, nothing acknowledged is
lost, what the hub has of facts and output is always a beginning of what the runner has (`core.md` D1, D5, §3).
"""

from collections import defaultdict, deque
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from agent.execution import LocalExecution, Phase, apply
from agent.execution_events import (
    CannotStart,
    Concluded,
    Event,
    Exited,
    ForgetAsked,
    FreeSlot,
    HandedOver,
    LinkVoid,
    Reported,
    Spool,
    Started,
    Voided,
)
from agent.ledger import Admission, Ledger
from agent.session import Session, Stage
from agent.session_effects import CloseLink, Deliver, Effect, Opened, ReadFacts, Readiness, Send, TakeInventory
from agent.slots import Slots
from agent.wire.facts import ExitFact, Fact, FinalFact, ReportFact
from agent.wire.messages import (
    FactAck,
    Forget,
    Held,
    Hello,
    OutputAck,
    OutputRewind,
    Permit,
    Query,
    Resumed,
    ResumeEnd,
    SlotFree,
    Start,
)
from agent.wire.words import ExitKind, ReportStatus, VoidReason
from tests.support.session import AT, challenge, exe, moment, new_session, tsk, welcome, work

SLOTS = 2


class Machine(RuleBasedStateMachine):
    """Runner and hub, and the wire between them."""

    @initialize()
    def begin(self) -> None:
        """Nothing has happened yet."""
        self.ledger = Ledger()
        self.slots = Slots(SLOTS)
        self.spool: dict[str, list[Fact]] = defaultdict(list)
        self.output: dict[str, bytes] = defaultdict(bytes)
        self.starts: dict[tuple[str, int], int] = defaultdict(int)
        self.session: Session | None = None
        self.epoch = 0
        self.clock = 0.0
        self.orders = 0
        # the hub's side
        self.hub_facts: dict[str, list[Fact]] = defaultdict(list)
        self.hub_output: dict[str, bytes] = defaultdict(bytes)
        self.granted: dict[str, Start] = {}
        self.credits: dict[int, SlotFree] = {}
        self.to_hub: deque[Any] = deque()
        self.to_runner: deque[Any] = deque()
        self.old_frames: list[Any] = []

    # --- the runner's shell ------------------------------------------------------------------------------------------

    def perform(self, effects: list[Effect]) -> None:
        """What the daemon does, without its waiting."""
        session = self.session
        for effect in effects:
            match effect:
                case Send(message=message):
                    self.to_hub.append(message)
                case TakeInventory() if session:
                    held = [one.held(len(self.output[one.execution_id])) for one in self.ledger.all()]
                    self.perform(session.inventory(held, []))
                case ReadFacts(execution_id=execution_id, wish=wish) if session:
                    found = [fact for fact in self.spool[execution_id] if fact.seq > wish.after][: wish.limit]
                    self.perform(session.facts_read(execution_id, found))
                case Deliver(message=message):
                    self.deliver(message)
                case Opened():
                    self.offer()
                case CloseLink():
                    self.cut()
                case _:
                    pass

    def deliver(self, message: Any) -> None:
        """The desk."""
        match message:
            case Start():
                admitted = self.ledger.admit(message, self.slots)
                if admitted.admission is Admission.REFUSED:
                    self.happen(message.execution_id, CannotStart(reason=admitted.reason))
            case Query():
                if self.ledger.enter_unknown(message.execution_id, message.task_id, message.fence):
                    self.happen(message.execution_id, CannotStart(reason=VoidReason.UNKNOWN))
            case Forget() | Resumed(action="forget") if message.execution_id in self.ledger:
                self.happen(message.execution_id, ForgetAsked())

    def happen(self, execution_id: str, event: Event) -> None:
        """The keeper."""
        value, effects = apply(self.ledger[execution_id], event)
        self.ledger.put(value)
        for effect in effects:
            match effect:
                case Spool(fact=fact):
                    self.spool[execution_id].append(fact)
                    if self.session:
                        self.perform(self.session.fact_spooled(fact))
                case LinkVoid(reason=reason):
                    self.happen(execution_id, Voided(at=AT, reason=reason))
                case FreeSlot():
                    self.slots.release(value.slot, execution_id, tree_empty=True)
                    self.offer()
                case _:
                    pass
        if value.phase is Phase.FORGOTTEN:
            self.ledger.bury(execution_id, "final")
            if self.session:
                self.session.forgotten(execution_id)

    def offer(self) -> None:
        """Benches and slots."""
        for number in self.slots.wanting():
            self.slots.set_ready(number, is_ready=True)
        if self.session:
            for slot in self.slots.free():
                self.perform(self.session.slot_free(slot.number, slot.generation, moment(self.clock).stamp))

    def cut(self) -> None:
        """The connection is gone; what was on its way may come again on the next."""
        self.session = None
        self.old_frames = list(self.to_runner)
        self.to_hub.clear()
        self.to_runner.clear()
        self.credits.clear()

    # --- what happens ------------------------------------------------------------------------------------------------

    @rule()
    def connect(self) -> None:
        """A new connection and its handshake, up to the end of the inventory."""
        if self.session is not None:
            self.cut()
        self.epoch += 1
        self.session = new_session(join=self.epoch, last_epoch=self.epoch - 1)
        self.perform(self.session.receive(challenge(), self.clock))
        assert isinstance(self.to_hub.popleft(), Hello)
        self.perform(self.session.receive(welcome(self.epoch), self.clock))

    @rule()
    def drop(self) -> None:
        """The link breaks."""
        self.cut()

    @rule()
    def kill_daemon(self) -> None:
        """All memory is gone but what is durable: spool and verdicts."""
        self.cut()
        survivors = self.ledger.all()
        stones = list(self.ledger._tombstones.values())
        self.ledger = Ledger(stones)
        self.slots = Slots(SLOTS)
        for one in survivors:
            self.ledger.put(one)
            if one.slot is not None and one.phase in {Phase.ORDERED, Phase.HANDED_OVER, Phase.STARTED}:
                self.slots.adopt(one.slot, one.execution_id)
        for one in survivors:
            if one.phase in {Phase.ORDERED, Phase.HANDED_OVER}:
                self.happen(one.execution_id, CannotStart(reason=VoidReason.DAEMON_RESTARTED))
        self.offer()

    @precondition(lambda self: self.to_hub)
    @rule(count=st.integers(1, 8))
    def hub_hears(self, count: int) -> None:
        """Frames arrive at the hub, in order."""
        for _ in range(min(count, len(self.to_hub))):
            self.hub_takes(self.to_hub.popleft())

    def hub_takes(self, message: Any) -> None:
        """What a hub does: keep, then acknowledge."""
        match message:
            case Held(execution_id=execution_id, fence=fence):
                facts = self.hub_facts[execution_id]
                done = bool(facts) and facts[-1].body.kind in {"final", "void"}
                self.to_runner.append(
                    Resumed(
                        execution_id=execution_id,
                        fence=fence,
                        action="forget" if done else "continue",
                        fact=len(facts),
                        have=len(self.hub_output[execution_id]),
                    )
                )
            case ResumeEnd():
                pass
            case SlotFree():
                self.credits[message.slot] = message
            case Fact(execution_id=execution_id, seq=seq):
                known = self.hub_facts[execution_id]
                assert seq <= len(known) + 1, "a hole"
                if seq == len(known) + 1:
                    known.append(message)
                else:
                    assert known[seq - 1] == message, "a fact has changed"
                self.to_runner.append(FactAck(execution_id=execution_id, fence=message.fence, seq=len(known)))
            case (str() as execution_id, int() as start, bytes() as data):
                have = self.hub_output[execution_id]
                if start > len(have):
                    self.to_runner.append(OutputRewind(execution_id=execution_id, start=len(have)))
                    return
                self.hub_output[execution_id] = have + data[len(have) - start :]
                stored = len(self.hub_output[execution_id])
                self.to_runner.append(OutputAck(execution_id=execution_id, have=stored, safe=0))

    @precondition(lambda self: self.to_runner and self.session)
    @rule(count=st.integers(1, 8))
    def runner_hears(self, count: int) -> None:
        """Frames arrive at the runner, in order."""
        for _ in range(count):
            if self.session is None or not self.to_runner:
                return
            self.perform(self.session.receive(self.to_runner.popleft(), self.clock))

    @precondition(lambda self: self.credits and self.session)
    @rule(same_task=st.booleans())
    def grant(self, same_task: bool) -> None:
        """The hub uses up a credit."""
        _, credit = self.credits.popitem()
        self.orders += 1
        permit = Permit(epoch=self.epoch, slot=credit.slot, generation=credit.generation, stamp=credit.stamp)
        task = 1 if same_task else self.orders
        order = Start(execution_id=exe(self.orders), task_id=tsk(task), fence=self.orders, permit=permit, work=work())
        self.granted[order.execution_id] = order
        self.to_runner.append(order)

    @precondition(lambda self: self.old_frames and self.session and self.session.stage is Stage.OPEN)
    @rule(data=st.data())
    def an_old_order_comes_again(self, data: st.DataObject) -> None:
        """A frame of an earlier connection is replayed, out of order (R45)."""
        frame = data.draw(st.sampled_from(self.old_frames))
        if isinstance(frame, (Start, Query)):
            self.to_runner.append(frame)

    @precondition(lambda self: self.granted and self.session)
    @rule(data=st.data(), again=st.booleans())
    def ask_or_repeat(self, data: st.DataObject, again: bool) -> None:
        """The hub asks what became of an order, or sends it a second time in this session."""
        order = data.draw(st.sampled_from(list(self.granted.values())))
        permit = order.permit.model_copy(update={"epoch": self.epoch})
        repeated = order.model_copy(update={"permit": permit})
        question = Query(execution_id=order.execution_id, task_id=order.task_id, fence=order.fence)
        if self.session is not None and self.session.stage is Stage.OPEN:
            self.to_runner.append(repeated if again else question)

    def some(self, data: st.DataObject, *phases: Phase) -> LocalExecution | None:
        """An execution in one of these phases."""
        found = [one for one in self.ledger.all() if one.phase in phases]
        return data.draw(st.sampled_from(found)) if found else None

    @rule(data=st.data())
    def hand_over(self, data: st.DataObject) -> None:
        """A shim is given an order."""
        one = self.some(data, Phase.ORDERED)
        if one is not None:
            self.happen(one.execution_id, HandedOver())

    @rule(data=st.data(), void=st.booleans())
    def decide(self, data: st.DataObject, void: bool) -> None:
        """The shim links its verdict."""
        one = self.some(data, Phase.HANDED_OVER)
        if one is None:
            return
        if void:
            self.happen(one.execution_id, Voided(at=AT, reason=VoidReason.STALE))
        else:
            self.starts[one.task_id, one.fence] += 1
            self.happen(one.execution_id, Started(at=AT))

    @rule(data=st.data(), size=st.integers(1, 200_000))
    def print_something(self, data: st.DataObject, size: int) -> None:
        """The bot writes."""
        one = self.some(data, Phase.STARTED)
        if one is not None:
            known = self.output[one.execution_id]
            self.output[one.execution_id] = known + bytes([len(known) % 251]) * size
            if self.session:
                self.session.output_available(one.execution_id, len(self.output[one.execution_id]))

    @rule(data=st.data(), what=st.sampled_from(["report", "exit", "final"]))
    def live(self, data: st.DataObject, what: str) -> None:
        """The bot reports, ends, is concluded."""
        if what == "report" and (one := self.some(data, Phase.STARTED)):
            self.happen(one.execution_id, Reported(report=ReportFact(at=AT, status=ReportStatus.SUCCEEDED)))
        elif what == "exit" and (one := self.some(data, Phase.STARTED)):
            self.happen(one.execution_id, Exited(exit=ExitFact(at=AT, how=ExitKind.NORMAL, code=0)))
        elif what == "final" and (one := self.some(data, Phase.EXITED)):
            length = len(self.output[one.execution_id])
            self.happen(one.execution_id, Concluded(final=FinalFact(at=AT, output_bytes=length)))

    @rule(count=st.integers(1, 30))
    def send_output(self, count: int) -> None:
        """The writer has time."""
        for _ in range(count):
            wish = self.session.next_output() if self.session else None
            if wish is None or self.session is None:
                return
            data = self.output[wish.execution_id][wish.start : wish.start + wish.limit]
            self.session.output_sent(wish.execution_id, wish.start + len(data))
            self.to_hub.append((wish.execution_id, wish.start, data))

    @rule(seconds=st.sampled_from([1.0, 11.0]))
    def time_passes(self, seconds: float) -> None:
        """Heartbeats go out."""
        self.clock += seconds
        if self.session:
            self.perform(self.session.tick(moment(self.clock), Readiness()))

    # --- what must hold ----------------------------------------------------------------------------------------------

    @invariant()
    def one_start_for_each_fence(self) -> None:
        """C2."""
        assert all(count == 1 for count in getattr(self, "starts", {}).values())

    @invariant()
    def the_hub_has_a_beginning_of_what_is_here(self) -> None:
        """§3: facts without holes, bytes as they were; nothing acknowledged is lost."""
        for execution_id, facts in getattr(self, "hub_facts", {}).items():
            assert facts == self.spool[execution_id][: len(facts)]
            kinds = [fact.body.kind for fact in facts]
            assert not ("void" in kinds and "started" in kinds)
        for execution_id, stored in getattr(self, "hub_output", {}).items():
            assert self.output[execution_id].startswith(stored)

    def teardown(self) -> None:
        """Healed: everything ends at the hub, whole."""
        if not hasattr(self, "ledger"):
            return
        self.connect()
        for _ in range(300):
            while self.to_hub:
                self.hub_takes(self.to_hub.popleft())
            while self.to_runner and self.session:
                self.perform(self.session.receive(self.to_runner.popleft(), self.clock))
            self.send_output(64)
            if not self.to_hub and not self.to_runner:
                break
        for execution_id, facts in self.spool.items():
            assert self.hub_facts[execution_id] == facts
            assert self.hub_output[execution_id] == self.output[execution_id]


TestSessionPair = Machine.TestCase
TestSessionPair.settings = settings(max_examples=60, stateful_step_count=60, deadline=None)
