"""Tab: what may follow, from the commands themselves and from the hub; silent whatever fails."""

import asyncio
import os
import shutil
import sys

import pytest

from agent.ports.shells import SHELLS, answer, script
from tests.support.api_hub import ApiWorld
from tests.support.rig import ROOT
from tests.support.typed import Typed
from tests.support.waiting import seconds


@pytest.mark.parametrize(
    ("typed_so_far", "offered"),
    [
        ("", "runner"),
        ("ru", "run"),
        ("runner dr", "drain"),
        ("run inv", "invoices"),
        ("run invoices --fol", "--follow"),
        ("task show ", "1"),
        ("task why --json ", "1"),
        ("logs ", "1"),
        ("runner drain ", "desk-1"),
        ("task list --state qu", "queued"),
        ("task list --runner ", "desk-1"),
        ("task list --json --automation str", "strict"),
        ("automation create x --bot ", "invoices"),
        ("bot show ", "invoices"),
        ("key create x --role ", "viewer"),
        ("completion z", "zsh"),
    ],
)
async def test_what_may_follow_is_offered(world: ApiWorld, typed: Typed, typed_so_far: str, offered: str) -> None:
    """Issue 3, part 6: commands, options, closed lists, labels, tasks, runners."""
    await world.new_task()
    told = await typed("__complete", *typed_so_far.split(" "))
    words = [line.split("\t")[0] for line in told.text.splitlines()]
    assert (0, "") == (told.code, told.err)
    assert offered in words
    last = typed_so_far.rpartition(" ")[2]
    assert all(word.startswith(last) for word in words)


@pytest.mark.parametrize("words", [("task", "show", ""), ("frob", ""), ("deploy", ""), ("run", "x", "--priority", "")])
async def test_where_nothing_can_be_said_it_is_silent(
    typed: Typed, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    """A hub that is down, a word that is no command, a path: the shell offers files, and shows no error."""
    monkeypatch.setenv("BOTYARD_URL", "http://127.0.0.1:9")
    told = await typed("__complete", *words)
    assert (b"", "") == (told.out, told.err)


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
@pytest.mark.parametrize(
    ("module", "program", "line", "offered"),
    [("hub.cli", "botyard", "run in", "invoices"), ("agent", "botyard-agent", "run --log-level W", "WARNING")],
)
async def test_bash_completes_with_the_printed_script(
    world: ApiWorld, module: str, program: str, line: str, offered: str
) -> None:
    """The script as a person evaluates it, in a real bash."""
    count = len(line.split())
    told = f"""
        {program}() {{ {sys.executable} -m {module} "$@"; }}
        command() {{ "$@"; }}
        eval "$({program} completion bash)"
        COMP_WORDS=({program} {line}); COMP_CWORD={count}
        _{program.replace("-", "_")}_complete
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    env = {**os.environ, "BOTYARD_URL": world.url, "BOTYARD_TOKEN": world.secrets["viewer"], "PYTHONPATH": str(ROOT)}
    pipe = asyncio.subprocess.PIPE
    child = await asyncio.create_subprocess_exec("bash", "-c", told, stdout=pipe, stderr=pipe, env=env)
    async with asyncio.timeout(seconds(30)):
        out, err = await child.communicate()
    assert ([offered], b"") == (out.decode().split(), err)


def test_each_shell_has_a_script_that_names_the_program() -> None:
    for shell in SHELLS:
        text = script("botyard-agent", shell)
        assert "botyard-agent __complete" in text
        assert "PROGRAM" not in text
        assert "NAME" not in text


def test_an_answer_is_one_line_a_word() -> None:
    assert "run\tone two\nrunner\n" == answer([("run", "one\n two"), ("runner", ""), ("task", "x")], "ru")
