"""How far the hub's store was when it last answered a heartbeat: what tells an old copy of it (`core.md` D8).

The highest position is kept in the spool with the id of its store: a restored store is another one, and counts anew.
"""

from contextlib import suppress

from agent.spool import Spool, SpoolFullError

_NOTE = "commit_position:"


class CommitPosition:
    """The highest position that was acknowledged here, for one spool."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._kept = ("", 0)

    async def read(self) -> tuple[str, int]:
        """(store id, position) as it was kept; ("", 0) when no hub ever said one."""
        for name, position in await self._spool.notes(_NOTE):
            self._kept = (name.removeprefix(_NOTE), position)
        return self._kept

    def is_news(self, store_id: str, position: int) -> bool:
        """Whether this is worth a write."""
        known, highest = self._kept
        return bool(store_id) and position > (highest if known == store_id else 0)

    async def keep(self, store_id: str, position: int) -> None:
        """Keep it, and no longer what another store has said. On a full disk the next higher one is kept."""
        self._kept = (store_id, position)
        with suppress(SpoolFullError):
            await self._spool.keep_only_note(_NOTE, store_id, position)
