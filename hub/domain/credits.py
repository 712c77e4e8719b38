"""Slot credits: leave to start, held in memory for as long as the session that gave it lives (core.md D2, D4, D7).

A credit is (session epoch, slot, generation, stamp). It is never stored, and it dies with the connection, with the
daemon, with use, and with a reboot. The book answers one question: is there, right now, a fit runner with a free slot
on which this build is prepared? It decides nothing about running twice; the runner and its shim do (D1, D3).

A slot's life here::

    unknown --SlotFree--> free --take--> taken --SlotFree of a higher generation--> free
                           ^  <--put_back--'
                           '--SlotBusy--> unknown

The book is used on the event loop only.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from agent.wire.messages import Stamp
from agent.wire.words import VoidReason
from hub.domain.placement import fits

FRESH_S = 25.0
"""A credit not renewed for this long is not given out: it would be too old at the shim (limit 30 s, core.md D3)."""

STALE_IN_A_ROW = 3
STALE_PAUSE_S = 60.0
"""After this many orders in a row that came too late, the runner gets none for this long (core.md D7)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credit:
    """One slot of one session, taken for one grant; what the session could serve at that moment goes with it."""

    workspace_id: str
    runner_id: str
    epoch: int
    slot: int
    generation: int
    stamp: Stamp
    labels: Mapping[str, str]
    builds: frozenset[str]
    """Builds prepared there and not withheld: the only ones that this credit counts for."""


class Mend(StrEnum):
    """What ends the withholding of a credit (core.md D7)."""

    STAMP = "stamp"
    PREPARED = "prepared"


@dataclass(slots=True, kw_only=True)
class _Slot:
    generation: int
    stamp: Stamp
    received_s: float
    is_taken: bool = False


@dataclass(slots=True, kw_only=True)
class _Session:
    """What one live session offers."""

    workspace_id: str
    runner_id: str
    epoch: int
    labels: Mapping[str, str]
    is_open: bool = False
    is_ready: bool = True
    unfit: tuple[str, ...] = ()
    is_draining: bool = False
    builds: set[str] = field(default_factory=set)
    slots: dict[int, _Slot] = field(default_factory=dict)
    withheld: dict[str, Mend] = field(default_factory=dict)
    waits_for_stamp: bool = False
    stale_in_a_row: int = 0
    paused_until_s: float = 0.0

    def serves(self, build_id: str) -> bool:
        return build_id in self.builds and build_id not in self.withheld

    def is_giving(self, now_s: float) -> bool:
        """Whether any slot of it may be given out at all."""
        usable = self.is_open and self.is_ready and not self.is_draining and not self.waits_for_stamp
        return usable and now_s >= self.paused_until_s

    def free_slots(self, now_s: float) -> Iterator[tuple[int, _Slot]]:
        if not self.is_giving(now_s):
            return
        for number, slot in self.slots.items():
            if not slot.is_taken and now_s - slot.received_s <= FRESH_S:
                yield number, slot

    def credit(self, number: int) -> Credit:
        slot = self.slots[number]
        slot.is_taken = True
        return Credit(
            workspace_id=self.workspace_id,
            runner_id=self.runner_id,
            epoch=self.epoch,
            slot=number,
            generation=slot.generation,
            stamp=slot.stamp,
            labels=self.labels,
            builds=frozenset(self.builds.difference(self.withheld)),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """One live session as `waiting` sees it: what it serves and how busy it is."""

    runner_id: str
    builds: frozenset[str]
    withheld: frozenset[str]
    free: int
    is_draining: bool
    is_ready: bool
    is_paused: bool
    unfit: tuple[str, ...] = ()
    """Why it is not ready, in its own words."""


class CreditBook:
    """All credits of the sessions that live in this process."""

    def __init__(self, elapsed_s: Callable[[], float]) -> None:
        self._elapsed_s = elapsed_s
        self._sessions: dict[str, _Session] = {}

    # --- sessions ---

    def open_session(self, workspace_id: str, runner_id: str, epoch: int, labels: Mapping[str, str]) -> None:
        """Begin a session; what an older one offered is gone. Nothing is given out before `resumed`."""
        self._sessions[runner_id] = _Session(workspace_id=workspace_id, runner_id=runner_id, epoch=epoch, labels=labels)

    def resumed(self, runner_id: str, epoch: int, builds: Collection[str], *, draining: bool = False) -> None:
        """The inventory is complete and the hub answered it: from now on its credits count."""
        session = self._live(runner_id, epoch)
        if session is not None:
            session.is_open = True
            session.is_draining = draining
            session.builds = set(builds)

    def is_resumed(self, runner_id: str, epoch: int) -> bool:
        """Whether this session's inventory was answered; before that it is sent nothing but the answers."""
        session = self._live(runner_id, epoch)
        return session is not None and session.is_open

    def drop_session(self, runner_id: str, epoch: int) -> None:
        """The session ended; its credits are void (D2)."""
        if self._live(runner_id, epoch) is not None:
            del self._sessions[runner_id]

    def drain(self, runner_id: str, *, on: bool) -> None:
        """Give out no slot of this runner, or do so again."""
        session = self._sessions.get(runner_id)
        if session is not None:
            session.is_draining = on

    # --- what the runner says ---

    def slot_free(self, runner_id: str, epoch: int, slot: int, generation: int, stamp: Stamp) -> bool:
        """A credit arrives. False when it says nothing new: another epoch, or a slot whose order is under way."""
        session = self._live(runner_id, epoch)
        if session is None:
            return False
        known = session.slots.get(slot)
        if known is not None and (generation < known.generation or (generation == known.generation and known.is_taken)):
            return False
        session.slots[slot] = _Slot(generation=generation, stamp=stamp, received_s=self._elapsed_s())
        return True

    def slot_busy(self, runner_id: str, epoch: int, slot: int, generation: int) -> None:
        """The runner takes a credit back; one that was taken already is decided by its order's answer."""
        session = self._live(runner_id, epoch)
        known = session.slots.get(slot) if session else None
        if session and known and not known.is_taken and known.generation <= generation:
            del session.slots[slot]

    def renew(
        self, runner_id: str, epoch: int, stamp: Stamp, *, ready: bool = True, unfit: tuple[str, ...] = ()
    ) -> bool:
        """One stamp for all slots (a heartbeat). True when credits can be given out that could not before."""
        session = self._live(runner_id, epoch)
        if session is None:
            return False
        now_s = self._elapsed_s()
        gave = session.is_giving(now_s)
        if session.paused_until_s and now_s >= session.paused_until_s:
            session.paused_until_s = 0.0
            gave = False
        session.is_ready, session.unfit = ready, unfit
        session.waits_for_stamp = False
        for build_id in [known for known, mend in session.withheld.items() if mend is Mend.STAMP]:
            del session.withheld[build_id]
            gave = False
        for slot in session.slots.values():
            slot.stamp = stamp
            slot.received_s = now_s
        return session.is_giving(now_s) and not gave

    def prepared(self, runner_id: str, epoch: int, build_id: str) -> None:
        """A build is ready there; a credit withheld for want of it counts again."""
        session = self._live(runner_id, epoch)
        if session is not None:
            session.builds.add(build_id)
            session.withheld.pop(build_id, None)

    def unprepared(self, runner_id: str, epoch: int, build_id: str) -> None:
        """A build is not, or no longer, ready there."""
        session = self._live(runner_id, epoch)
        if session is not None:
            session.builds.discard(build_id)

    # --- D7: orders that could not run ---

    def withhold(self, runner_id: str, build_id: str, until: Mend) -> None:
        """Give out no credit of this runner for this build until the mend."""
        session = self._sessions.get(runner_id)
        if session is not None:
            session.withheld[build_id] = until

    def voided(self, runner_id: str, epoch: int, build_id: str, reason: VoidReason) -> bool:
        """An order came back void. True when it was the third stale one in a row: pause, and a person should look."""
        session = self._live(runner_id, epoch)
        if session is None:
            return False
        match reason:
            case VoidReason.STALE:
                return self._came_too_late(session)
            case VoidReason.BUILD_GONE:
                session.builds.discard(build_id)
                session.withheld[build_id] = Mend.PREPARED
            case VoidReason.UNFIT:
                session.withheld[build_id] = Mend.STAMP
            case VoidReason.NO_SLOT | VoidReason.SHIM_GONE:
                session.waits_for_stamp = True
            case VoidReason.CANCELED | VoidReason.DAEMON_RESTARTED | VoidReason.UNKNOWN | VoidReason.OLD_FENCE:
                pass
        return False

    def started(self, runner_id: str, epoch: int) -> None:
        """An order ran: the row of stale ones is broken."""
        session = self._live(runner_id, epoch)
        if session is not None:
            session.stale_in_a_row = 0

    def _came_too_late(self, session: _Session) -> bool:
        session.waits_for_stamp = True
        session.stale_in_a_row += 1
        if session.stale_in_a_row < STALE_IN_A_ROW:
            return False
        session.stale_in_a_row = 0
        session.paused_until_s = self._elapsed_s() + STALE_PAUSE_S
        return True

    # --- taking ---

    def take(self, workspace_id: str, needs: Mapping[str, str], build_id: str) -> Credit | None:
        """A credit for this need, from the fit runner with most free slots, or None. It is out until put back."""
        now_s = self._elapsed_s()
        best: tuple[int, _Session, int] | None = None
        for session in self._sessions.values():
            if session.workspace_id != workspace_id or not session.serves(build_id) or not fits(session.labels, needs):
                continue
            free = [number for number, _ in session.free_slots(now_s)]
            if free and (best is None or len(free) > best[0]):
                best = (len(free), session, free[0])
        return None if best is None else best[1].credit(best[2])

    def take_any(self, workspace_id: str, passed_over: Collection[tuple[str, int]] = ()) -> Credit | None:
        """Any free credit of the workspace but for the (runner, slot) pairs `passed_over`."""
        now_s = self._elapsed_s()
        for session in self._sessions.values():
            if session.workspace_id != workspace_id:
                continue
            for number, _ in session.free_slots(now_s):
                if (session.runner_id, number) not in passed_over:
                    return session.credit(number)
        return None

    def put_back(self, credit: Credit) -> None:
        """Undo a take: the grant did not happen. One of an ended session, or of a slot since renewed, is dropped."""
        session = self._live(credit.runner_id, credit.epoch)
        slot = session.slots.get(credit.slot) if session else None
        if slot is not None and slot.generation == credit.generation:
            slot.is_taken = False

    def offers(self, workspace_id: str) -> dict[str, Offer]:
        """All live sessions of a workspace by runner, for saying why a task waits."""
        now_s = self._elapsed_s()
        return {
            session.runner_id: Offer(
                runner_id=session.runner_id,
                builds=frozenset(session.builds),
                withheld=frozenset(session.withheld),
                free=sum(1 for _ in session.free_slots(now_s)),
                is_draining=session.is_draining,
                is_ready=session.is_ready,
                is_paused=session.waits_for_stamp or now_s < session.paused_until_s,
                unfit=session.unfit,
            )
            for session in self._sessions.values()
            if session.workspace_id == workspace_id and session.is_open
        }

    def _live(self, runner_id: str, epoch: int) -> _Session | None:
        session = self._sessions.get(runner_id)
        return session if session is not None and session.epoch == epoch else None
