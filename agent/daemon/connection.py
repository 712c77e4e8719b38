"""One connection to the hub, and what its session wants done.

One task reads and never waits for anything slow, one writes: messages first, output when none waits, so that an exit
never stands behind data (`core.md` §3).
"""

import asyncio
import logging
from collections import deque
from collections.abc import Coroutine, Iterable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, assert_never

from agent.daemon.commit_position import CommitPosition
from agent.daemon.inventory import held_by, stones_of
from agent.execution import Phase
from agent.link import Link, LinkClosedError
from agent.pace import Pace
from agent.session import Session
from agent.session_effects import (
    CloseLink,
    CloseReason,
    Deliver,
    Effect,
    FactsAcked,
    HeartbeatAcked,
    Opened,
    OutputSafe,
    OutputWish,
    ReadFacts,
    Send,
    StoreEpoch,
    TakeInventory,
    WakeOutput,
)
from agent.wire.codec import ProtocolError, decode_to_runner, encode, encode_output
from agent.wire.messages import Forget, Hello, OutputAck, OutputRewind, Progress, ToHub, ToRunner

if TYPE_CHECKING:
    from agent.daemon.uplink import Uplink

log = logging.getLogger(__name__)


class _EndedError(Exception):
    """The session closed its connection."""


class Connection:
    """One connection and its session."""

    def __init__(self, uplink: "Uplink", link: Link, session: Session, position: CommitPosition) -> None:
        self.session = session
        self.wake = asyncio.Event()
        """There may be something to send."""
        self._due_changed = asyncio.Event()
        self._uplink = uplink
        self._house = uplink.house
        self._link = link
        self._waiting: deque[ToHub | Hello] = deque()
        self._end: CloseLink | None = None
        self._position = position
        self._pace = Pace()
        self._group: asyncio.TaskGroup | None = None

    @property
    def has_waiting(self) -> bool:
        """Whether messages wait to be sent."""
        return bool(self._waiting)

    async def run(self) -> CloseLink:
        """Live until the link or the session ends; return how."""
        closed: LinkClosedError | None = None
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                group.create_task(self._read(), name="link reader")
                group.create_task(self._write(), name="link writer")
                group.create_task(self._tick(), name="link ticker")
        except* _EndedError:
            pass
        except* LinkClosedError as errors:
            closed = next(error for error in errors.exceptions if isinstance(error, LinkClosedError))
        finally:
            end = self._end or CloseLink(reason=CloseReason.SILENCE, message=str(closed) if closed else "stopping")
            await self._link.close(end.message)
        return end

    # --- in ----------------------------------------------------------------------------------------------------------

    async def _read(self) -> None:
        while True:
            frame = await self._link.receive()
            message, stage = self._decode(frame), self.session.stage
            self._note_pace(message)
            for effect in self.session.receive(message, self._house.clock.monotonic()):
                await self._receive(effect)
            if self.session.stage is not stage:
                self._due_changed.set()

    def _note_pace(self, message: ToRunner) -> None:
        match message:
            case OutputAck(execution_id=execution_id, have=have):
                self._pace.acked(execution_id, have, self._house.clock.monotonic())
            case OutputRewind() | Forget():
                self._pace.given_up()
            case _:
                pass

    def _decode(self, frame: str | bytes) -> ToRunner:
        try:
            if isinstance(frame, str):
                return decode_to_runner(frame)
            fault = "a binary frame"
        except ProtocolError as error:
            fault = str(error)
        raise self._ended_by(CloseLink(reason=CloseReason.PROTOCOL, message=fault))

    async def _receive(self, effect: Effect) -> None:
        match effect:
            case StoreEpoch(epoch=epoch):
                await self._store_epoch(epoch)
            case TakeInventory(welcome=welcome):
                self._uplink.welcomed()
                stones = stones_of(self._house) if welcome.show_buried else None
                self.perform(self.session.inventory(held_by(self._house), self._house.builds.prepared(), stones))
            case _:
                self.perform([effect])

    async def _store_epoch(self, epoch: int) -> None:
        """Durable before the first frame of the epoch (`core.md` D5), or there is none."""
        try:
            await asyncio.to_thread(self._house.home.store_epoch, epoch)
        except OSError as error:
            why = f"the home takes no writes: {error.strerror}"
            raise self._ended_by(CloseLink(reason=CloseReason.HANDSHAKE, message=why)) from error

    def progress_waits(self) -> None:
        """A word was said that is to be told a little later."""
        self._due_changed.set()

    def tell(self, words: Sequence[Progress]) -> None:
        """Send words that nobody acknowledges."""
        self.perform(Send(message=word) for word in words)

    def perform(self, effects: Iterable[Effect]) -> None:
        """Do what the session says, in order, without waiting."""
        for effect in effects:
            self._perform(effect)

    def _perform(self, effect: Effect) -> None:  # noqa: C901, PLR0912 - one line an effect
        desk = self._uplink.desk
        match effect:
            case Send(message=message):
                self._waiting.append(message)
                self.wake.set()
            case Deliver():
                desk.deliver(effect)
            case ReadFacts():
                self._beside(self._read_facts(effect))
            case OutputSafe(execution_id=execution_id, safe=safe):
                desk.output_safe(execution_id, safe)
            case HeartbeatAcked():
                desk.heartbeat_acked(effect)
                self._note_position(effect.commit_position)
            case Opened():
                log.info("linked, session %d", self.session.epoch)
                self._uplink.opened()
                self.offer_slots()
            case WakeOutput():
                self.wake.set()
            case FactsAcked():
                pass
            case CloseLink():
                raise self._ended_by(effect)
            case StoreEpoch() | TakeInventory():
                raise AssertionError("only the reader may perform these")
            case _:
                assert_never(effect)

    def _ended_by(self, end: CloseLink) -> _EndedError:
        self._end = end
        return _EndedError()

    def _beside(self, work: Coroutine[Any, Any, None]) -> None:
        assert self._group is not None
        self._group.create_task(work)

    def _note_position(self, position: int) -> None:
        """Keep the highest commit position (`core.md` D8); one write for each time that it grew."""
        store_id = self.session.welcome.store_id if self.session.welcome else ""
        if self._position.is_news(store_id, position):
            self._beside(self._position.keep(store_id, position))

    async def _read_facts(self, effect: ReadFacts) -> None:
        facts = await self._house.spool.read(effect.execution_id, effect.wish.after, effect.wish.limit)
        self.perform(self.session.facts_read(effect.execution_id, facts))

    def offer_slots(self) -> None:
        """Tell which slots are free, and which are no longer."""
        slots, stamp = self._house.slots, self._house.stamp()
        for slot in slots.free():
            self.perform(self.session.slot_free(slot.number, slot.generation, stamp))
        for slot in slots.busy():
            self.perform(self.session.slot_busy(slot.number, slot.generation, slots.closed_because or "not ready"))
        self.perform(self.session.changed(self._house.moment(), self._house.readiness()))

    # --- out ---------------------------------------------------------------------------------------------------------

    async def _write(self) -> None:
        while True:
            self.wake.clear()
            if self._waiting:
                await self._link.send(encode(self._waiting[0]))
                self._waiting.popleft()
                continue
            wish = self.session.next_output(self._pace.window_bytes)
            if wish is None:
                await self.wake.wait()
            else:
                await self._send_output(wish)

    async def _send_output(self, wish: OutputWish) -> None:
        keeper = self._house.keepers.get(wish.execution_id)
        if keeper is None:
            self.session.forgotten(wish.execution_id)
            return
        try:
            batch = keeper.output.read(wish.start, wish.limit, is_writer_alive=keeper.value.phase is Phase.STARTED)
        except OSError as error:
            # A bot of our own user can spoil its own output; that must not cost the others their daemon.
            log.error("%s: its output cannot be read: %s", wish.execution_id, error)  # noqa: TRY400
            self.perform(self.session.output_missing(wish.execution_id))
            return
        # Gaps wait among the messages, which go before the next output.
        for gap in batch.gaps:
            self.perform(self.session.output_gap(wish.execution_id, gap))
        # Counted before it is sent: a rewind that comes meanwhile must not be undone.
        self.session.output_sent(wish.execution_id, batch.next_offset)
        if batch.chunks:
            now = self._house.clock.monotonic()
            self._pace.sent(wish.execution_id, batch.next_offset, self.session.under_way(wish.execution_id), now)
            await self._link.send(encode_output(wish.execution_id, batch.start, batch.chunks))
        elif batch.next_offset == wish.start:
            self.perform(self.session.output_missing(wish.execution_id, keeper.value.output_bytes))

    async def _tick(self) -> None:
        """Do what time brings, and sleep until there is more: nothing polls."""
        clock = self._house.clock
        while True:
            moment = self._house.moment()
            self.session.heard(moment.monotonic - self._link.silent_s())
            self.perform(self.session.tick(moment, self._house.readiness()))
            self._uplink.progress.due(self._house, self._uplink.tell)
            due_at = self.session.due_at()
            if self._uplink.tell is not None:
                due_at = min(due_at, self._uplink.progress.due_at())
            self._due_changed.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(due_at - clock.monotonic()):
                    await self._due_changed.wait()
