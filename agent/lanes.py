"""Flow of one execution on one connection: which facts and which output bytes may be sent now (pure).

Two lanes (`core.md` §3): facts by number, output by byte offset. Both begin where the hub's `Resumed` says, or at zero
for an execution that began on this connection, and both are bounded by what the hub has acknowledged (P9).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from agent.wire.codec import ProtocolError
from agent.wire.facts import Fact
from agent.wire.limits import FACTS_IN_FLIGHT


@dataclass(frozen=True, slots=True, kw_only=True)
class FactWish:
    """Facts to be read from the spool: those after `after`, at most `limit`."""

    after: int
    limit: int


class FactLane:
    """Numbers of facts: ``acked <= sent <= known``; no more than `FACTS_IN_FLIGHT` between the first two."""

    def __init__(self, known: int = 0) -> None:
        self.known = known
        self.sent = 0
        self.acked = 0
        self._is_live = False
        self._is_reading = False

    def begin(self, hub_has: int) -> FactWish | None:
        """The hub has the facts up to `hub_has`; sending may begin."""
        self.sent = self.acked = hub_has
        self.known = max(self.known, hub_has)
        self._is_live = True
        return self.wish()

    def spooled(self, fact: Fact) -> list[Fact]:
        """A new fact is durable. Returned when it may go out at once, without being read again."""
        self.known = max(self.known, fact.seq)
        if self._is_live and not self._is_reading and fact.seq == self.sent + 1 and self._room() > 0:
            self.sent = fact.seq
            return [fact]
        return []

    def wish(self) -> FactWish | None:
        """What to read next, or None; answered by `read`, before which no other wish is made."""
        if not self._is_live or self._is_reading or self.sent >= self.known or self._room() <= 0:
            return None
        self._is_reading = True
        return FactWish(after=self.sent, limit=self._room())

    def read(self, facts: Sequence[Fact]) -> list[Fact]:
        """The answer to a wish: what of it is to be sent. A number that is missing ends the list."""
        self._is_reading = False
        due: list[Fact] = []
        for fact in facts:
            if fact.seq == self.sent + 1:
                self.sent = fact.seq
                due.append(fact)
        if not due:
            # The spool has nothing where something was said to be: do not ask for it for ever.
            self.known = self.sent
        return due

    def ack(self, seq: int) -> None:
        """All up to `seq` are committed at the hub. Raises ProtocolError for what was never sent."""
        if seq > self.sent:
            raise ProtocolError(f"fact {seq} acknowledged, {self.sent} sent")
        self.acked = max(self.acked, seq)

    def _room(self) -> int:
        return FACTS_IN_FLIGHT - (self.sent - self.acked)


class OutputLane:
    """Offsets of output: ``have <= sent <= available`` but for a hub that is ahead of the file after a reboot."""

    def __init__(self, available: int = 0) -> None:
        self.available = available
        self.sent = 0
        self.have = 0
        self.safe = 0
        self.is_live = False

    def begin(self, have: int, safe: int) -> None:
        """The hub stores the bytes before `have`; sending goes on there."""
        self.sent = self.have = have
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

    def ack(self, have: int, safe: int) -> None:
        """The hub's watermarks; they never go back on one connection."""
        self.have = max(self.have, have)
        self.sent = max(self.sent, have)
        self.safe = max(self.safe, safe)

    def rewind(self, start: int) -> None:
        """The hub stored less than was sent: begin again at `start`. Raises ProtocolError for a jump forward."""
        if start > self.sent:
            raise ProtocolError(f"rewind to {start}, {self.sent} sent")
        self.sent = self.have = start
