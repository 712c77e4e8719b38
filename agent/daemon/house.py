"""What the parts of the daemon share: ports, stores, tables, and who must be told of what."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from agent.builds_port import Builds
from agent.desktops.port import Desktops
from agent.execution import Phase
from agent.fitness.clock import HubClock
from agent.folders import Folders
from agent.home import Home, Membership
from agent.ledger import Ledger
from agent.output_room import Allowance
from agent.ports.clock import Clock
from agent.ports.files import Disk
from agent.session_effects import Moment, Readiness
from agent.shim.order import Stamp as ShimStamp
from agent.shim.order import wall_ns
from agent.shim.verdict import VerdictDesk
from agent.shims_port import Shims
from agent.slots import Slots
from agent.spool import Spool
from agent.watching import WatchDesk
from agent.wire.condition import Condition
from agent.wire.facts import Fact
from agent.wire.messages import Preparation, Stamp
from agent.wire.watching import FolderNews

if TYPE_CHECKING:
    from agent.artifacts import Collector
    from agent.daemon.benches import Benches
    from agent.daemon.keeper import Keeper
    from agent.fitness.watch import Fitness
    from agent.gateway_socket import GatewaySocket
    from agent.screens.showing import Showing


STOPPING = "stopping"
"""Why no new work is taken from the moment on that the daemon was asked to end."""


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

    def folder_news(self, message: FolderNews) -> bool:
        """A watched folder has something to tell; False while there is no session: nothing was sent."""
        ...

    def condition(self, message: Condition) -> None:
        """Desktops, applications or faults are others than before; said anew when a session opens."""
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
    shims: Shims
    verdicts: VerdictDesk
    upstream: Upstream
    benches: "Benches"
    desktops: Desktops
    collector: "Collector"
    showing: "Showing"
    """Desktops that somebody looks at."""
    keepers: "dict[str, Keeper]" = field(default_factory=dict)
    gateway_socket: "GatewaySocket | None" = None
    """Listening; shims hold copies of it."""
    allowance: Allowance = field(default_factory=Allowance)
    """What output may take of the disk."""
    keep_free_bytes: int = 0
    """What it leaves to others, as `output_room` found this disk."""
    heartbeat: Stamp | None = None
    """Send time of the last heartbeat that the hub acknowledged (`core.md` D10)."""
    hub_clock: HubClock = field(default_factory=HubClock)
    """The hub's time, by its answers to heartbeats."""
    closed_for: set[str] = field(default_factory=set)
    """Why no new work is taken; empty while it is."""
    condition: Condition | None = None
    """As it was found last; None before the first look."""
    is_adopting: bool = True
    fitness: "Fitness" = field(init=False)
    """Set by `root`, which makes it of all this."""
    watching: WatchDesk = field(init=False)
    """Folders that triggers watch here."""

    def __post_init__(self) -> None:
        """Nothing is watched before the hub says what."""
        self.watching = WatchDesk(self.clock, self.upstream.folder_news)

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

    def has_bot_in(self, slot: int) -> bool:
        """Whether a bot runs in a slot now, or what it left."""
        running = {Phase.HANDED_OVER, Phase.STARTED}
        keepers = self.keepers.values()
        is_stuck = any(each.number == slot for each in self.slots.stuck())
        return is_stuck or any(keeper.value.slot == slot and keeper.value.phase in running for keeper in keepers)

    def close_for(self, reason: str, *, on: bool = True) -> None:
        """Take no new work for this reason, or take it again."""
        if on:
            self.closed_for.add(reason)
        else:
            self.closed_for.discard(reason)
        self.slots.closed_because = ", ".join(sorted(self.closed_for))
        self.upstream.slots_changed()

    def found(self, condition: Condition) -> None:
        """This is how the machine is now: told to the hub where it is news."""
        if condition != self.condition:
            self.condition = condition
            self.upstream.condition(condition)


def shim_stamp(stamp: Stamp) -> ShimStamp:
    """A stamp as shims read it."""
    return ShimStamp(boot_ns=stamp.boot_ns, wall_ns=stamp.wall_ns)
