"""The way to the hub: one connection at a time, tried again by the rules of P10; a session's effects are done here.

One task reads and never waits for anything slow, one writes: messages first, output when none waits, so that an exit
never stands behind data (`core.md` §3). What happens while there is no session is told by the next one's inventory.
"""

import asyncio
import logging
import random
import ssl
from collections import deque
from collections.abc import Coroutine, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, assert_never

from agent.daemon.telling import ProgressTeller, Tell
from agent.errors import SetupError
from agent.execution import Phase
from agent.gateway_port import Forward
from agent.link import Address, Backoff, Link, LinkClosedError, dial, make_nonce, why_unreached
from agent.ports.proxies import Proxy
from agent.progress import Said
from agent.session import Session, Stage
from agent.session_effects import (
    CloseLink,
    CloseReason,
    Deliver,
    Effect,
    FactsAcked,
    HeartbeatAcked,
    Identity,
    Joining,
    Opened,
    OutputSafe,
    OutputWish,
    Proofs,
    ReadFacts,
    Send,
    StoreEpoch,
    TakeInventory,
    WakeOutput,
)
from agent.spool import SpoolFullError
from agent.wire.codec import ProtocolError, decode_to_runner, encode, encode_output
from agent.wire.facts import Fact
from agent.wire.messages import Held, Hello, Preparation, Progress, ToHub, ToRunner

if TYPE_CHECKING:
    from agent.daemon.desk import Desk
    from agent.daemon.house import House

log = logging.getLogger(__name__)
_TICK_S = 1.0
DRAINING_BY_HUB = "draining"
_COMMIT_POSITION = "commit_position"
_FINAL_CODES = frozenset({"signature", "unknown", "revoked", "quarantined", "cloned", "origin"})


class _EndedError(Exception):
    """The session closed its connection."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """What every connection of this daemon has in common."""

    address: Address
    identity: Identity
    proofs: Proofs
    tls: ssl.SSLContext | None
    proxy: Proxy | None = None


class Uplink:
    """`run` is the daemon's loop; the rest is for the other parts, with or without a session."""

    def __init__(self, way: Way) -> None:
        self._way = way
        self._connection: Connection | None = None
        self._opened = asyncio.Event()
        self.house: House
        self.desk: Desk
        self.progress = ProgressTeller()
        self.last_problem = "not tried yet"
        """Why there is no session, for `status`."""

    async def run(self) -> None:
        """Be connected. Raises SetupError when the hub says that trying again is useless."""
        backoff = Backoff(random.SystemRandom().uniform)
        clock = self.house.clock
        while True:
            began = clock.monotonic()
            end = await self._once()
            self.last_problem = end.message
            if end.final or (end.reason is CloseReason.REJECTED and end.code in _FINAL_CODES):
                raise SetupError(f"the hub will not let this runner in: {end.message}")
            now = clock.monotonic()
            pause_s = backoff.delay_s(now, connected_for_s=now - began, hint_s=end.retry_after_s)
            log.warning("not linked: %s; next attempt in %.1f s", end.message, pause_s)
            await asyncio.sleep(pause_s)

    async def _once(self) -> CloseLink:
        house, nonce = self.house, make_nonce()
        try:
            join = await asyncio.to_thread(house.home.next_join)
        except OSError as error:
            # A full disk must not end the daemon: without a link it keeps its bots, and tries again (R27).
            return CloseLink(reason=CloseReason.HANDSHAKE, message=f"the home takes no writes: {error.strerror}")
        joining = Joining(
            join=join,
            last_epoch=house.home.last_epoch,
            commit_position=await house.spool.note(_COMMIT_POSITION),
            runner_nonce=nonce,
        )
        try:
            link = await dial(self._way.address, nonce, self._way.tls, self._way.proxy)
        except (OSError, TimeoutError, LinkClosedError) as error:
            why = why_unreached(error, self._way.address, self._way.proxy)
            return CloseLink(reason=CloseReason.HANDSHAKE, message=why)
        session = Session(self._way.identity, joining, self._way.proofs, house.clock.monotonic())
        self._connection = Connection(self, link, session)
        try:
            return await self._connection.run()
        finally:
            self._connection = None
            self._opened.clear()

    # --- for the other parts -----------------------------------------------------------------------------------------

    def fact_spooled(self, fact: Fact) -> None:
        """A fact is durable here."""
        if self._connection is not None:
            self._connection.perform(self._connection.session.fact_spooled(fact))

    def output_available(self, execution_id: str, total: int) -> None:
        """The execution's output is `total` bytes long by now."""
        keeper = self.house.keepers.get(execution_id)
        if keeper is not None:
            keeper.available = max(keeper.available, total)
        if self._connection is not None:
            self._connection.session.output_available(execution_id, total)
            self._connection.wake.set()

    def slots_changed(self) -> None:
        """Some slot has become free, or is no longer."""
        if self._connection is not None:
            self._connection.offer_slots()

    def preparation(self, message: Preparation) -> None:
        """A build came a step further."""
        if self._connection is not None:
            self._connection.perform(self._connection.session.preparation(message))

    def forgotten(self, execution_id: str) -> None:
        """The execution is gone here."""
        if self._connection is not None:
            self._connection.session.forgotten(execution_id)

    def note_progress(self, execution_id: str, percent: float | None, text: str) -> None:
        """The bot says how far it has come."""
        said = Said(execution_id=execution_id, percent=percent, text=text, at=self.house.clock.now())
        self.progress.note(self.house, said, self.tell)

    def progress_ended(self, execution_id: str) -> None:
        """Its last word is said."""
        self.progress.ended(self.house, execution_id, self.tell)

    @property
    def tell(self) -> Tell | None:
        """Sends words that nobody acknowledges; None while no session is open."""
        return self._connection.tell if self._connection is not None and self.forward() is not None else None

    def forward(self) -> Forward | None:
        """The open session, for calls by HTTPS."""
        connection = self._connection
        if connection is None or connection.session.stage is not Stage.OPEN or connection.session.welcome is None:
            return None
        return Forward(
            base_url=self._way.address.origin,
            ticket=connection.session.welcome.ticket,
            epoch=connection.session.epoch,
            ssl_context=self._way.tls,
            proxy=self._way.proxy,
        )

    async def wait_forward(self, not_epoch: int = 0) -> Forward:
        """Wait until a session is open whose epoch is not `not_epoch`."""
        while True:
            way = self.forward()
            if way is not None and way.epoch != not_epoch:
                return way
            self._opened.clear()
            await self._opened.wait()

    async def flush(self) -> None:
        """Return when every message that waits has been given to the link."""
        while self._connection is not None and self._connection.has_waiting:  # noqa: ASYNC110 - at the end only
            await asyncio.sleep(0.01)

    def opened(self) -> None:
        """A session is open."""
        self.last_problem = ""
        self._opened.set()
        self.progress.again(self.house, self.tell)


class Connection:
    """One connection and its session."""

    def __init__(self, uplink: Uplink, link: Link, session: Session) -> None:
        self.session = session
        self.wake = asyncio.Event()
        """There may be something to send."""
        self._uplink = uplink
        self._house = uplink.house
        self._link = link
        self._waiting: deque[ToHub | Hello] = deque()
        self._end: CloseLink | None = None
        self._position = 0
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
            message = self._decode(frame)
            for effect in self.session.receive(message, self._house.clock.monotonic()):
                await self._receive(effect)

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
            case TakeInventory():
                # Whether to drain is said anew in each session.
                self._house.close_for(DRAINING_BY_HUB, on=False)
                self.perform(self.session.inventory(self._held(), self._house.builds.prepared()))
            case _:
                self.perform([effect])

    async def _store_epoch(self, epoch: int) -> None:
        """Durable before the first frame of the epoch (`core.md` D5), or there is none."""
        try:
            await asyncio.to_thread(self._house.home.store_epoch, epoch)
        except OSError as error:
            why = f"the home takes no writes: {error.strerror}"
            raise self._ended_by(CloseLink(reason=CloseReason.HANDSHAKE, message=why)) from error

    def _held(self) -> list[Held]:
        return [keeper.value.held(keeper.available) for keeper in self._house.keepers.values()]

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
        if position > self._position:
            self._position = position
            self._beside(self._keep_position(position))

    async def _keep_position(self, position: int) -> None:
        # On a full disk the next higher one is kept: it only says less until then.
        with suppress(SpoolFullError):
            await self._house.spool.keep_note(_COMMIT_POSITION, position)

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

    # --- out ---------------------------------------------------------------------------------------------------------

    async def _write(self) -> None:
        while True:
            self.wake.clear()
            if self._waiting:
                await self._link.send(encode(self._waiting[0]))
                self._waiting.popleft()
                continue
            wish = self.session.next_output()
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
            self.session.output_missing(wish.execution_id)
            return
        # Gaps wait among the messages, which go before the next output.
        for gap in batch.gaps:
            self.perform(self.session.output_gap(wish.execution_id, gap))
        # Counted before it is sent: a rewind that comes meanwhile must not be undone.
        self.session.output_sent(wish.execution_id, batch.next_offset)
        if batch.chunks:
            await self._link.send(encode_output(wish.execution_id, batch.start, batch.chunks))
        elif batch.next_offset == wish.start:
            self.session.output_missing(wish.execution_id)

    async def _tick(self) -> None:
        while True:
            self.perform(self.session.tick(self._house.moment(), self._house.readiness()))
            self._uplink.progress.due(self._house, self._uplink.tell)
            await asyncio.sleep(_TICK_S)
