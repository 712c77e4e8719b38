"""The way to the hub: one connection at a time, tried again by the rules of P10.

What happens while there is no session is told by the next one's inventory.
"""

import asyncio
import logging
import math
import random
import ssl
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from agent.daemon.commit_position import CommitPosition
from agent.daemon.connection import Connection
from agent.daemon.telling import ProgressTeller, Tell
from agent.errors import SetupError
from agent.gateway_port import Forward
from agent.link import Address, Backoff, Dial, LinkClosedError, dial, make_nonce, why_unreached
from agent.ports.proxies import Proxy
from agent.progress import Said
from agent.session import Session, Stage
from agent.session_effects import CloseLink, CloseReason, Identity, Joining, Proofs
from agent.wire.condition import Condition
from agent.wire.facts import Fact
from agent.wire.messages import Preparation
from agent.wire.watching import FolderNews

if TYPE_CHECKING:
    from agent.daemon.desk import Desk
    from agent.daemon.house import House

log = logging.getLogger(__name__)
DRAINING_BY_HUB = "draining"
_FINAL_CODES = frozenset({"signature", "unknown", "revoked", "quarantined", "cloned", "origin"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """What every connection of this daemon has in common."""

    address: Address
    identity: Identity
    proofs: Proofs
    tls: ssl.SSLContext | None
    proxy: Proxy | None = None
    dial: Dial = dial


class Uplink:
    """`run` is the daemon's loop; the rest is for the other parts, with or without a session."""

    def __init__(self, way: Way) -> None:
        self.way = way
        self._connection: Connection | None = None
        self._opened = asyncio.Event()
        self._opened_at: float | None = None
        """When the last connection's session was open, by `Clock.monotonic`; None where it never was."""
        self.house: House
        self.desk: Desk
        self.progress = ProgressTeller()
        self.last_problem = "not tried yet"
        """Why there is no session, for `status`."""
        self._linked_since: datetime | None = None

    async def run(self) -> None:
        """Be connected. Raises SetupError when the hub says that trying again is useless."""
        backoff = Backoff(random.SystemRandom().uniform)
        clock = self.house.clock
        while True:
            self._opened_at = None
            end = await self._once()
            self.last_problem = end.message
            if end.final or (end.reason is CloseReason.REJECTED and end.code in _FINAL_CODES):
                raise SetupError(f"the hub will not let this runner in: {end.message}")
            now = clock.monotonic()
            pause_s = backoff.delay_s(now, connected_for_s=self._open_for_s(now), hint_s=end.retry_after_s)
            log.warning("not linked: %s; next attempt in %.1f s", end.message, pause_s)
            await asyncio.sleep(pause_s)

    def _open_for_s(self, now: float) -> float:
        return 0.0 if self._opened_at is None else now - self._opened_at

    async def _once(self) -> CloseLink:
        house, nonce = self.house, make_nonce()
        try:
            join = await asyncio.to_thread(house.home.next_join)
        except OSError as error:
            # A full disk must not end the daemon: without a link it keeps its bots, and tries again (R27).
            return CloseLink(reason=CloseReason.HANDSHAKE, message=f"the home takes no writes: {error.strerror}")
        position = CommitPosition(house.spool)
        store_id, commit_position = await position.read()
        joining = Joining(
            join=join,
            last_epoch=house.home.last_epoch,
            commit_position=commit_position,
            runner_nonce=nonce,
            store_id=store_id,
        )
        try:
            link = await self.way.dial(self.way.address, nonce, self.way.tls, self.way.proxy)
        except (OSError, TimeoutError, LinkClosedError) as error:
            why = why_unreached(error, self.way.address, self.way.proxy)
            hint_s = error.retry_after_s if isinstance(error, LinkClosedError) else None
            return CloseLink(reason=CloseReason.HANDSHAKE, message=why, retry_after_s=hint_s)
        session = Session(self.way.identity, joining, self.way.proofs, house.clock.monotonic())
        self._connection = Connection(self, link, session, position)
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
            self._connection.perform(self._connection.session.news(message))

    def folder_news(self, message: FolderNews) -> bool:
        """A watched folder has something to tell; False where nothing was sent."""
        if self._connection is None or self.forward() is None:
            return False
        self._connection.perform(self._connection.session.news(message))
        return True

    def condition(self, message: Condition) -> None:
        """Desktops, applications or faults changed; the next session is told what is then, so nothing is kept."""
        if self._connection is not None and self.forward() is not None:
            self._connection.perform(self._connection.session.news(message))

    def forgotten(self, execution_id: str) -> None:
        """The execution is gone here."""
        if self._connection is not None:
            self._connection.session.forgotten(execution_id)

    def note_progress(self, execution_id: str, percent: float | None, text: str) -> None:
        """The bot says how far it has come."""
        said = Said(execution_id=execution_id, percent=percent, text=text, at=self.house.clock.now())
        self.progress.note(self.house, said, self.tell)
        if self._connection is not None and not math.isinf(self.progress.due_at()):
            self._connection.progress_waits()

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
            base_url=self.way.address.origin,
            ticket=connection.session.welcome.ticket,
            epoch=connection.session.epoch,
            ssl_context=self.way.tls,
            proxy=self.way.proxy,
        )

    @property
    def linked_since(self) -> datetime | None:
        """When the session opened, by the wall clock; None while none is open."""
        return self._linked_since if self.forward() is not None else None

    @property
    def protocol(self) -> int | None:
        """The version that was agreed on; None while no session is open."""
        connection = self._connection
        if self.forward() is None or connection is None or connection.session.welcome is None:
            return None
        return connection.session.welcome.protocol

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

    def welcomed(self) -> None:
        """The hub has let this runner in; whether to drain is said anew in each session."""
        self.house.close_for(DRAINING_BY_HUB, on=False)

    def opened(self) -> None:
        """A session is open."""
        self.last_problem = ""
        self._opened_at = self.house.clock.monotonic()
        self._linked_since = self.house.clock.now()
        self._opened.set()
        if self.house.condition is not None:
            self.condition(self.house.condition)  # before any slot is offered: credits are known by their desktops
        self.progress.again(self.house, self.tell)
        self.house.watching.opened()
