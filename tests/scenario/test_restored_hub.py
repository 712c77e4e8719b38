"""A hub that is put back from an old backup runs nothing twice, and keeps what its runners know (R20, core.md D8)."""

import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.rig import Rig
from tests.support.waiting import eventually

# Writes down each start, by whom; ends when it is told to, with the code that it is given.
WITNESS = """
import json, os, pathlib, sys, time
said = json.loads(pathlib.Path(os.environ["BOTYARD_PARAMETERS"]).read_text())
folder = pathlib.Path(said["folder"])
with (folder / "starts").open("a") as file:
    file.write(said["name"] + "\\n")
print("begun", said["name"], flush=True)
while not (folder / ("end-" + said["name"])).exists() and not (folder / "end-all").exists():
    time.sleep(0.05)
result = {"status": "succeeded", "message": "done " + said["name"]}
pathlib.Path(os.environ["BOTYARD_RESULT"]).write_text(json.dumps(result))
"""


async def begun(rig: Rig, name: str) -> str:
    """A task whose bot runs."""
    task_id = await rig.submit("witness", folder=str(rig.folder), name=name)
    await rig.printed(task_id, b"begun")
    return task_id


def starts(rig: Rig) -> list[str]:
    """Names of the bots that were started, sorted."""
    return sorted((rig.folder / "starts").read_text().split())


def end(rig: Rig, name: str) -> None:
    """Let a bot end."""
    (rig.folder / f"end-{name}").touch()


async def held(rig: Rig, task_id: str) -> Any:
    """Why a task is held, None where it is not."""
    return (await rig.task(task_id))["held"]


async def put_back(rig: Rig, file: Path) -> Any:
    """Kill the hub, restore the backup into another folder, and go on from there."""
    await rig.hub.kill()
    shutil.rmtree(rig.data)
    answer = await rig.botyard("hub", "restore", str(file), "--data", str(rig.data), "--json")
    await rig.start_hub()
    return answer.json()


@dataclass(frozen=True, slots=True, kw_only=True)
class Before:
    """Tasks that the backup knows, by what became of them after it was made."""

    running: str
    ends_later: str
    ran_since: str
    runs_still: str
    never: str


async def backed_up(rig: Rig) -> Before:
    """A backup while two bots run and three tasks wait for one of two slots; then the world goes on."""
    waiting = {name: str(rig.folder) for name in ("ran-since", "runs-still", "never")}
    running, ends_later = await begun(rig, "running"), await begun(rig, "ends-later")
    queued = [await rig.submit("witness", folder=folder, name=name) for name, folder in waiting.items()]
    before = Before(running=running, ends_later=ends_later, ran_since=queued[0], runs_still=queued[1], never=queued[2])
    file = rig.folder / "hub.byb"
    await rig.botyard("hub", "backup", str(file), "--data", str(rig.data))
    assert file.stat().st_mode & 0o777 == 0o600
    end(rig, "ends-later")
    await rig.finished(ends_later)
    end(rig, "ran-since")
    assert (await rig.finished(before.ran_since))["outcome"] == "succeeded"
    await rig.printed(before.runs_still, b"begun")
    return before


@pytest.mark.timeout(400)
async def test_a_restored_hub_runs_nothing_twice(tmp_path: Path) -> None:
    """R20: an old backup is restored while bots run: nothing runs twice, and what runners know since is kept as late.

    Of what it knows one finished after it, one still runs, one was granted since and one never was. D8: held with the
    reason, released by what runners show or by a person; fences + 1000.
    """
    async with Rig(tmp_path) as rig:
        rig.env["BOTYARD_HUB_HELD_S"] = "5"
        rig.hub.env = rig.env
        await rig.hub.end()
        await rig.start_hub()
        await rig.add_runner("desk-1", "--slots", "2")
        await rig.deploy("witness", {"main.py": WITNESS})
        before = await backed_up(rig)
        asked_since = await rig.submit("witness", folder=str(tmp_path), name="asked-since")

        told = await put_back(rig, tmp_path / "hub.byb")
        assert told["held"] == 5
        assert (await task_row(rig, before.never))["fence"] == 1000
        await eventually(lambda: is_late(rig, before.ran_since, "it ran on desk-1"), within=90)
        assert "it ran on desk-1 after the backup" in await held(rig, before.runs_still)
        assert "release-held" in (await rig.botyard("task", "why", before.ran_since)).text
        # Nobody ran what never began: released by the hub, and it waits for one of the two slots that are taken.
        await eventually(lambda: is_released(rig, before.never), within=60)
        await all_end_as_they_did(rig, before)
        assert starts(rig) == sorted(["running", "ends-later", "ran-since", "runs-still", "never"])
        assert asked_since not in {task["id"] for task in (await rig.get("/api/v1/tasks?limit=100"))["items"]}


async def all_end_as_they_did(rig: Rig, before: Before) -> None:
    """Each of them has its one start, and its true end."""
    # What ran when the backup was made goes on, and ends as if nothing had been.
    end(rig, "running")
    finished = await rig.finished(before.running, within=60)
    assert (finished["outcome"], finished["output"]["complete"]) == ("succeeded", True)
    # What ended after it was forgotten by its runner at the lost hub's word: lost, and not run again.
    assert (await rig.finished(before.ends_later))["outcome"] == "lost"
    # What was granted since ends in its own time, into a late report that a person accepts.
    end(rig, "runs-still")
    late = await eventually(lambda: late_reports(rig, before.runs_still), within=60)
    assert [(one["status"], one["message"]) for one in late] == [("succeeded", "done runs-still")]
    shown = (await rig.botyard("task", "show", before.runs_still)).text
    assert "late reports" in shown
    assert "done runs-still" in shown
    await rig.botyard("task", "accept-late", before.runs_still)
    settled = await rig.task(before.runs_still)
    assert (settled["state"], settled["outcome"], settled["message"]) == ("finished", "succeeded", "done runs-still")
    # What only a tombstone tells of is for a person: it did run, so it is canceled.
    await rig.botyard("task", "cancel", before.ran_since)
    end(rig, "never")
    assert (await rig.finished(before.never, within=90))["outcome"] == "succeeded"


@pytest.mark.timeout(300)
async def test_an_old_database_that_somebody_copied_back_is_noticed(tmp_path: Path) -> None:
    """D8: a runner was told a commit position that the store does not have: held: restored, until a person releases.

    The runner that holds nothing of it shows that; another one, which is off, may: so nothing is released by itself.
    """
    async with Rig(tmp_path) as rig:
        await rig.add_runner("desk-1")
        await rig.add_runner("desk-2")
        await rig.deploy("witness", {"main.py": WITNESS})
        for name in ("desk-1", "desk-2"):
            await rig.botyard("runner", "drain", name)
        waits = await rig.submit("witness", folder=str(tmp_path), name="waits")
        await rig.hub.end()
        shutil.copytree(rig.data, tmp_path / "old")
        await rig.start_hub()
        await rig.submit("witness", folder=str(tmp_path), name="of-the-lost-time")
        spool = rig.home("desk-1") / "spool.db"
        before = position(tmp_path / "old")
        await eventually(lambda: known_position(spool) > before, within=60, saying="no position was acknowledged")
        await rig.end_runner("desk-2")

        await rig.hub.kill()
        shutil.rmtree(rig.data)
        shutil.copytree(tmp_path / "old", rig.data)
        await rig.start_hub()
        await eventually(lambda: is_late(rig, waits, "restored"), within=60)
        await eventually(lambda: waits_for(rig, waits, "desk-2"), within=30)
        assert "queued (held: restored)" in (await rig.botyard("task", "show", waits)).text
        events = (await rig.get("/api/v1/events?type=store"))["items"]
        assert "older copy" in events[-1]["data"]["why"]
        await rig.botyard("runner", "resume", "desk-1")
        (tmp_path / "end-all").touch()
        assert (await rig.botyard("task", "release-held", "--all")).text == "1 task released\n"
        assert (await rig.finished(waits, within=60))["outcome"] == "succeeded"


async def is_late(rig: Rig, task_id: str, text: str) -> bool:
    """Whether a task is held for a reason with this text."""
    return text in (await held(rig, task_id) or "")


async def waits_for(rig: Rig, task_id: str, runner: str) -> bool:
    """Whether it is held, and this is the first runner that has not shown what it has."""
    (why,) = (await rig.get(f"/api/v1/tasks/{task_id}/why"))["reasons"]
    return bool((why["code"], why["runner"]) == ("held", runner))


async def is_released(rig: Rig, task_id: str) -> bool:
    """Whether it is held no longer."""
    return await held(rig, task_id) is None


async def late_reports(rig: Rig, task_id: str) -> Any:
    """What was reported of it too late."""
    return (await rig.get(f"/api/v1/tasks/{task_id}/late-reports"))["items"]


async def task_row(rig: Rig, task_id: str) -> dict[str, Any]:
    """The task's row, read beside the hub."""
    with closing(sqlite3.connect(f"{(rig.data / 'hub.db').as_uri()}?mode=ro", uri=True)) as db:
        db.row_factory = sqlite3.Row
        return dict(db.execute("SELECT * FROM tasks WHERE id = ?", (task_id,)).fetchone())


def position(data: Path) -> int:
    """The commit position of a hub that is down."""
    with closing(sqlite3.connect(data / "hub.db")) as db:
        return int(db.execute("SELECT max(pos) FROM events").fetchone()[0])


def known_position(spool: Path) -> int:
    """The highest position that a runner was told."""
    with closing(sqlite3.connect(f"{spool.as_uri()}?mode=ro", uri=True)) as db:
        rows = db.execute("SELECT value FROM notes WHERE name LIKE 'commit_position:%'").fetchall()
    return int(rows[0][0]) if rows else 0
