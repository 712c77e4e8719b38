"""Commit order, and COMMITs whose answer never came.

Effects are performed in commit order (core.md §5). Connections answer in any order, but a transaction that depends on
another can only send its COMMIT after the other's was done; so the order in which COMMITs are *sent* is an order in
which they may have happened, and `CommitOrder` settles operations in it.
"""

import asyncio
import logging
from collections.abc import Callable

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from hub.storage.postgres.connection import Trouble, trouble_of

log = logging.getLogger(__name__)

_XID = sa.text("SELECT pg_current_xact_id_if_assigned()::text")
_STATUS = sa.text("SELECT pg_xact_status(CAST(CAST(:xid AS text) AS xid8))")
_LOOKS = 20
_LOOK_AGAIN_S = 0.5


class CommitOrder:
    """Lets what follows a COMMIT happen in the order in which COMMITs were sent. Lives on the loop."""

    def __init__(self) -> None:
        self._sent = 0
        self._next = 0
        self._ready: dict[int, Callable[[], None]] = {}

    def take(self) -> int:
        """Draw a place; call it right before COMMIT is sent, with no await between."""
        place = self._sent
        self._sent += 1
        return place

    def settle(self, place: int, step: Callable[[], None]) -> None:
        """Do `step` as soon as every earlier place has settled; at once when they have."""
        self._ready[place] = step
        while (due := self._ready.pop(self._next, None)) is not None:
            self._next += 1
            due()


async def xid_of(connection: AsyncConnection) -> str | None:
    """The running transaction's number, by which its fate can be asked for; None when it wrote nothing."""
    found: str | None = (await connection.execute(_XID)).scalar_one()
    return found


async def fate_of(engine: AsyncEngine, xid: str) -> bool | None:
    """Whether the transaction `xid` was committed, asked on other connections for some 10 s; None: nobody could say."""
    for _look in range(_LOOKS):
        try:
            async with engine.connect() as connection:
                status = (await connection.execute(_STATUS, {"xid": xid})).scalar_one()
        except Exception as error:
            if trouble_of(error) is not Trouble.GONE:
                raise
            status = None
        match status:
            case "committed":
                return True
            case "aborted":
                return False
            case _:
                await asyncio.sleep(_LOOK_AGAIN_S)
    log.error("transaction %s stays in doubt", xid)
    return None
