"""`botyard logs`: the bytes as the bot wrote them, and beside them what is missing."""

import asyncio

from tests.support.api_hub import EXECUTION, ApiWorld
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


async def test_a_part_is_never_shown_as_the_whole(world: ApiWorld, typed: Typed) -> None:
    """G5, core.md §3: the exact gap (from, to, bytes or unknown, reason) in logs, task show and the API."""
    task = await world.new_task()
    await world.begin(task["id"])
    world.print(b"one\ntwo\n", 0)
    while_it_runs = await typed("logs", "1")
    assert b"one\ntwo\n" == while_it_runs.out
    assert "(output arriving, 8 bytes so far)" in while_it_runs.err
    lost = [{"start": 4, "bytes": 1200, "reason": "disk"}, {"start": 8, "bytes": None, "reason": "tail_unknown"}]
    state = {"output_state": "incomplete", "output_bytes": 8, "output_lines": 2, "output_sha256": "a" * 64}
    await world.update("executions", EXECUTION, gaps=lost, **state)
    says = (
        "incomplete; 1,200 bytes missing at offset 4 (disk); "
        "an unknown number of bytes missing at offset 8 (tail_unknown)"
    )
    for arguments in (("logs", "1"), ("logs", "1", "--tail", "1")):
        assert f"(output {says})" in (await typed(*arguments)).err.replace("\n", " ")
    shown = (await typed("task", "show", "1", "--json")).json()["output"]
    assert (False, says) == (shown["complete"], shown["says"])
    assert [
        {"from": 4, "to": 4, "bytes": 1200, "reason": "disk"},
        {"from": 8, "to": None, "bytes": None, "reason": "tail_unknown"},
    ] == shown["gaps"]
