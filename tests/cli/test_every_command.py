"""What holds for every command: help with an example, JSON for scripts, tables that fit."""

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import typer

from hub.cli.__main__ import COMMANDS as MODULES
from hub.cli.__main__ import app
from tests.support.api_hub import ApiWorld
from tests.support.rig import ROOT
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


def commands(group: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command with the words that it is typed with."""
    for name in group.list_commands(None):
        found = group.get_command(None, name)
        if hasattr(found, "list_commands"):
            yield from commands(found, (*path, name))
        else:
            yield (*path, name), found


COMMANDS = dict(commands(typer.main.get_command(app)))
PRINTS_NO_RESULT = {
    ("up",): "a server: it says on stderr that it is ready, and runs until it is stopped",
    ("hub", "serve"): "a server",
    ("completion",): "prints what a shell reads",
}


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
async def test_every_command_has_help_with_an_example(typed: Typed, words: tuple[str, ...]) -> None:
    answer = await typed(*words, "--help")
    assert 0 == answer.code
    assert "xample" in answer.text
    assert f"botyard {words[0]}" in answer.text


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_example_can_be_pasted(words: tuple[str, ...]) -> None:
    """A command a line, whole: two joined in one, or one that the help wraps, can't be copied."""
    parts = [part.strip() for part in (COMMANDS[words].epilog or "").split("\n\n")]
    lines = [part for part in parts if "\n" not in part and "botyard " in part]
    assert [] == [line for line in lines if "; botyard" in line or len(line) > 95]


@pytest.mark.parametrize("words", [words for words in COMMANDS if words not in PRINTS_NO_RESULT], ids=" ".join)
def test_every_command_that_prints_something_takes_json(words: tuple[str, ...]) -> None:
    """Issue 3, part 6: `--json` everywhere; a new command without it fails here."""
    options = [name for one in COMMANDS[words].params if one.param_type_name == "option" for name in one.opts]
    assert "--json" in options


def test_what_prints_no_result_is_known() -> None:
    assert set(PRINTS_NO_RESULT) <= set(COMMANDS)


def test_the_command_line_starts_without_the_server() -> None:
    """libraries.md: commands are imported when they are asked for; a listing needs no database, no web server."""
    code = "import sys, hub.cli.__main__, hub.cli.task, hub.cli.run; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT).stdout
    heavy = {"sqlalchemy", "aiohttp", "uvloop", "rich", "asyncio", "alembic", "cryptography", "jinja2"}
    assert set() == heavy & set(loaded.split())


def test_the_listing_says_of_each_command_what_it_says_itself() -> None:
    """The listing imports no command; so its words are a copy, which this keeps true."""
    group: Any = typer.main.get_command(app)
    for name, (_, about) in MODULES.items():
        command = group.get_command(None, name)
        assert about == (command.help or "").partition(".")[0].partition("\n\n")[0].replace("\n", " ") + ".", name
