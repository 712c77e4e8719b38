"""Output that is no text: stored as bytes, shown safely (R36)."""

import json

import pytest

from tests.support.api_hub import ApiWorld
from tests.support.typed import Typed

PIECE = 512 * 1024
LONG = 10_000_000
PAGE_MAX = 2 * 1024 * 1024
"""What a page of lines may weigh, whatever a bot prints."""


async def test_a_line_of_ten_megabytes_is_bytes_and_no_page(world: ApiWorld) -> None:
    """R36: a 10 MB line is stored as bytes; its line is cut and marked, and those after it are shown."""
    task = await world.new_task()
    await world.begin(task["id"])
    data = b"before\n" + b"x" * LONG + b"\nafter\n"
    for start in range(0, len(data), PIECE):
        world.print(data[start : start + PIECE], start)
    path = f"/tasks/{task['id']}/output"
    async with world.request("GET", f"{path}/raw") as response:
        assert data == await response.read()
    shown, number = [], 0
    while number < 3:
        async with world.request("GET", f"{path}?from={number}") as response:
            body = await response.read()
        assert len(body) < PAGE_MAX
        page = json.loads(body)
        shown += page["lines"]
        assert number < page["next"]
        number = page["next"]
    assert [("before", False), ("after", False)] == [(shown[place]["text"], shown[place]["cut"]) for place in (0, 2)]
    assert shown[1]["cut"] is True
    assert {"x"} == set(shown[1]["text"])


@pytest.mark.parametrize("cut", range(1, 12))
async def test_what_is_no_text_is_shown_safely_wherever_it_was_cut(world: ApiWorld, cut: int) -> None:
    """R36: NUL, bad UTF-8, an escape cut in two: the bytes as they were; as text whole escapes, U+FFFD for the rest."""
    task = await world.new_task()
    await world.begin(task["id"])
    data = b"a\x00\xff\xc3\x1b[31mred\x1b[0m\xe2\x82\n"
    world.print(data[:cut], 0)
    world.print(data[cut:], cut)
    path = f"/tasks/{task['id']}/output"
    async with world.request("GET", f"{path}/raw") as response:
        assert data == await response.read()
    (line,) = (await world.get(path))["lines"]
    assert "a\x00\ufffd\ufffd\x1b[31mred\x1b[0m\ufffd" == line["text"]
    assert line["cut"] is False


async def test_an_error_line_of_a_bot_moves_no_terminal(world: ApiWorld, typed: Typed) -> None:
    """R36, S28: what a listing shows of a bot's words has no escape in it."""
    task = await world.new_task()
    await world.begin(task["id"])
    await world.settle(task["id"], outcome="failed", reason="exit_code", message="bad \x1b]0;title\x07 \x1b[2J end")
    shown = (await typed("task", "show", "1")).out
    assert b"\x1b" not in shown
    assert b"\x07" not in shown
    assert b"bad" in shown
