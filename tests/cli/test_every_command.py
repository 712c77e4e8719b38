"""What holds for every command: help with an example, JSON for scripts, tables that fit."""

import json

from tests.support.api_hub import ApiWorld
from tests.support.typed import Typed


async def test_every_listing_has_a_table_that_fits_and_json(world: ApiWorld, typed: Typed) -> None:
    """design.md §5: every listing takes --json."""
    await world.new_task(parameters={"month": "x" * 500})
    for noun in ("task", "automation", "bot", "runner", "key"):
        answer = await typed(noun, "list")
        assert 0 == answer.code
        assert max(len(line) for line in answer.out.decode().splitlines()) <= 120
        assert (await typed(noun, "list", "--json")).json()["items"]
    events = [json.loads(line) for line in (await typed("events", "--json")).out.splitlines()]
    assert "task.created" in {event["kind"] for event in events}
    assert b"task.created" in (await typed("events")).out


async def test_every_command_has_help_with_an_example(typed: Typed) -> None:
    commands = ["run", "logs", "deploy", "up", "demo", "login", "events", "hub serve", "task list", "runner token"]
    commands += ["task cancel", "key create", "automation create", "bot release"]
    for command in commands:
        answer = await typed(*command.split(), "--help")
        assert 0 == answer.code
        assert "xample" in answer.out.decode(), command
