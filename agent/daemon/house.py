"""What the parts of the daemon share: ports, stores, tables, and who must be told of what."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from agent.builds_port import Builds
from agent.folders import Folders
from agent.home import Home, Membership
from agent.ledger import Ledger
from agent.ports.clock import Clock
from agent.ports.files import Disk
from agent.session_effects import Moment, Readiness
from agent.shim.order import Stamp as ShimStamp
from agent.shim.order import wall_ns
from agent.shim.verdict import VerdictDesk
from agent.slots import Slots
from agent.spool import Spool
from agent.wire.facts import Fact
from agent.wire.messages import Preparation, Stamp

if TYPE_CHECKING:
    from agent.artifacts import Collector
    from agent.daemon.benches import Benches
    from agent.daemon.keeper import Keeper
    from agent.gateway_socket import GatewaySocket


class Upstream(Protocol):
    """The way to the hub, whether there is a session now or not."""

    def fact_spooled(self, fact: Fact) -> None:
        """A fact is durable here."""
        ...

    def output_available(self, execution_id: str, total: int) -> None:
        """The execution's output is `total` bytes long by now."""
        ...

    def slots_changed(self) -> None:
        """Some slot has become free, or is no longer."""
        ...

    def preparation(self, message: Preparation) -> None:
        """A build came a step further."""
        ...

    def forgotten(self, execution_id: str) -> None:
        """The execution is gone here."""
        ...

    def note_progress(self, execution_id: str, percent: float | None, text: str) -> None:
        """The bot says how far it has come: told at most once a second, masked; percent from 0 to 100."""
        ...

    def progress_ended(self, execution_id: str) -> None:
        """Its last word is said: told at once, before the exit."""
        ...


@dataclass(slots=True, kw_only=True)
class House:
    """Made once by `root`."""

    clock: Clock
    disk: Disk
    home: Home
    membership: Membership
    folders: Folders
    spool: Spool
    ledger: Ledger
    slots: Slots
    builds: Builds
    boot_id: str
    verdicts: VerdictDesk
    upstream: Upstream
    benches: "Benches"
    collector: "Collector"
    keepers: "dict[str, Keeper]" = field(default_factory=dict)
    gateway_socket: "GatewaySocket | None" = None
    """Listening; shims hold copies of it."""
    heartbeat: Stamp | None = None
    """Send time of the last heartbeat that the hub acknowledged (`core.md` D10)."""
    closed_for: set[str] = field(default_factory=set)
    """Why no new work is taken; empty while it is."""
    is_adopting: bool = True

    def stamp(self) -> Stamp:
        """Now, by both clocks of `core.md` D3."""
        return Stamp(boot_ns=self.clock.boot_ns(), wall_ns=wall_ns(self.clock.now()))

    def moment(self) -> Moment:
        """Now, for a session."""
        return Moment(monotonic=self.clock.monotonic(), stamp=self.stamp())

    def readiness(self) -> Readiness:
        """What heartbeats say of this runner."""
        unfit = tuple(sorted(self.closed_for | self.benches.troubles))
        return Readiness(ready=not unfit, unfit=unfit, running=self.slots.running)

    def close_for(self, reason: str, *, on: bool = True) -> None:
        """Take no new work for this reason, or take it again."""
        if on:
            self.closed_for.add(reason)
        else:
            self.closed_for.discard(reason)
        self.slots.closed_because = ", ".join(sorted(self.closed_for))
        self.upstream.slots_changed()


def shim_stamp(stamp: Stamp) -> ShimStamp:
    """A stamp as shims read it."""
    return ShimStamp(boot_ns=stamp.boot_ns, wall_ns=stamp.wall_ns)
