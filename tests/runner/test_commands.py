"""`botyard-agent` as people type it: enroll, run, status, drain, stop, and the exit codes (`packaging.md` §2)."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.runner.conftest import credit, hub_and_runner
from tests.support.runner import RunnerProcess
from tests.support.scripted_hub import ScriptedHub
from tests.support.waiting import eventually


@pytest.fixture
async def shared(tmp_path: Path) -> AsyncIterator[tuple[ScriptedHub, RunnerProcess]]:
    """A pair of its own for each test."""
    async with hub_and_runner(tmp_path) as pair:
        yield pair


async def command(*words: str, stdin: str = "") -> tuple[int, str, str]:
    """Run `botyard-agent` with these words; exit code, output, errors."""
    line = [sys.executable, "-P", "-m", "agent", *words]

    def run() -> tuple[int, str, str]:
        done = subprocess.run(line, input=stdin, capture_output=True, text=True, timeout=60, check=False, cwd="/")
        return done.returncode, done.stdout, done.stderr

    return await asyncio.to_thread(run)


async def test_enroll_run_status_drain_stop(hub: ScriptedHub, tmp_path: Path) -> None:
    """Design §5: the way of one machine."""
    # given
    home, url = tmp_path / "fresh", f"http://127.0.0.1:{hub.port}"
    words = ("--home", str(home), "--token", "-", "--name", "vm-1", "--label", "a=b", "--slots", "2")

    # when
    code, out, err = await command("enroll", url, *words, stdin="byt_secret\n")

    # then
    assert (code, err) == (0, "")
    assert "runner vm-1" in out
    assert "SHA256:" in out
    assert "byt_secret" not in out
    assert hub.enrolments[0].slots == 2

    # given it does not run
    code, out, _ = await command("status", "--home", str(home), "--json")
    assert (code, json.loads(out)["running"]) == (3, False)

    # when it runs
    runner = RunnerProcess(home)
    runner.start()
    await credit(hub, 1)
    code, out, _ = await command("status", "--home", str(home), "--json")
    said = json.loads(out)
    assert (code, said["linked"], said["slots"], said["free"]) == (0, True, 2, 2)
    code, out, _ = await command("status", "--home", str(home))
    assert (code, "linked" in out) == (0, True)

    # when it is drained, and takes work again
    code, out, _ = await command("drain", "--home", str(home))
    assert (code, out) == (0, "takes no new work; 0 bots still run\n")
    await eventually(lambda: not hub.credits)
    await command("drain", "--off", "--home", str(home))
    await credit(hub, 1)

    # when a second daemon is started there
    code, _, err = await command("run", "--home", str(home))
    assert (code, "another botyard-agent runs" in err) == (75, True)

    # when it is stopped
    code, out, _ = await command("stop", "--home", str(home))
    assert (code, out) == (0, "stopping; bots live on\n")
    assert await runner.ended(within=10) == 0
    code, _, err = await command("drain", "--home", str(home))
    assert (code, "no botyard-agent runs" in err) == (75, True)


async def test_what_only_a_person_can_mend_ends_with_78(
    hub: ScriptedHub, runner: RunnerProcess, tmp_path: Path
) -> None:
    """Packaging §2: managers must not restart on 78."""
    # not enrolled
    code, _, err = await command("run", "--home", str(tmp_path / "none"))
    assert (code, "botyard-agent enroll" in err) == (78, True)

    # brought from another machine
    file = runner.home / "home"
    body = json.loads(file.read_text())
    parts = [part.partition(":")[0] for part in body["fingerprint"].split()]
    if not parts:
        pytest.skip("this machine has neither a machine id nor a product id")
    file.write_text(json.dumps(body | {"fingerprint": " ".join(f"{part}:{'0' * 32}" for part in parts)}))
    before = sorted(runner.home.iterdir())
    code, _, err = await command("run", "--home", str(runner.home))
    assert (code, "another machine" in err) == (78, True)
    assert sorted(runner.home.iterdir()) == before
    file.write_text(json.dumps(body))

    # plain http to another machine
    words = ("--token", "-", "--home", str(tmp_path / "none"))
    code, _, err = await command("enroll", "http://hub.example.com", *words, stdin="byt_x\n")
    assert (code, "--insecure" in err) == (78, True)

    # a spool of a newer version
    (runner.home / "spool.db").write_bytes(b"x" * 4096)
    code, _, err = await command("run", "--home", str(runner.home))
    assert (code, "it was left as it is" in err) == (78, True), err


async def test_help_shows_examples() -> None:
    """style: the command line tells its own story."""
    code, out, _ = await command("--help")
    assert code == 0
    assert "botyard-agent enroll https://" in out


@pytest.mark.parametrize(
    ("word", "expected", "said"),
    [
        ("run", 78, "is no runner yet: botyard-agent enroll URL --token FILE"),
        ("stop", 75, "or `botyard-agent run` starts one"),
        ("drain", 75, "or `botyard-agent run` starts one"),
    ],
)
async def test_where_no_runner_is_nothing_is_made(tmp_path: Path, word: str, expected: int, said: str) -> None:
    home = tmp_path / "none"

    code, out, err = await command(word, "--home", str(home))

    assert (expected, "", 1) == (code, out, len(err.splitlines()))
    assert said in err
    assert not home.exists()
