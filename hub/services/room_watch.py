"""Watching a full disk: told to people when it fills, looked at until it has room, told again (R14).

An alert and an event stand in the workspace `default`, whose admins run the hub; the log has the same sentence.
"""

import asyncio

from hub.services import dispatch
from hub.services.loops import for_ever
from hub.services.signals import Signals
from hub.storage import access, alerts
from hub.storage.room import READ_ONLY, Room
from hub.storage.store import Store
from hub.storage.transaction import Done, NewEvent, Transaction

KIND = "disk_full"
SUBJECT = "hub"
LOOK_S = 2.0
"""Between two looks at a disk that is full; at one that is not nobody looks."""


class RoomWatch:
    """The loop. It alone brings the hub back from read-only."""

    def __init__(self, store: Store, room: Room, signals: Signals, look_s: float = LOOK_S) -> None:
        self._store = store
        self._room = room
        self._signals = signals
        self._look_s = look_s
        self._found_full = asyncio.Event()
        self._told: bool | None = None  # the last life of this hub may have left an alert

    async def run(self) -> None:
        """Watch for ever."""
        loop = asyncio.get_running_loop()
        self._room.watch(lambda: loop.call_soon_threadsafe(self._found_full.set))
        await for_ever("room", self._step)

    async def _step(self) -> None:
        await self._tell(is_full=self._room.is_full)
        if not self._room.is_full:
            self._found_full.clear()
            if not self._room.is_full:
                await self._found_full.wait()
            return
        await asyncio.sleep(self._look_s)
        if await asyncio.to_thread(self._room.recover):
            for workspace_id in await self._store.read(dispatch.workspaces_with_queued):
                self._signals.dispatch.ring(workspace_id)

    async def _tell(self, *, is_full: bool) -> None:
        if is_full == self._told:
            return
        if is_full or self._told or await self._store.read(_is_alert_open):
            await self._store.write(report, READ_ONLY if is_full else "", urgent=True)
        self._told = is_full


def report(tx: Transaction, message: str) -> Done[None]:
    """Open the alert of the full disk, or close it where there is nothing to tell; an event where that is a change."""
    workspace = access.workspace_by_label(tx, "default")
    if workspace is None:
        return Done(None)
    if message:
        is_change = alerts.raise_alert(tx, workspace.id, KIND, SUBJECT, message)
    else:
        is_change = alerts.resolve(tx, workspace.id, KIND, SUBJECT)
    if is_change:
        kind = "hub.read_only" if message else "hub.writable"
        data = {"reason": "disk", "message": message} if message else {"reason": "disk"}
        tx.record(NewEvent(workspace_id=workspace.id, kind=kind, subject=SUBJECT, actor="hub", data=data))
    return Done(None)


def _is_alert_open(tx: Transaction) -> bool:
    workspace = access.workspace_by_label(tx, "default")
    return workspace is not None and alerts.is_open(tx, workspace.id, KIND, SUBJECT)
