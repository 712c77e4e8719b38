"""A spool that was put back from a copy, or removed, is noticed before anything is made of it (`core.md` D8).

It lacks facts that the hub has, tombstones and fences: what a daemon would work out again from the folders could be
numbered like facts that the hub holds already, and be dropped there. So each start is counted twice, in the spool first
and then beside it: a spool that knows fewer of them is not the one that was here, and is refused (`agent.spool_check`).
"""

import logging

from agent.home import Home
from agent.spool import Spool, SpoolFullError
from agent.spool_check import STARTS

log = logging.getLogger(__name__)


async def count_start(home: Home, spool: Spool) -> None:
    """Count this start. A daemon that dies between the two leaves the spool one ahead, which is no fault."""
    kept = await spool.note(STARTS)
    try:
        await spool.keep_note(STARTS, kept + 1)
    except SpoolFullError:
        log.warning("the spool is full: this start is not counted")
        return
    home.store_starts(kept + 1)
