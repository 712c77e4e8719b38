"""The heartbeats of one connection: when the next is due, and when those were sent that the hub has answered (P8)."""

from dataclasses import dataclass, field

from agent.session_effects import Effect, HeartbeatAcked, Moment, Readiness
from agent.wire.messages import Heartbeat, HeartbeatAck, Stamp

_REMEMBERED = 16


@dataclass(slots=True)
class Beats:
    """Numbered from 1."""

    _count: int = 0
    _beat_at: float = 0.0
    _sent: dict[int, Stamp] = field(default_factory=dict)
    _told: tuple[bool, tuple[str, ...]] | None = None

    def due_at(self, every_s: float) -> float:
        """When the next is due; the first is at once."""
        return self._beat_at + every_s if self._count else float("-inf")

    def is_news(self, readiness: Readiness) -> bool:
        """Whether the hub believes something else of this runner since the last one; the first is sent anyway."""
        return self._told not in {None, (readiness.ready, readiness.unfit)}

    def next(self, moment: Moment, readiness: Readiness) -> Heartbeat:
        """The heartbeat that is sent now."""
        self._beat_at = moment.monotonic
        self._count += 1
        self._told = readiness.ready, readiness.unfit
        self._sent[self._count] = moment.stamp
        self._sent.pop(self._count - _REMEMBERED, None)
        return Heartbeat(
            number=self._count,
            stamp=moment.stamp,
            ready=readiness.ready,
            unfit=readiness.unfit,
            running=readiness.running,
        )

    def answered(self, ack: HeartbeatAck) -> list[Effect]:
        """What the hub's answer means, the first time: deadlines count from when the heartbeat was sent (D10)."""
        sent = self._sent.pop(ack.number, None)
        if sent is None:
            return []
        return [HeartbeatAcked(sent=sent, commit_position=ack.commit_position, hub_at=ack.at)]
