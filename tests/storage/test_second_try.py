"""A group that is run once more when room was made on a full disk leaves no trace of its first try (R14, S46)."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from hub.storage.lanes import Operation, bound
from hub.storage.opening import open_store, time_ordered_id
from hub.storage.settling import Ports
from hub.storage.sqlite.committer import Committer
from hub.storage.sqlite.connection import connect_writer
from hub.storage.tables import events
from hub.storage.transaction import Done, Transaction
from tests.storage import seeds
from tests.storage.conftest import Heard
from tests.support.clock import FakeClock

pytestmark = pytest.mark.sqlite


def tight_at_first(tx: Transaction, tries: list[int]) -> Done[None]:
    """A row for which there is no room before the second try."""
    tries.append(len(tries) + 1)
    now = tx.connection.exec_driver_sql("PRAGMA page_count").scalar_one()
    allowed = now + 5 if tries == [1] else 2**30
    tx.connection.exec_driver_sql(f"PRAGMA max_page_count = {allowed}")
    tx.record(seeds.event("large"))
    return seeds.insert(tx, "workspaces", id="wsp_big", label="big", name="x" * 200_000, created_at=tx.now)


def operation(use_case: Any, *args: Any) -> Operation:
    """One call of `write`, on its way."""
    return Operation(name="test", run=bound(use_case, args), future=asyncio.get_running_loop().create_future())


async def test_the_feed_goes_on_from_what_was_committed(tmp_path: Path, clock: FakeClock, heard: Heard) -> None:
    """R14: room was made, so the group is stored whole after all; S46, core.md §5: positions stay dense over that."""
    path = tmp_path / "hub.db"
    async with open_store(f"sqlite:///{path}", clock=clock, perform=heard.perform, options=heard.options()) as store:
        await store.write(seeds.workspace)
        await store.write(seeds.happened, "before")
    rooms: list[str] = []

    def make_room() -> bool:
        rooms.append("made")
        return True

    link, tries = connect_writer(path), list[int]()
    ports = Ports(
        clock=clock,
        ids=time_ordered_id,
        perform=heard.perform,
        on_effect_error=lambda effect, error: heard.refused.append((effect, error)),
        on_fatal=heard.fatal.append,
        on_full=make_room,
    )
    committer = Committer(link, path, ports)
    try:
        # given a group whose first operation tells something, and whose second meets the full disk
        group = committer.commit([operation(seeds.happened, "small"), operation(tight_at_first, tries)])
        # then both are stored at the second try, as if there had been no first
        assert ([1, 2], ["made"]) == (tries, rooms)
        assert [None, None] == [settled.error for settled in group.settled]
        found = link.connection.execute(sa.select(events.c.pos, events.c.subject).order_by(events.c.pos)).all()
        assert [(1, "before"), (2, "small"), (3, "large")] == [tuple(row) for row in found]
    finally:
        committer.close()
