"""The command line against the API on a real store: what people type, what they see, and with which code it ends."""

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from hub.api.task_views import HIDDEN
from hub.cli.__main__ import run
from tests.support.api_hub import RUNNER, ApiWorld
from tests.support.rig import ROOT
from tests.support.waiting import eventually, seconds

Typed = Callable[..., Coroutine[Any, Any, "Answer"]]


@dataclass(frozen=True)
class Answer:
    """What a command printed, and its exit code."""

    code: int
    out: bytes
    err: str

    def json(self) -> Any:
        """Standard output as JSON."""
        return json.loads(self.out)


@pytest.fixture
def typed(
    world: ApiWorld, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> Typed:
    """Type a command: it runs as it does in a process of its own, in a thread beside the hub."""
    monkeypatch.setenv("BOTYARD_URL", world.url)
    monkeypatch.setenv("BOTYARD_TOKEN", world.secrets["admin"])
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("COLUMNS", "120")

    async def type_(*words: str) -> Answer:
        capfdbinary.readouterr()
        code = await asyncio.to_thread(run, list(words))
        printed = capfdbinary.readouterr()
        return Answer(code, printed.out, printed.err.decode())

    return type_


@contextlib.asynccontextmanager
async def process(world: ApiWorld, *words: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """The same in a process of its own, for signals."""
    env = {**os.environ, "BOTYARD_URL": world.url, "BOTYARD_TOKEN": world.secrets["admin"], "PYTHONPATH": str(ROOT)}
    pipe = asyncio.subprocess.PIPE
    command = (sys.executable, "-m", "hub.cli", *words)
    child = await asyncio.create_subprocess_exec(*command, stdout=pipe, stderr=pipe, env=env)
    try:
        yield child
    finally:
        if child.returncode is None:
            child.kill()
        await child.wait()


async def test_run_prints_the_id_first_and_returns(world: ApiWorld, typed: Typed) -> None:
    """design.md §5."""
    answer = await typed("run", "invoices", "-p", "month=2026-03")
    task = await world.get("/tasks/1")
    assert (0, f"{task['id']}\n") == (answer.code, answer.out.decode())
    assert {"month": "2026-03"} == task["parameters"]
    assert "botyard logs -f" in answer.err


@pytest.mark.parametrize(
    ("outcome", "code"), [("succeeded", 0), ("partial", 3), ("failed", 1), ("canceled", 4), ("lost", 6)]
)
async def test_run_follow_shows_the_bytes_and_ends_with_the_outcome(
    world: ApiWorld, typed: Typed, outcome: str, code: int
) -> None:
    """design.md §5: id first, the bytes as the bot wrote them, the outcome's exit code."""
    data = b"one\r\n\xff\x00two\n"
    async with asyncio.TaskGroup() as group:
        follower = group.create_task(typed("run", "invoices", "--follow"))
        task = (await eventually(lambda: _tasks(world)))[0]
        await world.begin(task["id"])
        world.print(data, 0)
        await world.settle(task["id"], outcome=outcome, message="as the bot said", total=3, processed=2, failed=1)
    answer = follower.result()
    assert code == answer.code
    assert f"{task['id']}\n".encode() + data == answer.out
    assert f"{outcome} - as the bot said [3 items: 2 processed, 1 failed]" == answer.err.splitlines()[-1]


async def test_ctrl_c_detaches_and_says_how_to_come_back(world: ApiWorld) -> None:
    """design.md §5: 130 detached; the task goes on."""
    async with process(world, "run", "invoices", "--follow") as child:
        assert child.stdout is not None
        task_id = (await child.stdout.readline()).decode().strip()
        await world.begin(task_id)
        world.print(b"hello\n", 0)
        assert b"hello\n" == await child.stdout.readline()
        child.send_signal(signal.SIGINT)
        async with asyncio.timeout(seconds(20)):
            _, err = await child.communicate()
    assert 130 == child.returncode
    assert f"botyard logs -f {task_id}" in err.decode()
    assert "Traceback" not in err.decode()
    assert "running" == (await world.get(f"/tasks/{task_id}"))["state"]


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


async def test_task_show_has_what_scripts_rely_on(world: ApiWorld, typed: Typed) -> None:
    """design.md §5: state, outcome, reason, exit_code, message, totals, output: {lines, bytes, sha256, complete}."""
    task = await world.new_task()
    await world.begin(task["id"])
    await world.update(
        "executions", "exe_" + "6" * 32, output_bytes=4, output_lines=1, output_state="complete", output_sha256="a" * 64
    )
    await world.settle(task["id"], outcome="failed", reason="exit_code", exit_code=7, message="m")
    shown = (await typed("task", "show", "1", "--json")).json()
    assert ("finished", "failed", "exit_code", 7, "m", None) == tuple(
        shown[name] for name in ("state", "outcome", "reason", "exit_code", "message", "totals")
    )
    assert {"lines": 1, "bytes": 4, "sha256": "a" * 64, "complete": True, "state": "complete"} == shown["output"]
    assert "failed (exit_code) exit code 7 - m" in (await typed("task", "show", "1")).out.decode()


async def test_keys_and_enrolment_tokens_are_given_as_scripts_want_them(world: ApiWorld, typed: Typed) -> None:
    """design.md §5: `login` and `key`; `token` and the command to paste, with no secret in an argument (S11)."""
    key = (await typed("key", "create", "ci", "--role", "developer", "--json")).json()
    assert key["key"].startswith("byk_")
    assert key["login"] == key["id"]
    token = (await typed("runner", "token", "--label", "room=a", "--json")).json()
    assert token["token"].startswith("byt_")
    assert {"room": "a"} == token["labels"]
    assert f"botyard-agent enroll {world.url} --token -" in token["command"]
    assert token["token"] not in token["command"].partition("|")[2]


async def test_login_writes_a_profile_for_this_user_alone(
    world: ApiWorld, typed: Typed, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """design.md §5: profile 0600; the environment wins."""
    monkeypatch.delenv("BOTYARD_URL")
    monkeypatch.delenv("BOTYARD_TOKEN")
    answer = await typed("task", "list")
    assert (2, True) == (answer.code, "botyard login URL" in answer.err)
    file = tmp_path / "key"
    file.write_text(world.secrets["viewer"] + "\n")
    assert 0 == (await typed("login", world.url, "--token-file", str(file))).code
    profile = tmp_path / "config" / "botyard" / "profile.json"
    assert 0o600 == profile.stat().st_mode & 0o777
    answer = await typed("run", "invoices")
    assert (1, "botyard: This needs the role operator; the key 'the viewer' has the role viewer.\n") == (
        answer.code,
        answer.err,
    )
    monkeypatch.setenv("BOTYARD_TOKEN", world.secrets["operator"])
    monkeypatch.setenv("BOTYARD_URL", world.url)
    assert 0 == (await typed("run", "invoices")).code


async def test_a_key_is_never_sent_to_another_hub_than_the_one_it_was_given_for(
    world: ApiWorld, typed: Typed, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "key"
    file.write_text(world.secrets["admin"])
    await typed("login", world.url, "--token-file", str(file))
    monkeypatch.delenv("BOTYARD_TOKEN")
    monkeypatch.setenv("BOTYARD_URL", "http://127.0.0.1:9")
    answer = await typed("task", "list")
    assert (2, True) == (answer.code, "no key for http://127.0.0.1:9" in answer.err)


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("task", "show", "999"), 1, "There is no task '999' here"),
        (("run", "nothing"), 1, "There is no automation 'nothing' here"),
        (("run", "strict"), 2, "parameters.month: missing"),
        (("run", "invoices", "-p", "month"), 2, "no name=value"),
        (("run", "invoices", "-p", "month:=nope"), 2, "takes json"),
        (("run",), 2, "See botyard run --help"),
        (("rnu",), 2, "No such command"),
        (("run", "invoices", "--frob"), 2, "No such option: --frob. See botyard run --help."),
        (("hub", "serve", "--data", "/dev/null/x", "--database", "foo"), 2, "--database is not a database URL"),
        (("deploy", "/does/not/exist"), 2, "there is no /does/not/exist"),
        (("automation", "create", "pagination", "--bot", "invoices"), 2, "fixed word"),
        (("runner", "token", "--label", "room"), 2, "no name=value"),
    ],
)
async def test_a_mistake_is_told_in_one_line_with_its_remedy(
    world: ApiWorld, typed: Typed, words: tuple[str, ...], code: int, told: str
) -> None:
    answer = await typed(*words)
    assert code == answer.code
    assert told in answer.err
    assert answer.err.startswith("botyard: ")
    assert b"" == answer.out
    assert len(answer.err.splitlines()) <= 2


async def test_a_hub_that_is_not_reached_is_seven(
    world: ApiWorld, typed: Typed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BOTYARD_URL", "http://127.0.0.1:9")
    assert 7 == (await typed("task", "list")).code


async def test_parameters_are_typed_as_the_automation_declares_them(world: ApiWorld, typed: Typed) -> None:
    answer = await typed(
        "automation", "create", "typed", "--bot", "invoices", "-p", "count:integer=3", "-p", "name!", "-p", "pin?:text"
    )
    assert 0 == answer.code, answer.err
    await typed("run", "typed", "-p", "count=7", "-p", "name=7", "-p", 'pin=a=b"c')
    task = await world.get("/tasks/1")
    assert {"count": 7, "name": "7"} == {name: task["parameters"][name] for name in ("count", "name")}
    shown = (await typed("automation", "show", "typed")).out.decode()
    assert "count: integer = 3" in shown
    assert "pin: text secret" in shown


async def test_an_automation_is_changed_by_name(world: ApiWorld, typed: Typed) -> None:
    await typed("automation", "edit", "invoices", "--priority", "9", "--need", "os=linux", "--pause")
    shown = (await typed("automation", "show", "invoices", "--json")).json()
    assert (9, {"os": "linux"}, "paused") == (shown["priority"], shown["needs"], shown["state"])
    answer = await typed("run", "invoices")
    assert (1, True) == (answer.code, "paused" in answer.err)


async def test_secret_parameters_come_from_a_file(world: ApiWorld, typed: Typed, tmp_path: Path) -> None:
    """S11: what stands on a command line is read by everybody on the machine; `-p` wins where both say something."""
    file = tmp_path / "parameters.json"
    file.write_text('{"month": "3", "pin": "hunter2"}')
    answer = await typed("run", "strict", "--parameters", str(file), "-p", "month=4")
    task = await world.get(f"/tasks/{answer.out.decode().strip()}")
    assert {"month": "4", "pin": HIDDEN} == task["parameters"]
    for text, why in (("[1]", "JSON object"), ("nope", "JSON object"), (None, "can't be read")):
        file.write_text(text) if text is not None else file.unlink()
        refused = await typed("run", "strict", "--parameters", str(file))
        assert 2 == refused.code
        assert why in refused.err
    assert "hunter2" not in answer.err


async def test_tasks_are_ended_and_run_again(world: ApiWorld, typed: Typed) -> None:
    await world.new_task()
    assert b"1: canceled\n" == (await typed("task", "cancel", "1")).out
    again = (await typed("task", "restart", "1")).out.decode().strip()
    assert 2 == (await world.get(f"/tasks/{again}"))["round"]
    assert b"all 1 slots" in (await typed("task", "why", "1")).out or b"busy" in (await typed("task", "why", "1")).out
    assert b"1.2: canceled\n" == (await typed("task", "kill", "1")).out


async def test_what_a_table_shows_can_be_typed_back(world: ApiWorld, typed: Typed) -> None:
    """core.md §4, rounds: a number is the newest round, `number.round` one of them."""
    task = await world.new_task()
    await world.begin(task["id"])
    await world.settle(task["id"], outcome="failed", message="first line\nsecond line")
    await typed("task", "restart", "1")
    rows = (await typed("task", "list")).out.decode().splitlines()
    assert ["task", "1.2", "1"] == [row.split()[0] for row in rows]
    assert "first line …" in rows[2]
    assert (await typed("task", "show", "1.1", "--json")).json()["round"] == 1
    assert (await typed("task", "show", "1.2", "--json")).json()["round"] == 2
    assert b"second line" in (await typed("task", "show", "1.1")).out
    assert b"nothing holds task 1; it has ended: failed" in (await typed("task", "why", "1.1")).out
    assert (1, "botyard: There is no task '1.3' here. `botyard task list` shows all.\n") == (
        (told := await typed("task", "show", "1.3")).code,
        told.err,
    )


async def test_a_name_that_cannot_be_a_label_is_refused_before_anything_is_kept(
    world: ApiWorld, typed: Typed, tmp_path: Path
) -> None:
    """A deploy is done whole or not at all."""
    (folder := tmp_path / "we ird").mkdir()
    (folder / "main.py").write_text("print(1)")
    before = (await typed("bot", "list", "--json")).out
    answer = await typed("deploy", str(folder))
    assert (2, True) == (answer.code, "name it with --bot" in answer.err)
    assert before == (await typed("bot", "list", "--json")).out
    assert 0 == (await typed("deploy", str(folder), "--no-automation", "--no-release")).code


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


async def test_a_runner_is_drained_resumed_and_revoked(world: ApiWorld, typed: Typed) -> None:
    assert b"desk-1: connected (draining)\n" == (await typed("runner", "drain", "desk-1")).out
    assert b"desk-1: connected\n" == (await typed("runner", "resume", "desk-1")).out
    assert (await typed("runner", "show", "desk-1", "--json")).json()["slots"] == 1
    unasked = await typed("runner", "revoke", "desk-1")
    assert (unasked.code, "--yes" in unasked.err) == (2, True)
    assert b"desk-1: revoked\n" == (await typed("runner", "revoke", "desk-1", "--yes")).out


async def test_deploy_shows_its_way_and_waits_for_a_prepared_runner(
    world: ApiWorld, typed: Typed, tmp_path: Path
) -> None:
    """Issue 2 part 10; design.md §1: `deploy` waits for ready, with release until one fit runner has prepared it."""
    folder = tmp_path / "greeter"
    folder.mkdir()
    (folder / "main.py").write_text("print('hello')\n")
    (folder / "VERSION").write_text("1.2.3\n")
    async with asyncio.TaskGroup() as group:
        deploying = group.create_task(typed("deploy", str(folder)))
        build = await eventually(lambda: _build(world, "greeter", "1.2.3"))
        prepared = {"runner_id": RUNNER, "build_id": build["id"], "state": "prepared", "progress": 1.0}
        await world.insert("preparations", updated_at=world.clock.now(), **prepared)
    answer = deploying.result()
    assert 0 == answer.code, answer.err
    assert f"greeter 1.2.3 {build['digest'][:12]}\n" == answer.out.decode()
    told = answer.err.splitlines()
    assert told[0].startswith("uploading greeter.zip")
    assert {"greeter 1.2.3: received", "greeter 1.2.3: ready", "greeter 1.2.3: released"} <= set(told)
    assert "greeter 1.2.3: prepared on 1 of 1 runners" in told
    assert "greeter" == (await world.get("/automations/greeter"))["bot"]
    again = await typed("deploy", str(folder))
    assert "greeter 1.2.3: known already" in again.err
    (folder / "main.py").write_text("print('other')\n")
    changed = await typed("deploy", str(folder))
    assert (1, True) == (changed.code, "A version never changes" in changed.err)


async def test_deploy_without_release_or_automation_leaves_both(world: ApiWorld, typed: Typed, tmp_path: Path) -> None:
    script = tmp_path / "hello.sh"
    script.write_text("#!/bin/sh\necho hello\n")
    answer = await typed("deploy", str(script), "--no-release", "--no-automation", "--version", "9", "--json")
    build = answer.json()
    assert ("hello", "9", "ready", False, None) == tuple(
        build[name] for name in ("bot", "version", "state", "is_released", "automation")
    )
    assert b"hello 9 is released\n" == (await typed("bot", "release", "hello", "9")).out
    assert b"9        released" in (await typed("bot", "show", "hello")).out


async def test_every_command_has_help_with_an_example(typed: Typed) -> None:
    commands = ["run", "logs", "deploy", "up", "demo", "login", "events", "hub serve", "task list", "runner token"]
    commands += ["task cancel", "key create", "automation create", "bot release"]
    for command in commands:
        answer = await typed(*command.split(), "--help")
        assert 0 == answer.code
        assert "xample" in answer.out.decode(), command


async def _tasks(world: ApiWorld) -> Any:
    return (await world.get("/tasks"))["items"]


async def _build(world: ApiWorld, bot: str, version: str) -> Any:
    status, body = await world.call("GET", f"/bots/{bot}/builds/{version}")
    return body if status == 200 and body["is_released"] else None
