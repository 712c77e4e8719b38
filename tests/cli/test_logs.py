"""`botyard logs`: the bytes as the bot wrote them."""

import asyncio

from tests.support.api_hub import ApiWorld
from tests.support.typed import Typed, process
from tests.support.waiting import seconds


async def test_a_pipe_that_has_seen_enough_is_no_error(world: ApiWorld) -> None:
    task = await world.new_task()
    await world.begin(task["id"])
    for number in range(20):
        world.print(b"x" * 60_000, number * 60_000)
    async with process(world, "logs", "1") as child:
        assert child.stdout is not None
        await child.stdout.read(10)
        child._transport.get_pipe_transport(1).close()  # type: ignore[attr-defined]
        async with asyncio.timeout(seconds(20)):
            err = await child.stderr.read() if child.stderr else b""
            await child.wait()
    assert b"Traceback" not in err


async def test_logs_are_the_bytes_and_tail_the_last_lines(world: ApiWorld, typed: Typed) -> None:
    task = await world.new_task()
    await world.begin(task["id"])
    data = b"".join(b"line %d\n" % n for n in range(30)) + b"\xfe end"
    world.print(data, 0)
    assert data == (await typed("logs", "1")).out
    assert b"line 29\n\xef\xbf\xbd end\n" == (await typed("logs", "1", "--tail", "2")).out
    await world.settle(task["id"])
    assert data == (await typed("logs", task["id"], "-f")).out
