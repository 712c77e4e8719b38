"""Sessions of one runner over channels that drop, repeat and reorder between connections (style §2.10).

A scripted hub, a spool, a ledger and executions stand at their ends; each connection is a fresh `Session`. What was on
its way when one ended is lost, or comes again on the next. Invariants: one start per fence, nothing acknowledged is
lost, what the hub has of facts and output is always a beginning of what the runner has, one order for each credit, and
what a complete resume lacked never starts (`core.md` D1, D2, D5, D8, §3).
"""

from collections import defaultdict, deque
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from agent.execution import Phase, apply
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
from agent.wire.facts import ExitFact, Fact, FinalFact, ReportFact, VoidFact
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
        self.used: set[tuple[int, int, int]] = set()
        self.held: set[str] = set()
        self.absent: set[str] = set()
        self.connect()
        self.exchange(20)

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
                if admitted.admission is Admission.ENTERED:
                    permit = message.permit
                    credit = (permit.epoch, permit.slot, permit.generation)
                    assert credit not in self.used, "a credit was good for two orders"
                    self.used.add(credit)
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
        self.held = set()

    # --- what happens ------------------------------------------------------------------------------------------------

    @rule(action=st.sampled_from(["exchange"] * 8 + ["cut", "kill"]), count=st.integers(1, 30))
    def wire(self, action: str, count: int) -> None:
        """Frames arrive on both sides; now and then the link breaks, or the daemon dies; then it connects again."""
        if action == "cut":
            self.cut()
        elif action == "kill":
            self.kill_daemon()
        elif self.session is None:
            self.connect()
        else:
            self.exchange(count)

    def connect(self) -> None:
        """A new connection and its handshake, up to the end of the inventory."""
        self.epoch += 1
        self.session = new_session(join=self.epoch, last_epoch=self.epoch - 1)
        self.perform(self.session.receive(challenge(), self.clock))
        assert isinstance(self.to_hub.popleft(), Hello)
        self.perform(self.session.receive(welcome(self.epoch), self.clock))

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

    def exchange(self, count: int) -> None:
        """Frames arrive on both sides, in order."""
        for _ in range(count):
            if self.to_hub:
                self.hub_takes(self.to_hub.popleft())
            if self.to_runner and self.session is not None:
                self.perform(self.session.receive(self.to_runner.popleft(), self.clock))

    def hub_takes(self, message: Any) -> None:
        """What a hub does: keep, then acknowledge."""
        match message:
            case Held(execution_id=execution_id, fence=fence):
                self.held.add(execution_id)
                facts = self.hub_facts[execution_id]
                last = facts[-1].body if facts else None
                stored = len(self.hub_output[execution_id])
                done = isinstance(last, VoidFact) or (isinstance(last, FinalFact) and last.output_bytes == stored)
                self.to_runner.append(
                    Resumed(
                        execution_id=execution_id,
                        fence=fence,
                        action="forget" if done else "continue",
                        fact=len(facts),
                        have=stored,
                    )
                )
            case ResumeEnd():
                # Valid absence (D8): what an earlier epoch permitted and is not held will never start.
                old = {one.execution_id for one in self.granted.values() if one.permit.epoch < self.epoch}
                self.absent |= {one for one in old - self.held if not self.hub_facts[one]}
                self.held = set()
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

    @rule(
        action=st.sampled_from(["grant"] * 5 + ["replay"] * 3 + ["repeat", "ask"]), same=st.booleans(), data=st.data()
    )
    def hub_does(self, action: str, same: bool, data: st.DataObject) -> None:
        """The hub grants, asks, repeats itself; frames of an earlier connection come again (R45)."""
        if self.session is None or self.session.stage is not Stage.OPEN:
            return
        old = [frame for frame in self.old_frames if isinstance(frame, (Start, Query))]
        if action == "replay" and old:
            self.to_runner.append(data.draw(st.sampled_from(old)))
        elif action in {"ask", "repeat"} and self.granted:
            order = data.draw(st.sampled_from(list(self.granted.values())))
            self.ask_or_repeat(order, again=action == "repeat" and order.execution_id not in self.absent)
        elif self.credits:
            self.grant(same_task=same)

    def grant(self, *, same_task: bool) -> None:
        """Use up a credit."""
        _, credit = self.credits.popitem()
        self.orders += 1
        permit = Permit(epoch=self.epoch, slot=credit.slot, generation=credit.generation, stamp=credit.stamp)
        task = 1 if same_task else self.orders
        order = Start(execution_id=exe(self.orders), task_id=tsk(task), fence=self.orders, permit=permit, work=work())
        self.granted[order.execution_id] = order
        self.to_runner.append(order)

    def ask_or_repeat(self, order: Start, *, again: bool) -> None:
        """Ask what became of an order, or send it a second time, on a credit that is free now."""
        question = Query(execution_id=order.execution_id, task_id=order.task_id, fence=order.fence)
        if not again or not self.credits:
            self.to_runner.append(question)
            return
        slot = min(self.credits)
        credit = self.credits.pop(slot)
        permit = Permit(epoch=self.epoch, slot=credit.slot, generation=credit.generation, stamp=credit.stamp)
        self.to_runner.append(order.model_copy(update={"permit": permit}))

    @rule(
        data=st.data(), action=st.sampled_from(["print"] * 4 + ["report", "end", "void"]), size=st.integers(1, 90_000)
    )
    def bot_does(self, data: st.DataObject, action: str, size: int) -> None:
        """Some execution comes a step further."""
        living = [one for one in self.ledger.all() if one.phase not in {Phase.VOID, Phase.FINAL}]
        if not living:
            return
        one = data.draw(st.sampled_from(living))
        match one.phase:
            case Phase.ORDERED:
                self.happen(one.execution_id, HandedOver())
            case Phase.HANDED_OVER if action == "void":
                self.happen(one.execution_id, Voided(at=AT, reason=VoidReason.STALE))
            case Phase.HANDED_OVER:
                assert one.execution_id not in self.absent, "the hub was told that it is not here"
                self.starts[one.task_id, one.fence] += 1
                self.happen(one.execution_id, Started(at=AT))
            case Phase.STARTED if action == "print":
                self.print_something(one.execution_id, size)
            case Phase.STARTED if action == "report":
                self.happen(one.execution_id, Reported(report=ReportFact(at=AT, status=ReportStatus.SUCCEEDED)))
            case Phase.STARTED:
                self.happen(one.execution_id, Exited(exit=ExitFact(at=AT, how=ExitKind.NORMAL, code=0)))
            case _:
                length = len(self.output[one.execution_id])
                self.happen(one.execution_id, Concluded(final=FinalFact(at=AT, output_bytes=length)))

    def print_something(self, execution_id: str, size: int) -> None:
        """The bot writes."""
        known = self.output[execution_id]
        self.output[execution_id] = known + bytes([len(known) % 251]) * size
        if self.session:
            self.session.output_available(execution_id, len(self.output[execution_id]))

    @rule(count=st.integers(1, 30), seconds=st.sampled_from([0.0, 1.0, 11.0]))
    def time_passes(self, count: int, seconds: float) -> None:
        """The writer has time; heartbeats go out."""
        self.clock += seconds
        if self.session:
            self.perform(self.session.tick(moment(self.clock), Readiness()))
        self.send_output(count)

    def send_output(self, count: int) -> None:
        """As the writer does."""
        for _ in range(count):
            wish = self.session.next_output() if self.session else None
            if wish is None or self.session is None:
                return
            data = self.output[wish.execution_id][wish.start : wish.start + wish.limit]
            self.session.output_sent(wish.execution_id, wish.start + len(data))
            self.to_hub.append((wish.execution_id, wish.start, data))

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
        self.cut()
        self.connect()
        for _ in range(1000):
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
TestSessionPair.settings = settings(max_examples=150, stateful_step_count=80, deadline=None, print_blob=False)
