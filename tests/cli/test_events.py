"""`botyard events`: the last ones, narrowed, followed from one connection to the next."""

import asyncio
import json
import signal

from tests.support.api_hub import ApiWorld
from tests.support.typed import Typed, process
from tests.support.waiting import seconds


def positions(text: str) -> list[int]:
    return [int(line.split()[0]) for line in text.splitlines() if line.startswith(" ")]


async def test_the_last_ones_come_last(world: ApiWorld, typed: Typed) -> None:
    """Issue 3, part 6: what happened just now is what somebody asks for, and stands where the eye is."""
    for _ in range(5):
        await world.new_task()
    head = positions((await typed("events")).text)[-1]
    assert [head - 2, head - 1, head] == positions((await typed("events", "-n", "3")).text)
    assert [1, 2] == positions((await typed("events", "--after", "0", "-n", "2")).text)


async def test_they_are_narrowed_by_type_task_and_time(world: ApiWorld, typed: Typed) -> None:
    await world.new_task()
    world.clock.advance(3600)
    later = await world.new_task()

    async def kinds(*words: str) -> list[tuple[str, str]]:
        answer = await typed("events", "--json", *words)
        return [(event["kind"], event["subject"]) for event in map(json.loads, answer.out.splitlines())]

    assert ([], b"none\n") == (await kinds("--type", "runner"), (await typed("events", "--type", "runner")).out)
    assert "did you mean task?" in (await typed("events", "--type", "tsak")).err
    created = await kinds("--type", "task.created")
    assert ["task.created"] * 2 == [kind for kind, _ in created]
    assert created == [one for one in await kinds("--type", "task") if one[0] == "task.created"]
    assert {later["id"]} == {subject for kind, subject in await kinds("--task", "2") if kind == "task.created"}
    moment = world.clock.now().isoformat()
    assert [("task.created", later["id"])] == [
        one for one in await kinds("--since", moment) if one[0] == "task.created"
    ]


async def test_lines_fit_the_terminal(world: ApiWorld, typed: Typed) -> None:
    await world.new_task()
    lines = (await typed("events")).text.splitlines()
    assert max(map(len, lines)) <= 120
    assert any("task.created" in line for line in lines)


async def test_following_goes_on_behind_what_was_seen_and_detaches(world: ApiWorld) -> None:
    """design.md §5: 130 detached; the position to go on from is told."""
    await world.new_task()
    async with process(world, "events", "--follow", "--type", "task", "--json") as child:
        assert child.stdout is not None
        async with asyncio.timeout(seconds(30)):
            seen = [json.loads(await child.stdout.readline())]
            await world.new_task()
            while sum(one["kind"] == "task.created" for one in seen) < 2:
                seen.append(json.loads(await child.stdout.readline()))
            child.send_signal(signal.SIGINT)
            _, err = await child.communicate()
    assert [one["pos"] for one in seen] == sorted({one["pos"] for one in seen})
    assert 130 == child.returncode
    told = json.loads(err)["error"]
    # Interrupted between printing and noting it, the last one is told again rather than lost.
    assert any(told.endswith(f"botyard events --follow --after {one['pos']}") for one in seen[-2:])


async def test_a_reader_who_has_seen_enough_ends_the_following(world: ApiWorld) -> None:
    """`botyard events -f | head` ends: the pipe's end is not taken for a hub that is gone."""
    async with process(world, "events", "--follow") as child:
        assert child.stdout is not None
        async with asyncio.timeout(seconds(30)):
            await child.stdout.readline()
            child._transport.get_pipe_transport(1).close()  # type: ignore[attr-defined]
            while child.returncode is None:
                await world.new_task()
                await asyncio.wait({asyncio.ensure_future(child.wait())}, timeout=0.1)
            err = await child.stderr.read() if child.stderr else b""
    assert (0, b"") == (child.returncode, err)
