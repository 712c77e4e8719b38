"""Flow of one execution on one connection: which facts and which output bytes may be sent now (pure).

Two lanes (`core.md` §3): facts by number, output by byte offset. Both begin where the hub's `Resumed` says, or at zero
for an execution that began on this connection, and both are bounded by what the hub has acknowledged (P9).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from agent.wire.codec import ProtocolError
from agent.wire.facts import Fact, Gap
from agent.wire.limits import CONNECTION_FACTS_IN_FLIGHT, FACTS_IN_FLIGHT
from agent.wire.words import GapReason


@dataclass(frozen=True, slots=True, kw_only=True)
class FactWish:
    """Facts to be read from the spool: those after `after`, at most `limit`."""

    after: int
    limit: int


@dataclass(slots=True)
class FactWindow:
    """Room for the facts of all executions of one connection: a hub that was away for days must not drown in them."""

    free: int = CONNECTION_FACTS_IN_FLIGHT
    waiting: "dict[FactLane, None]" = field(default_factory=dict)
    """Lanes that found no room, in their order."""

    def served(self) -> "Iterator[tuple[FactLane, FactWish]]":
        """What those who waited may read now."""
        while self.free > 0 and self.waiting:
            lane = next(iter(self.waiting))
            del self.waiting[lane]
            wish = lane.wish()
            if wish is not None:
                yield lane, wish


class FactLane:
    """Numbers of facts: ``acked <= sent <= known``; no more than `FACTS_IN_FLIGHT` between the first two.

    `window` is shared with the other executions' lanes; what is being read has its room there already.
    """

    def __init__(self, known: int, window: FactWindow, execution_id: str) -> None:
        self.execution_id = execution_id
        self.known = known
        self.sent = 0
        self.acked = 0
        self._window = window
        self._reading = 0
        self._is_live = False

    def begin(self, hub_has: int) -> FactWish | None:
        """The hub has the facts up to `hub_has`; sending may begin."""
        self.sent = self.acked = hub_has
        self.known = max(self.known, hub_has)
        self._is_live = True
        return self.wish()

    def spooled(self, fact: Fact) -> list[Fact]:
        """A new fact is durable. Returned when it may go out at once, without being read again."""
        self.known = max(self.known, fact.seq)
        if self._is_live and not self._reading and fact.seq == self.sent + 1 and self._room() > 0:
            self.sent = fact.seq
            self._window.free -= 1
            return [fact]
        return []

    def wish(self) -> FactWish | None:
        """What to read next, or None; answered by `read`, before which no other wish is made."""
        if not self._is_live or self._reading or self.sent >= self.known or self._own_room() <= 0:
            return None
        if self._window.free <= 0:
            self._window.waiting[self] = None
            return None
        self._reading = min(self._room(), self.known - self.sent)
        self._window.free -= self._reading
        return FactWish(after=self.sent, limit=self._reading)

    def read(self, facts: Sequence[Fact]) -> list[Fact]:
        """The answer to a wish: what of it is to be sent. A number that is missing ends the list."""
        due: list[Fact] = []
        for fact in facts:
            if fact.seq == self.sent + 1:
                self.sent = fact.seq
                due.append(fact)
        self._window.free += self._reading - len(due)
        self._reading = 0
        if not due:
            # The spool has nothing where something was said to be: do not ask for it for ever.
            self.known = self.sent
        return due

    def ack(self, seq: int) -> None:
        """All up to `seq` are committed at the hub. Raises ProtocolError for what was never sent."""
        if seq > self.sent:
            raise ProtocolError(f"fact {seq} acknowledged, {self.sent} sent")
        self._window.free += max(0, seq - self.acked)
        self.acked = max(self.acked, seq)

    def end(self) -> None:
        """The execution is gone here: its room is the others'."""
        self._window.free += self._reading + self.sent - self.acked
        self._window.waiting.pop(self, None)
        self._reading, self._is_live, self.acked = 0, False, self.sent

    def _own_room(self) -> int:
        return FACTS_IN_FLIGHT - (self.sent - self.acked)

    def _room(self) -> int:
        return min(self._own_room(), self._window.free)


class OutputLane:
    """Offsets of output: ``have <= sent <= available`` but for a hub that is ahead of the file after a reboot."""

    def __init__(self, available: int = 0) -> None:
        self.available = available
        self.sent = 0
        self.reached = 0
        """The furthest that was ever sent on this link; `sent` goes back at a rewind."""
        self.have = 0
        self.safe = 0
        self.is_live = False

    def begin(self, have: int, safe: int) -> None:
        """The hub stores the bytes before `have`; sending goes on there."""
        self.sent = self.reached = self.have = have
        self.safe = safe
        self.is_live = True

    @property
    def in_flight(self) -> int:
        """Bytes sent that the hub does not report to have."""
        return max(0, self.sent - self.have)

    def room(self, window: int) -> int:
        """Bytes that may be sent now, by this execution's own window."""
        if not self.is_live:
            return 0
        return max(0, min(self.available - self.sent, window - self.in_flight))

    def moved(self, to: int) -> None:
        """Bytes before `to` were sent, or are known to be gone."""
        self.sent = max(self.sent, to)
        self.reached = max(self.reached, self.sent)

    def missing(self, end: int | None) -> Gap | None:
        """Nothing can be read at `sent`: a gap where the last fact told of an `end` behind it, else wait for more."""
        if end is not None and end > self.sent:
            return Gap(start=self.sent, bytes=end - self.sent, reason=GapReason.DELETED, resumed_at=end)
        self.available = min(self.available, self.sent)
        return None

    def ack(self, have: int, safe: int) -> None:
        """The hub's watermarks; they never go back on one connection."""
        self.have = max(self.have, have)
        self.moved(have)
        self.safe = max(self.safe, safe)

    def rewind(self, start: int) -> None:
        """The hub stored less than was sent: begin again at `start`. Raises ProtocolError for what was never sent.

        It may lie ahead of `sent`: the hub stored more on the way of an earlier rewind, which is out of date by now.
        """
        if start > self.reached:
            raise ProtocolError(f"rewind to {start}, {self.reached} sent")
        self.sent = self.have = start


@dataclass(frozen=True, slots=True)
class Lanes:
    """Both lanes of one execution."""

    facts: FactLane
    output: OutputLane
