"""Tells connected runners which folders to watch: the whole set, at each resume and whenever it has changed."""

import hashlib

from agent.wire.watching import FOLDERS_IN_A_PAGE, Watch, WatchedFolder
from hub.services import file_triggers
from hub.services.live import LiveSessions
from hub.services.loops import for_ever
from hub.services.signals import Signals
from hub.storage import watched_files
from hub.storage.store import Store

_SWEEP_S = 60.0
"""What another hub changed, nobody rings for here."""


class WatchedFolders:
    """Sends as the bell rings; a session's start rings it too, so nothing is lost with a wake."""

    def __init__(self, store: Store, sessions: LiveSessions, signals: Signals) -> None:
        self._store = store
        self._sessions = sessions
        self._signals = signals
        self._told: dict[str, tuple[int, str, bool]] = {}
        """(epoch, version, whether there was any folder) of what each runner was told last."""

    async def run(self) -> None:
        """Tell, for ever."""
        await for_ever("watched folders", self._step)

    async def _step(self) -> None:
        rung = await self._signals.watched.collect(_SWEEP_S)
        resumed = [runner_id for name in rung if (runner_id := name.partition("/")[2])]
        for runner_id in resumed:
            # Each session begins with the whole set, also where it is empty: the runner may know of an older one.
            self._told.pop(runner_id, None)
        if len(resumed) == len(rung) and rung:
            concerned = resumed
        else:
            watching = [runner_id for runner_id, (_, _, is_any) in self._told.items() if is_any]
            named = [runner_id for _, runner_id in await self._store.read(watched_files.watchers)]
            concerned = [*resumed, *watching, *named]
        for runner_id in dict.fromkeys(concerned):
            await self._tell(runner_id)

    async def _tell(self, runner_id: str) -> None:
        session = self._sessions.find(runner_id)
        if session is None:
            self._told.pop(runner_id, None)
            return
        folders = await self._store.read(file_triggers.folders_of, session.workspace_id, runner_id)
        now = (session.epoch, version_of(folders), bool(folders))
        if self._told.get(runner_id) == now:
            return
        for page in pages_of(folders, now[1]):
            session.send(page)
        self._told[runner_id] = now


def version_of(folders: list[WatchedFolder]) -> str:
    """The same for the same set."""
    return hashlib.sha256("".join(one.model_dump_json() for one in folders).encode()).hexdigest()[:16]


def pages_of(folders: list[WatchedFolder], version: str) -> list[Watch]:
    """The whole set, at least one page."""
    starts = range(0, max(1, len(folders)), FOLDERS_IN_A_PAGE)
    return [
        Watch(
            version=version,
            page=number,
            last=first + FOLDERS_IN_A_PAGE >= len(folders),
            folders=tuple(folders[first : first + FOLDERS_IN_A_PAGE]),
        )
        for number, first in enumerate(starts)
    ]
