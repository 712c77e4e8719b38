"""A database that answers nobody for a while: the link lives on, and nothing is acknowledged (P8, G1, R2)."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from agent.wire.messages import FactAck, Heartbeat, HeartbeatAck, Start
from tests.runners.conftest import BUILD, LinkWorld
from tests.support.scripted_runner import ScriptedSession, stamp_now
from tests.support.work_world import started


@contextmanager
def standing_still(world: LinkWorld) -> Iterator[None]:
    """Whoever reads or writes within the block waits for its end."""
    kind, goes = type(world.hub.store), asyncio.Event()

    def held_back(real: Any) -> Any:
        async def waits(*given: Any, **named: Any) -> Any:
            await goes.wait()
            return await real(*given, **named)

        return waits

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kind, "read", held_back(kind.read))
        patch.setattr(kind, "write", held_back(kind.write))
        yield
    goes.set()


async def beats(session: ScriptedSession, count: int) -> None:
    """Heartbeats go through, each answered with its number."""
    for number in range(1, count + 1):
        await session.send(Heartbeat(number=number, stamp=stamp_now()))
        assert number == (await session.next(HeartbeatAck)).number


async def test_a_fact_is_acknowledged_after_its_commit_and_the_link_waits_for_none(world: LinkWorld) -> None:
    """G1, R2: no ack before COMMIT; P8: the reader never awaits the database, so heartbeats are answered meanwhile."""
    runner = await world.runner()
    async with runner.connect(prepared=[BUILD]) as session:
        await session.offer()
        await world.create()
        start = await session.next(Start)

        with standing_still(world):
            await session.say(start, started())
            await beats(session, 10)
            assert [] == [message for message in session.seen if isinstance(message, FactAck)]

        assert 1 == (await session.next(FactAck)).seq
