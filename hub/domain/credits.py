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

from collections.abc import Callable, Collection, Mapping
from heapq import heappop, heappush

from agent.wire.condition import Condition
from agent.wire.messages import Stamp
from agent.wire.words import VoidReason
from hub.domain.alike import Alike
from hub.domain.condition import DESKTOP
from hub.domain.credit import Credit, Mend, Offer, Wanted
from hub.domain.slot_session import FRESH_S, Slot, SlotGroup, SlotSession

__all__ = ["FRESH_S", "STALE_IN_A_ROW", "STALE_PAUSE_S", "Credit", "CreditBook", "Mend", "Offer", "Wanted"]

STALE_IN_A_ROW = 3
STALE_PAUSE_S = 60.0
"""After this many orders in a row that came too late, the runner gets none for this long (core.md D7)."""


class CreditBook:
    """All credits of the sessions that live in this process."""

    def __init__(self, elapsed_s: Callable[[], float]) -> None:
        self._elapsed_s = elapsed_s
        self._sessions: dict[str, SlotSession] = {}
        self._untaken: dict[str, Alike[SlotGroup]] = {}
        """Of each workspace at least the sessions with a slot that nobody took; the others go as they are met."""

    # --- sessions ---

    def open_session(self, workspace_id: str, runner_id: str, epoch: int, labels: Mapping[str, str]) -> None:
        """Begin a session; what an older one offered is gone. Nothing is given out before `resumed`."""
        self._forget(runner_id)
        self._sessions[runner_id] = SlotSession(
            workspace_id=workspace_id, runner_id=runner_id, epoch=epoch, labels=labels
        )

    def resumed(
        self,
        runner_id: str,
        epoch: int,
        builds: Collection[str],
        proven: Collection[str] = (),
        *,
        draining: bool = False,
    ) -> None:
        """The inventory is complete and the hub answered it: from now on its credits count."""
        session = self._live(runner_id, epoch)
        if session is not None:
            session.is_open = True
            session.is_draining = draining
            session.builds = set(builds)
            session.proven = set(proven)

    def succeeded(self, runner_id: str, bot_id: str) -> None:
        """The bot has done its work there: it is given to that runner before others."""
        session = self._sessions.get(runner_id)
        if session is not None:
            session.proven.add(bot_id)

    def is_resumed(self, runner_id: str, epoch: int) -> bool:
        """Whether this session's inventory was answered; before that it is sent nothing but the answers."""
        session = self._live(runner_id, epoch)
        return session is not None and session.is_open

    def drop_session(self, runner_id: str, epoch: int) -> None:
        """The session ended; its credits are void (D2)."""
        if self._live(runner_id, epoch) is not None:
            self._forget(runner_id)

    def drain(self, runner_id: str, *, on: bool) -> None:
        """Give out no slot of this runner, or do so again."""
        session = self._sessions.get(runner_id)
        if session is not None:
            session.is_draining = on

    def in_window(self, runner_id: str) -> None:
        """A maintenance window is open: give out no slot of this runner, until `keep_windows` says otherwise."""
        session = self._sessions.get(runner_id)
        if session is not None:
            session.in_window = True

    def keep_windows(self, closed: Collection[str]) -> set[str]:
        """Which runners are in a maintenance window now: all others are in none. Workspaces of those that come back."""
        opened = set()
        for session in self._sessions.values():
            is_closed = session.runner_id in closed
            if session.in_window and not is_closed:
                opened.add(session.workspace_id)
            session.in_window = is_closed
        return opened

    # --- what the runner says ---

    def slot_free(self, runner_id: str, epoch: int, slot: int, generation: int, stamp: Stamp) -> bool:
        """A credit arrives. False when it says nothing new: another epoch, or a slot whose order is under way."""
        session = self._live(runner_id, epoch)
        if session is None:
            return False
        known = session.slots.get(slot)
        if known is not None and (generation < known.generation or (generation == known.generation and known.is_taken)):
            return False
        session.slots[slot] = Slot(generation=generation, stamp=stamp, received_s=self._elapsed_s())
        self._note_untaken(session, slot)
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
        if session.end_withholding(Mend.STAMP):
            gave = False
        for slot in session.slots.values():
            slot.stamp = stamp
            slot.received_s = now_s
        return session.is_giving(now_s) and not gave

    def told(self, runner_id: str, epoch: int, condition: Condition) -> bool:
        """How its desktops and applications are now. True when that is news: other tasks may fit its slots.

        What came back from there unstarted may be given to it again: the runner has looked anew.
        """
        session = self._live(runner_id, epoch)
        if session is None or session.condition == condition:
            return False
        self._drop_untaken(session)
        session.tell(condition)
        session.end_withholding(Mend.STAMP)
        for slot, known in session.slots.items():
            if not known.is_taken:
                self._note_untaken(session, slot)
        return True

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

    def _came_too_late(self, session: SlotSession) -> bool:
        if session.waits_for_stamp:
            return False  # One stall makes all orders late that were on their way: it counts once.
        session.waits_for_stamp = True
        session.stale_in_a_row += 1
        if session.stale_in_a_row < STALE_IN_A_ROW:
            return False
        session.stale_in_a_row = 0
        session.paused_until_s = self._elapsed_s() + STALE_PAUSE_S
        return True

    # --- taking ---

    def take(
        self, workspace_id: str, needs: Mapping[str, str], build_id: str, avoid: str = "", *, bot_id: str = ""
    ) -> Credit | None:
        """A credit for this need, or None; not of the runner `avoid`. It is out until put back.

        A slot without a desktop where none is needed; from a runner where this bot has succeeded before, else from the
        one with most free slots.
        """
        taken = self.take_up_to(Wanted(workspace_id, needs, build_id, avoid=avoid, bot_id=bot_id), 1)
        return taken[0] if taken else None

    def take_up_to(self, wanted: Wanted, most: int) -> list[Credit]:
        """So many credits, each as `take` gives one; all sessions that fit are looked at once."""
        keeps_desktops = DESKTOP not in wanted.needs
        heap: list[tuple[bool, bool, int, str, list[int], SlotSession]] = []

        def push(session: SlotSession, free: list[int]) -> None:
            uses_up = keeps_desktops and session.has_desktop(free[0])
            is_new = wanted.bot_id not in session.proven
            heappush(heap, (uses_up, is_new, -len(free), session.runner_id, free, session))

        for session, free in self._fitting(wanted):
            push(session, sorted(free, key=session.has_desktop) if keeps_desktops else free)
        taken: list[Credit] = []
        while heap and len(taken) < most:
            *_, free, session = heappop(heap)
            taken.append(session.credit(free[0]))
            if len(free) > 1:
                push(session, free[1:])
        return taken

    def _fitting(self, wanted: Wanted) -> list[tuple[SlotSession, list[int]]]:
        """Sessions with the free slots of each that count for this."""
        now_s = self._elapsed_s()
        untaken = self._untaken.setdefault(wanted.workspace_id, Alike())
        found: dict[str, tuple[SlotSession, list[int]]] = {}
        for group in untaken.fitting(wanted.needs):
            session = group.session
            has_untaken, free = group.look(now_s)
            if not has_untaken:
                untaken.drop(session.runner_id, group.labels)
            elif free and session.serves(wanted.build_id) and session.runner_id != wanted.avoid:
                found.setdefault(session.runner_id, (session, []))[1].extend(free)
        return list(found.values())

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
        if session is not None and slot is not None and slot.generation == credit.generation:
            slot.is_taken = False
            self._note_untaken(session, credit.slot)

    def offers(self, workspace_id: str) -> dict[str, Offer]:
        """All live sessions of a workspace by runner, for saying why a task waits."""
        now_s = self._elapsed_s()
        return {
            session.runner_id: Offer(
                runner_id=session.runner_id,
                builds=frozenset(session.builds),
                withheld=frozenset(session.withheld),
                free_slots=tuple(number for number, _ in session.free_slots(now_s)),
                is_draining=session.is_draining,
                is_ready=session.is_ready,
                is_paused=session.waits_for_stamp or now_s < session.paused_until_s,
                unfit=session.unfit,
            )
            for session in self._sessions.values()
            if session.workspace_id == workspace_id and session.is_open
        }

    def _note_untaken(self, session: SlotSession, slot: int) -> None:
        labels = session.labels_of(slot)
        untaken = self._untaken.setdefault(session.workspace_id, Alike())
        untaken.put(session.runner_id, labels, SlotGroup(session, labels))

    def _forget(self, runner_id: str) -> None:
        session = self._sessions.pop(runner_id, None)
        if session is not None:
            self._drop_untaken(session)

    def _drop_untaken(self, session: SlotSession) -> None:
        untaken = self._untaken.get(session.workspace_id)
        if untaken is not None:
            for labels in (session.common_labels, *session.own_labels.values()):
                untaken.drop(session.runner_id, labels)

    def _live(self, runner_id: str, epoch: int) -> SlotSession | None:
        session = self._sessions.get(runner_id)
        return session if session is not None and session.epoch == epoch else None
