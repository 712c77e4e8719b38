"""What every adapter of the hub is handed: one object, made once by `hub/app.py`."""

from dataclasses import dataclass, field

from aiohttp import web

from agent.ports import Clock, Disk
from hub.config import Settings
from hub.domain.credits import CreditBook
from hub.identity import Identity
from hub.install.bundles import FOLDER, Bundles
from hub.recent import Recent
from hub.services.deployments import Deployments
from hub.services.live import LiveSessions
from hub.services.screens import Screens
from hub.services.signals import Signals
from hub.storage.blobs import Blobs
from hub.storage.outputs import Outputs
from hub.storage.room import Room
from hub.storage.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Hub:
    """The hub's parts. Adapters use `store` with services, and the rest by name; nothing here is global."""

    settings: Settings
    clock: Clock
    disk: Disk
    store: Store
    book: CreditBook
    """Slot credits of the sessions that live here; `tasks.why` wants `book.offers(workspace_id)`."""
    sessions: LiveSessions
    outputs: Outputs
    blobs: Blobs
    """Content by sha256 (`hub/storage/blobs`)."""
    deployments: Deployments
    """Takes uploaded packages in."""
    identity: Identity
    signals: Signals
    """Wakes for the hub's loops."""
    room: Room = field(default_factory=Room)
    """Whether the disk is full, and the hub read-only."""
    recent: Recent = field(init=False)
    screens: Screens = field(init=False)
    """Desktops that somebody looks at now."""
    bundles: Bundles = field(init=False)
    """What a bare machine needs to become a runner."""

    def __post_init__(self) -> None:
        """Begin with an empty memory."""
        object.__setattr__(self, "recent", Recent(self.clock))
        object.__setattr__(self, "screens", Screens(self.sessions, self.clock.monotonic))
        object.__setattr__(self, "bundles", Bundles(self.settings.data / FOLDER, monotonic=self.clock.monotonic))


HUB: web.AppKey[Hub] = web.AppKey("hub", Hub)
"""Where handlers find it: ``request.app[HUB]``."""
