"""Homes that are not what they were: cloned, wiped, put back, brought to another machine (core.md D8, R40, S3)."""

import json
import shutil
import signal
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.rig import Daemon, Rig, bots_alive
from tests.support.waiting import eventually

WITNESS = """
import json, os, pathlib, time
said = json.loads(pathlib.Path(os.environ["BOTYARD_PARAMETERS"]).read_text())
folder = pathlib.Path(said["folder"])
with (folder / "starts").open("a") as file:
    file.write(os.environ["BOTYARD_EXECUTION_ID"] + "\\n")
print("begun", flush=True)
while not (folder / "enough").exists():
    time.sleep(0.05)
"""


def copied(rig: Rig, name: str, to: str) -> Path:
    """A copy of a runner's home, without its sockets."""
    target = rig.home(to)
    skipped = shutil.ignore_patterns("*.sock", "socket", "control")
    shutil.copytree(rig.home(name), target, symlinks=True, ignore=skipped)
    return target


def daemon_of(rig: Rig, name: str) -> Daemon:
    """A daemon of a home that nobody enrolled: a copy."""
    command = [sys.executable, "-m", "agent", "run", "--home", str(rig.home(name))]
    rig.runners[name] = Daemon(name, command, rig.folder / f"{name}.log", dict(rig.env))
    return rig.runners[name]


async def starts(rig: Rig) -> int:
    """How many bots were started."""
    return len((rig.folder / "starts").read_text().split())


async def running(rig: Rig) -> str:
    """A task whose bot runs on the only runner."""
    await rig.deploy("witness", {"main.py": WITNESS})
    task_id = await rig.submit("witness", folder=str(rig.folder))
    await rig.printed(task_id, b"begun")
    return task_id


@pytest.mark.timeout(240)
async def test_of_two_daemons_of_one_home_the_second_is_refused(tmp_path: Path) -> None:
    """R40, S3: a cloned machine image: second login refused, identity quarantined, shown with the remedy.

    D8: a counter not larger quarantines the home, and later counters do not cure it.
    """
    async with Rig(tmp_path) as rig:
        await rig.add_runner("desk-1")
        task_id = await running(rig)
        await rig.botyard("runner", "drain", "desk-1")
        await rig.runners["desk-1"].kill()
        copied(rig, "desk-1", "clone")
        await rig.start_runner("desk-1")

        clone = daemon_of(rig, "clone")
        for _ in range(3):  # the clone's counter grows with each try
            await clone.start()
            await eventually(lambda: not clone.alive, within=60, saying="a clone was let in")
            assert clone.process is not None
            assert 78 == clone.process.returncode
        assert "enroll --again" in clone.tail()
        listed = await rig.botyard("runner", "list")
        assert "quarantined" in listed.text
        assert b"enroll --again" in listed.err
        refused = await rig.botyard("runner", "resume", "desk-1", code=1)
        assert b"quarantined" in refused.err

        # The first one's bots go on; it gets no new work, and is not let in again either.
        (tmp_path / "enough").touch()
        assert (await rig.finished(task_id, within=60))["outcome"] == "succeeded"
        await rig.runners["desk-1"].end(signal.SIGTERM)
        await rig.runners["desk-1"].start()
        await eventually(lambda: not rig.runners["desk-1"].alive, within=60, saying="a quarantined home was let in")
        assert await starts(rig) == 1


@pytest.mark.timeout(240)
async def test_what_a_wiped_home_ran_is_not_run_again_by_itself(tmp_path: Path) -> None:
    """D8, D9: a home that was wiped and enrolled anew is another home: the old one's execution is unreachable.

    Its resume proves no absence; `lost` comes after 24 h or by an operator, and nothing is tried again by itself.
    """
    async with Rig(tmp_path) as rig:
        await rig.add_runner("desk-1")
        task_id = await running(rig)
        before = await rig.task(task_id)
        await rig.runners["desk-1"].kill()
        first = rig.runners.pop("desk-1")
        bots = bots_alive(before["execution"])
        rig.home("desk-1").rename(rig.home("wiped"))
        rig.runners["wiped"] = first
        await rig.add_runner("desk-2")
        await rig.botyard("task", "why", task_id)
        assert (await rig.task(task_id))["state"] == "running"
        assert bots[0].is_running()

        given_up = await rig.botyard("task", "give-up", task_id)
        assert "lost: link_lost" in given_up.text
        again = await rig.botyard("task", "give-up", task_id, code=1)
        assert b"nothing to give up" in again.err
        assert await starts(rig) == 1
        for bot in bots:
            bot.kill()


@pytest.mark.timeout(240)
async def test_a_home_that_was_put_back_is_quarantined_and_runs_nothing_twice(tmp_path: Path) -> None:
    """D8: a copy of the home from before a task, put back: its counter is not larger, so its silence proves nothing."""
    async with Rig(tmp_path) as rig:
        daemon = await rig.add_runner("desk-1")
        await rig.deploy("witness", {"main.py": WITNESS})
        await daemon.end()
        copied(rig, "desk-1", "old")
        await rig.start_runner("desk-1")
        task_id = await rig.submit("witness", folder=str(tmp_path))
        await rig.printed(task_id, b"begun")
        await daemon.kill()
        rig.home("desk-1").rename(tmp_path / "homes" / "newer")
        rig.home("old").rename(rig.home("desk-1"))

        await daemon.start()
        await eventually(lambda: not daemon.alive, within=60, saying="a home of before was let in")
        assert daemon.process is not None
        assert 78 == daemon.process.returncode
        task = await rig.task(task_id)
        assert (task["state"], task["execution_state"]) == ("running", "running")
        assert await starts(rig) == 1
        for bot in bots_alive(task["execution"]):
            bot.kill()


@pytest.mark.timeout(240)
async def test_a_spool_that_was_put_back_or_removed_is_refused_and_loses_no_fact(tmp_path: Path) -> None:
    """D8: the spool of before the task, or none, beside today's folders: 78 in one sentence, and nothing is voided.

    The bot goes on meanwhile; with its own spool the daemon adopts it as after any other end.
    """
    async with Rig(tmp_path) as rig:
        daemon = await rig.add_runner("desk-1")
        await daemon.end()
        spool = rig.home("desk-1") / "spool.db"
        shutil.copy(spool, tmp_path / "old.db")
        await rig.start_runner("desk-1")
        task_id = await running(rig)
        await daemon.end()
        spool.rename(tmp_path / "newer.db")

        await refused(daemon, spool, "older copy, or was removed", "enroll --again")
        shutil.copy(tmp_path / "old.db", spool)
        await refused(daemon, spool, "older copy, or was removed", "enroll --again")
        shutil.copy(tmp_path / "newer.db", spool)
        await rig.start_runner("desk-1")
        (tmp_path / "enough").touch()
        finished = await rig.finished(task_id, within=90)
        assert (finished["outcome"], finished["exit_code"], await starts(rig)) == ("succeeded", 0, 1)


@pytest.mark.timeout(240)
async def test_a_home_on_another_machine_voids_nothing_and_can_be_enrolled_again(tmp_path: Path) -> None:
    """D8: another fingerprint in the home: exit 78, nothing voided; `botyard-agent enroll --again` is the way out."""
    async with Rig(tmp_path) as rig:
        daemon = await rig.add_runner("desk-1")
        task_id = await running(rig)
        await daemon.kill()
        file = rig.home("desk-1") / "home"
        home = json.loads(file.read_text())
        file.write_text(json.dumps(home | {"fingerprint": "os:" + "0" * 32}))
        await daemon.start()
        await eventually(lambda: not daemon.alive, within=60)
        assert daemon.process is not None
        assert 78 == daemon.process.returncode
        assert "belongs to another machine" in daemon.tail()
        assert "enroll --again" in daemon.tail()
        execution = (await rig.task(task_id))["execution"]
        assert not (rig.home("desk-1") / "executions" / execution / "verdict").read_bytes().startswith(b"void")
        assert (await rig.task(task_id))["state"] == "running"
        assert len(bots_alive(execution)) >= 1
        for bot in bots_alive(execution):
            bot.kill()

        token = rig.folder / "again.token"
        token.write_text((await rig.botyard("runner", "token", "--json")).json()["token"])
        where = ["--home", str(rig.home("desk-1"))]
        again = [sys.executable, "-m", "agent", "enroll", rig.url, "--token", str(token), "--name", "desk-2", "--again"]
        enrolled = await rig.run(*again, *where)
        assert enrolled.code == 0, enrolled.err
        await daemon.start()
        await eventually(lambda: is_linked(rig, "desk-2"), within=60)
        assert (await rig.task(task_id))["state"] == "running", "another home proves no absence"


@pytest.mark.timeout(120)
async def test_a_damaged_or_newer_spool_is_refused_and_kept(tmp_path: Path) -> None:
    """R41, G9: quick_check at start; refused with one sentence that says the way out, and not a byte is changed."""
    async with Rig(tmp_path) as rig:
        daemon = await rig.add_runner("desk-1")
        await daemon.end()
        spool = rig.home("desk-1") / "spool.db"
        with closing(sqlite3.connect(spool)) as db:
            db.execute("PRAGMA user_version = 99")
        await refused(daemon, spool, "newer botyard-agent", "update botyard-agent")
        with closing(sqlite3.connect(spool)) as db:
            db.execute("PRAGMA user_version = 1")
            db.execute("PRAGMA journal_mode = DELETE")
        whole = spool.read_bytes()
        spool.write_bytes(whole[:4096] + b"\xff" * 4096 + whole[8192:])
        await refused(daemon, spool, "damaged", "enroll --again")


async def refused(daemon: Daemon, spool: Path, *words: str) -> None:
    """The daemon ends with 78, says so in one sentence, and changes not a byte of the spool or of what is beside it."""
    before = bytes_of(spool)
    await daemon.start()
    await eventually(lambda: not daemon.alive, within=60)
    assert daemon.process is not None
    assert 78 == daemon.process.returncode
    last = daemon.tail().strip().splitlines()[-1]
    assert all(word in last for word in words), last
    assert before == bytes_of(spool)


def bytes_of(spool: Path) -> dict[str, bytes]:
    """The file, its journal and its reserve, those that are there."""
    return {path.name: path.read_bytes() for path in sorted(spool.parent.glob("spool*"))}


async def is_linked(rig: Rig, name: str) -> bool:
    """Whether the hub has a session of it."""
    page = await rig.get("/api/v1/runners")
    return any(one["name"] == name and one["connected"] for one in page["items"])
