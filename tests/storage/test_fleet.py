"""Runners as `why` looks at them, on both databases: the same whether few are asked for, many, or all."""

from collections.abc import AsyncIterator

import pytest

from agent.wire.words import PreparationState
from hub.storage import fleet
from hub.storage.transaction import Done, Transaction
from tests.support.clock import FakeClock
from tests.support.work_world import BUILD, HOME, HUB_ID, WORKSPACE, WorkWorld, insert, work_world

COUNT = 130
"""More than are asked for by name."""


def runner(number: int) -> str:
    """Ids in another order than names."""
    return f"rnr_{COUNT - number + 0x100:032x}"


def seed(tx: Transaction) -> Done[None]:
    """Runners of two sites; every second one has the build ready."""
    known = {"public_key": "k", "home_id": HOME, "fingerprint": "f", "slots": 1, "hub_id": HUB_ID, "last_epoch": 1}
    for number in range(COUNT):
        state = {"state": "revoked"} if number == 7 else {"state": "enrolled", "session_epoch": 1}
        labels = {"site": f"s{number % 2}"}
        name = f"r{number:03}"
        insert(tx, "runners", id=runner(number), name=name, labels=labels, created_at=tx.now, **state, **known)
        if number % 2:
            ready = {"state": "prepared", "updated_at": tx.now}
            insert(tx, "preparations", runner_id=runner(number), build_id=BUILD, **ready)
    return Done(None)


@pytest.fixture
async def world(database_url: str, clock: FakeClock) -> AsyncIterator[WorkWorld]:
    """A hub's services with many runners."""
    async with work_world(database_url, clock) as made:
        await made.store.write(seed)
        yield made


async def test_members_are_the_same_however_many_are_asked_for(world: WorkWorld) -> None:
    """By name, without revoked ones, each with what it told of the build."""
    every = await world.store.read(fleet.members, WORKSPACE, BUILD)
    names = [one.name for one in every]
    assert sorted(names) == names
    assert "r007" not in names
    labelled = await world.store.read(fleet.labelled, WORKSPACE)
    assert [(one.id, one.labels) for one in labelled] == [(one.id, one.labels) for one in every]
    for asked in (range(3), range(120)):
        ids = [runner(number) for number in asked]
        some = await world.store.read(fleet.members, WORKSPACE, BUILD, ids)
        assert [one for one in every if one.id in set(ids)] == some
    has_it = {one.name for one in every if one.preparation is PreparationState.PREPARED}
    assert {f"r{number:03}" for number in range(COUNT) if number % 2 and number != 7} == has_it - {"desk-1", "desk-2"}
    assert all(one.preparation is None for one in await world.store.read(fleet.members, WORKSPACE, None))


async def test_who_is_busy_with_what(world: WorkWorld) -> None:
    """By runner; who has nothing is left out."""
    session = await world.connect()
    world.offer(session)
    task = await world.create()
    busy = await world.store.read(fleet.busy, WORKSPACE)
    assert {session.runner_id: [str(task.number)]} == {
        runner_id: [one.name for one in holding] for runner_id, holding in busy.items()
    }
