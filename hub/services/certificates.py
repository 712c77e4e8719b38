"""Watching the hub's certificate: taken anew when its files change, told to people before it ends (R51).

An alert and an event stand in the workspace `default`, whose admins run the hub; the log has the same sentence.
"""

import asyncio
import logging

from hub.services.loops import for_ever
from hub.storage import access, alerts
from hub.storage.store import Store
from hub.storage.transaction import Done, NewEvent, Transaction
from hub.tls import BadCertificate, Certificates

log = logging.getLogger(__name__)

KIND = "certificate"
SUBJECT = "hub"
LOOK_S = 2.0
"""Between two looks at the files: two `stat` calls."""


class CertificateWatch:
    """The loop. `hurry` makes it look at once (SIGHUP)."""

    def __init__(self, store: Store, watched: Certificates, look_s: float = LOOK_S) -> None:
        self._store = store
        self._watched = watched
        self._look_s = look_s
        self._doubt = ""
        """What was wrong at the last look: two files are seldom replaced in one moment, so once does not count."""
        self._told: str | None = None  # the last life of this hub may have left an alert
        self._hurry = asyncio.Event()

    def hurry(self) -> None:
        """Take the files anew now, changed or not."""
        self._hurry.set()

    async def run(self) -> None:
        """Look for ever."""
        await for_ever("certificate", self._step)

    async def _step(self) -> None:
        await self._look(force=self._hurry.is_set())
        self._hurry.clear()
        try:
            async with asyncio.timeout(self._look_s):
                await self._hurry.wait()
        except TimeoutError:
            return

    async def _look(self, *, force: bool) -> None:
        try:
            if await asyncio.to_thread(self._watched.refresh, force=force):
                log.info("the TLS certificate was read anew; new connections get it")
            self._doubt = ""
        except BadCertificate as error:
            before, self._doubt = self._doubt, str(error)
            if before == self._doubt:
                await self._tell(f"the new TLS certificate is not used, the old one serves on: {error}")
            return
        await self._tell(self._watched.warning)

    async def _tell(self, message: str) -> None:
        """Once for each message: of a coming end that is once a day."""
        if message == self._told:
            return
        if message:
            log.warning("%s", message)
        await self._store.write(report, message)
        self._told = message


def report(tx: Transaction, message: str) -> Done[None]:
    """Open the alert of the certificate with this message, or close it when there is nothing to tell."""
    workspace = access.workspace_by_label(tx, "default")
    if workspace is None:
        return Done(None)
    workspace_id = workspace.id
    alerts.resolve(tx, workspace_id, KIND, SUBJECT)
    if message:
        alerts.raise_alert(tx, workspace_id, KIND, SUBJECT, message)
        event = NewEvent(
            workspace_id=workspace_id, kind="hub.certificate", subject=SUBJECT, actor="hub", data={"message": message}
        )
        tx.record(event)
    return Done(None)
