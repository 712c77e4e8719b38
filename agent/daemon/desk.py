"""What the hub says, given to whom it concerns, in the step that decoded it (`core.md` D5, D6)."""

import asyncio
import logging
from typing import assert_never

from agent.daemon import output_room
from agent.daemon.handover import hand_over, order_of
from agent.daemon.house import House, shim_stamp
from agent.daemon.keeper import Keeper
from agent.daemon.limiting import keep_limits
from agent.daemon.uplink import DRAINING_BY_HUB
from agent.execution import LocalExecution
from agent.execution_events import CannotStart, ForgetAsked, StopAsked
from agent.folders import StoredOrder
from agent.ledger import Admission
from agent.session_effects import Deliver, HeartbeatAcked
from agent.shim.client import ShimGone, ShimRefused
from agent.wire.messages import Collect, Desired, Drain, Forget, Interrupt, Query, Resumed, SetLimits, Start, Stop
from agent.wire.screens import ShowScreen
from agent.wire.watching import FilesTaken, Watch
from agent.wire.words import OnDisconnect, VoidReason

log = logging.getLogger(__name__)


class Desk:
    """Acts on messages. ``group`` is the daemon's: executions outlive the connection that brought them."""

    def __init__(self, house: House, group: asyncio.TaskGroup) -> None:
        self._house = house
        self._group = group

    def deliver(self, message: Deliver) -> None:  # noqa: C901, PLR0912 - one line a message
        """Act on one message; nothing is awaited before the tables are right."""
        match message.message:
            case Start() as start:
                self._start(start)
            case Query() as query:
                self._ask(query, VoidReason.UNKNOWN)
            case Stop() as stop:
                self._stop(stop)
            case Resumed() as resumed:
                self._resumed(resumed)
            case Interrupt() as interrupt:
                self._interrupt(interrupt)
            case SetLimits() as changed:
                self._set_limits(changed)
            case Collect() as collect:
                self._collect(collect)
            case Forget() as forget:
                self._forget(forget.execution_id)
            case Desired() as desired:
                self._house.builds.want(desired.builds)
            case Drain() as drain:
                self._house.close_for(DRAINING_BY_HUB, on=drain.on)
            case Watch() as page:
                self._house.watching.want(page)
            case FilesTaken() as answer:
                self._house.watching.answered(answer)
            case ShowScreen() as asked:
                self._house.showing.show(asked)
            case _:
                assert_never(message.message)

    def keep(self, value: LocalExecution, order: StoredOrder) -> Keeper:
        """Begin an execution's loop."""
        keeper = Keeper(self._house, value, order)
        self._house.keepers[value.execution_id] = keeper
        self._group.create_task(keeper.run(), name=f"keeper {value.execution_id}")
        return keeper

    def output_safe(self, execution_id: str, safe: int) -> None:
        """The hub stores everything before this offset for good: segments may go, the shim counts them no longer."""
        keeper = self._house.keepers.get(execution_id)
        if keeper is not None:
            keeper.spawn(self._note_safe(keeper, safe), "note safe")

    def heartbeat_acked(self, acked: HeartbeatAcked) -> None:
        """Dead-man deadlines count from the send time of this heartbeat (`core.md` D10)."""
        self._house.heartbeat = acked.sent
        if acked.hub_at is not None:
            self._house.hub_clock.heard(acked.hub_at, acked.sent.boot_ns, self._house.clock.boot_ns())
        for keeper in self._house.keepers.values():
            work = keeper.order.work
            if work is not None and work.on_disconnect is OnDisconnect.STOP and keeper.client is not None:
                keeper.spawn(self._extend(keeper, acked), "extend")

    # --- one message each --------------------------------------------------------------------------------------------

    def _start(self, start: Start) -> None:
        admitted = self._house.ledger.admit(start, self._house.slots)
        log.info("%s ordered: %s", start.execution_id, admitted.admission)
        match admitted.admission:
            case Admission.ENTERED:
                keeper = self._enter(start)
                keeper.spawn(hand_over(keeper, start), "hand over")
            case Admission.REFUSED:
                keeper = self._enter(start)
                keeper.post(CannotStart(reason=admitted.reason, message=admitted.message))
            case Admission.KNOWN:
                return
            case Admission.BURIED:
                log.error("%s was here, was forgotten at the hub's word, and is ordered again", start.execution_id)

    def _enter(self, start: Start) -> Keeper:
        return self.keep(self._house.ledger[start.execution_id], order_of(start, self._house.boot_id))

    def _ask(self, query: Query | Stop, reason: VoidReason) -> None:
        """Of an unknown order the answer is its durable void; a known one answers by the facts that it has."""
        house = self._house
        if not house.ledger.enter_unknown(query.execution_id, query.task_id, query.fence):
            if query.execution_id not in house.ledger:
                log.error("%s was forgotten at the hub's word, and is asked for", query.execution_id)
            return
        order = StoredOrder(
            execution_id=query.execution_id, task_id=query.task_id, fence=query.fence, boot_id=house.boot_id
        )
        keeper = self.keep(house.ledger[query.execution_id], order)
        keeper.post(CannotStart(reason=reason))

    def _stop(self, stop: Stop) -> None:
        keeper = self._house.keepers.get(stop.execution_id)
        if keeper is None:
            self._ask(stop, VoidReason.CANCELED)
        elif stop.fence == keeper.value.fence:
            keeper.post(StopAsked(order=stop.order, at=self._house.clock.now()))

    def _resumed(self, resumed: Resumed) -> None:
        keeper = self._house.keepers.get(resumed.execution_id)
        if keeper is None or resumed.fence != keeper.value.fence:
            return
        if resumed.action == "stop" and resumed.stop is not None:
            keeper.post(StopAsked(order=resumed.stop, at=self._house.clock.now()))
        elif resumed.action == "forget":
            self._forget(resumed.execution_id)

    def _interrupt(self, interrupt: Interrupt) -> None:
        keeper = self._house.keepers.get(interrupt.execution_id)
        if keeper is not None and interrupt.fence == keeper.value.fence:
            keeper.interrupted = True

    def _collect(self, collect: Collect) -> None:
        keeper = self._house.keepers.get(collect.execution_id)
        if keeper is not None and collect.fence == keeper.value.fence:
            self._house.collector.collect_now(keeper)

    def _set_limits(self, changed: SetLimits) -> None:
        keeper = self._house.keepers.get(changed.execution_id)
        if keeper is not None and changed.fence == keeper.value.fence:
            keeper.order = keeper.order.model_copy(update={"limits": changed.limits})
            keeper.spawn(keep_limits(keeper), "limits")

    def _forget(self, execution_id: str) -> None:
        keeper = self._house.keepers.get(execution_id)
        if keeper is not None:
            keeper.post(ForgetAsked())

    async def _note_safe(self, keeper: Keeper, safe: int) -> None:
        keeper.kept.note_safe(safe, self._house.clock.monotonic())
        if keeper.client is not None:
            try:
                await keeper.client.note_safe(safe)
            except (ShimGone, ShimRefused, TimeoutError):
                log.debug("%s: its shim was not told what is safe", keeper.execution_id)
        await output_room.let_go(keeper)

    async def _extend(self, keeper: Keeper, acked: HeartbeatAcked) -> None:
        if keeper.client is None:
            return
        try:
            await keeper.client.extend(shim_stamp(acked.sent))
        except (ShimGone, ShimRefused, TimeoutError):
            log.debug("%s: its deadline was not extended", keeper.execution_id)
