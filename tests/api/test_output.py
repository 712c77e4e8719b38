"""A task's output over HTTP: lines, bytes, live (core.md §3; design.md §5)."""

import asyncio
import hashlib
from typing import Any

from agent.wire.codec import Stream as Channel
from tests.support.api_hub import ApiWorld, ServerSent, printed, server_sent
from tests.support.waiting import eventually

SECOND = "exe_" + "7" * 32


async def follow(world: ApiWorld, task_id: str, seen: list[ServerSent], place: str = "", **query: Any) -> None:
    """Follow until the hub ends the stream or the connection."""
    params = {"follow": "true", "encoding": "base64"} | query
    headers = {"Last-Event-ID": place} if place else {}
    async with world.request("GET", f"/tasks/{task_id}/output", params=params, headers=headers) as response:
        assert (200, "text/event-stream") == (response.status, response.content_type)
        async for event in server_sent(response):
            seen.append(event)  # noqa: PERF401  # others look at it meanwhile


async def test_lines_are_read_by_absolute_number_from_either_end(world: ApiWorld) -> None:
    """libraries.md, output: `from=-1000&limit=`; a viewer that opens late sees everything."""
    task = await world.new_task()
    await world.begin(task["id"])
    world.print(b"".join(b"line %d\n" % n for n in range(100)) + b"no newline yet", 0)
    path = f"/tasks/{task['id']}/output"
    page = await world.get(f"{path}?from=10&limit=3")
    assert (["line 10", "line 11", "line 12"], 13, 101) == (
        [line["text"] for line in page["lines"]],
        page["next"],
        page["total"],
    )
    tail = await world.get(f"{path}?from=-2")
    assert [(99, "line 99"), (100, "no newline yet")] == [(line["number"], line["text"]) for line in tail["lines"]]
    assert [] == (await world.get(f"{path}?from=500"))["lines"]


async def test_lines_that_say_more_than_text_are_marked_and_stay_as_they_are(world: ApiWorld) -> None:
    """bot-packages.md §7, layer 2: "only display and masking"; the text is what the bot wrote."""
    task = await world.new_task()
    await world.begin(task["id"])
    printed_lines = [
        "plain",
        "::error file=a.py,line=3::no%0Away",
        "::group::Invoices",
        "::debug::x",
        "::endgroup::",
        "::add-mask::***",
        "::stop-commands::tok",
        "::warning::text",
        "::tok::",
        "::unknown::y",
    ]
    world.print("\n".join(printed_lines).encode() + b"\r\n", 0)
    page = await world.get(f"/tasks/{task['id']}/output")
    assert printed_lines == [line["text"].rstrip("\r") for line in page["lines"]]
    marked = {
        line["number"]: (line["level"], line["group"], line["title"], line["said"])
        for line in page["lines"]
        if line["level"] or line["group"]
    }
    assert {
        1: ("error", None, "a.py:3", "no\nway"),
        2: (None, "begin", None, "Invoices"),
        3: ("debug", None, None, "x"),
        4: (None, "end", None, ""),
    } == marked


async def test_a_task_that_never_ran_has_no_output_and_that_is_no_error(world: ApiWorld) -> None:
    task = await world.new_task()
    page = await world.get(f"/tasks/{task['id']}/output")
    assert (None, [], "none", False) == (page["execution"], page["lines"], page["state"], page["complete"])
    async with world.request("GET", f"/tasks/{task['id']}/output/raw") as response:
        assert (200, b"") == (response.status, await response.read())


async def test_the_bytes_are_those_that_the_bot_wrote(world: ApiWorld) -> None:
    """core.md §3: "Only masking and gaps change bytes; everything else is display" - not even broken UTF-8."""
    task = await world.new_task()
    await world.begin(task["id"])
    data = b"\xff\x00\r\nbell \x07" + "größe".encode()[:-1] + bytes(range(256)) * 3000
    world.print(data, 0)
    path = f"/tasks/{task['id']}/output/raw"
    async with world.request("GET", path) as response:
        assert data == await response.read()
        assert ("nosniff", "application/octet-stream") == (
            response.headers["X-Content-Type-Options"],
            response.content_type,
        )
        assert response.headers["Content-Disposition"].startswith("attachment")


async def test_a_range_of_bytes_can_be_asked_for(world: ApiWorld) -> None:
    task = await world.new_task()
    await world.begin(task["id"])
    world.print(b"0123456789", 0)
    expected = {
        "bytes=2-4": (206, b"234", "bytes 2-4/10"),
        "bytes=7-": (206, b"789", "bytes 7-9/10"),
        "bytes=-3": (206, b"789", "bytes 7-9/10"),
        "bytes=8-99": (206, b"89", "bytes 8-9/10"),
        "lines=1-2": (200, b"0123456789", None),
    }
    for header, (status, body, told) in expected.items():
        async with world.request("GET", f"/tasks/{task['id']}/output/raw", headers={"Range": header}) as response:
            assert (header, status, body, told) == (
                header,
                response.status,
                await response.read(),
                response.headers.get("Content-Range"),
            )
    async with world.request("GET", f"/tasks/{task['id']}/output/raw", headers={"Range": "bytes=10-"}) as response:
        assert (416, "bytes */10") == (response.status, response.headers["Content-Range"])


async def test_a_follower_sees_waiting_then_the_bytes_as_they_come_then_the_end(world: ApiWorld) -> None:
    """Issue 2: "its output appears while it runs, its final status is the one that the bot reported"."""
    task = await world.new_task()
    seen: list[ServerSent] = []
    async with asyncio.TaskGroup() as group:
        group.create_task(follow(world, task["id"], seen))
        # given a task that waits: its follower is told why
        await eventually(lambda: any(event.name == "waiting" for event in seen))
        # when it starts and prints, each piece comes at once
        await world.begin(task["id"])
        world.print(b"one\n", 0)
        await eventually(lambda: printed(seen) == b"one\n")
        world.print(b"two\n", 4, channel=Channel.STDERR)
        await eventually(lambda: printed(seen) == b"one\ntwo\n")
        assert not any(event.name == "end" for event in seen)
        # then it finishes, and the stream ends by itself
        await world.settle(task["id"], message="done")
    assert ("end", "succeeded", "done") == (seen[-1].name, seen[-1].data["outcome"], seen[-1].data["message"])
    channels = [event.data["stream"] for event in seen if event.name == "output"]
    assert ["stdout", "stderr"] == channels


async def test_a_follower_that_was_cut_off_goes_on_behind_its_last_byte(world: ApiWorld) -> None:
    """Bytes exactly once: the id of each piece names attempt and offset; Last-Event-ID goes on there."""
    task = await world.new_task()
    await world.begin(task["id"])
    world.print(b"first ", 0)
    seen: list[ServerSent] = []
    async with asyncio.TaskGroup() as group:
        cut = group.create_task(follow(world, task["id"], seen))
        await eventually(lambda: printed(seen) == b"first ")
        cut.cancel()
    world.print(b"second ", 6)
    place = next(event.id for event in reversed(seen) if event.name == "output")
    again: list[ServerSent] = []
    async with asyncio.TaskGroup() as group:
        group.create_task(follow(world, task["id"], again, place))
        await eventually(lambda: printed(again) == b"second ")
        world.print(b"third", 13)
        await world.settle(task["id"])
    assert b"second third" == printed(again)


async def test_a_late_follower_sees_everything_and_then_the_end(world: ApiWorld) -> None:
    task = await world.new_task()
    await world.begin(task["id"])
    data = b"x" * 1_000_000 + b"\n"
    for start in range(0, len(data), 60_000):
        world.print(data[start : start + 60_000], start)
    await world.settle(task["id"])
    seen: list[ServerSent] = []
    async with asyncio.timeout(20):
        await follow(world, task["id"], seen)
    assert hashlib.sha256(data).hexdigest() == hashlib.sha256(printed(seen)).hexdigest()
    assert "end" == seen[-1].name


async def test_a_follower_may_begin_at_the_last_lines(world: ApiWorld) -> None:
    task = await world.new_task()
    await world.begin(task["id"])
    world.print(b"".join(b"line %d\n" % n for n in range(50)), 0)
    await world.settle(task["id"])
    seen: list[ServerSent] = []
    await follow(world, task["id"], seen, **{"from": "-2"})
    assert b"line 48\nline 49\n" == printed(seen)


async def test_a_second_attempt_is_followed_after_the_first(world: ApiWorld) -> None:
    """D9, §4: a retry is a new execution of the same task; its output is one of its own."""
    task = await world.new_task()
    await world.begin(task["id"])
    world.print(b"first attempt\n", 0)
    seen: list[ServerSent] = []
    async with asyncio.TaskGroup() as group:
        group.create_task(follow(world, task["id"], seen))
        await eventually(lambda: printed(seen) == b"first attempt\n")
        now = world.clock.now()
        await world.update("executions", "exe_" + "6" * 32, state="finished", outcome="failed", settled_at=now)
        await world.update("tasks", task["id"], state="queued", runner_id=None, build_id=None)
        await world.begin(task["id"], SECOND, fence=2)
        world.print(b"second attempt\n", 0, SECOND)
        await eventually(lambda: printed(seen) == b"first attempt\nsecond attempt\n")
        await world.settle(task["id"], SECOND)
    begun = [event.data["execution"] for event in seen if event.name == "execution"]
    assert ["exe_" + "6" * 32, SECOND] == begun


async def test_a_follower_is_cut_off_when_its_key_is_revoked(world: ApiWorld) -> None:
    """S7, S5: a stream outlives no credential by more than a few seconds."""
    task = await world.new_task()
    await world.begin(task["id"])
    keys = (await world.get("/keys"))["items"]
    viewer = next(key["id"] for key in keys if key["name"] == "the viewer")
    async with world.request("GET", f"/tasks/{task['id']}/output?follow=true", "viewer") as response:
        await response.content.readline()
        await world.call("POST", f"/keys/{viewer}/revoke")
        world.clock.advance(6)
        async with asyncio.timeout(10):
            while await response.content.readline():
                continue


async def test_text_that_is_cut_inside_a_letter_is_put_together_again(world: ApiWorld) -> None:
    task = await world.new_task()
    await world.begin(task["id"])
    letter = "ß".encode()
    world.print(b"gro" + letter[:1], 0)
    seen: list[ServerSent] = []
    async with asyncio.TaskGroup() as group:
        group.create_task(follow(world, task["id"], seen, encoding="text"))
        await eventually(lambda: [event.name for event in seen if event.name == "output"])
        world.print(letter[1:] + b"e\n", 4)
        await world.settle(task["id"])
    assert "große\n" == "".join(event.data["text"] for event in seen if event.name == "output")


async def test_the_event_feed_is_followed_live_and_resumed_by_position(world: ApiWorld) -> None:
    """core.md §5: readers follow the dense position."""
    seen: list[ServerSent] = []

    async def read(after: str) -> None:
        headers = {"Last-Event-ID": after} if after else {}
        async with world.request("GET", "/events?follow=true", headers=headers) as response:
            async for event in server_sent(response):
                seen.append(event)  # noqa: PERF401  # others look at it meanwhile

    async with asyncio.TaskGroup() as group:
        first = group.create_task(read(""))
        await eventually(lambda: any(event.name == "automation.created" for event in seen))
        await world.new_task()
        await eventually(lambda: seen[-1].name == "task.created")
        first.cancel()
    last = seen[-1]
    await world.new_task()
    async with asyncio.TaskGroup() as group:
        second = group.create_task(read(last.id))
        await eventually(lambda: seen[-1].id != last.id)
        second.cancel()
    numbers = [event.data["pos"] for event in seen]
    assert sorted(set(numbers)) == numbers
