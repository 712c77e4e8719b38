"""The hub's other engine, end to end: the same programs, the same commands, PostgreSQL beneath (design.md §4)."""

import hashlib
from pathlib import Path

import pytest

from tests.support.postgres import execute
from tests.support.rig import Rig

pytestmark = pytest.mark.postgres

BOT = "import time\nfor n in range(3):\n    print('line', n, flush=True)\n    time.sleep({pace})\n"


def rig_on(tmp_path: Path, url: str) -> Rig:
    """A rig whose hub keeps its truth in this database."""
    rig = Rig(tmp_path)
    rig.hub.command += ["--database", url]
    return rig


async def test_a_task_travels_on_postgres(tmp_path: Path, postgres_url: str) -> None:
    """design.md §4: "Every service runs on both, unchanged": deploy, run, follow, outcome, output whole to the byte."""
    async with rig_on(tmp_path, postgres_url) as rig:
        # given an empty database, which the first start fills, and a runner with a released bot
        await rig.add_runner("desk-1")
        await rig.deploy("talker", {"main.py": BOT.format(pace=0)})

        # when
        run = await rig.botyard("run", "talker", "--follow")

        # then
        assert b"line 0\nline 1\nline 2\n" in run.out
        (task,) = (await rig.get("/api/v1/tasks"))["items"]
        assert (task["state"], task["outcome"], task["exit_code"]) == ("finished", "succeeded", 0)
        output = await rig.output(task["id"])
        assert hashlib.sha256(output).hexdigest() == task["output"]["sha256"]

        # and it is this database that knows it, with its events; no file stands in for it
        assert [("succeeded",)] == [tuple(row) for row in execute(postgres_url, "SELECT outcome FROM tasks")]
        positions = [row[0] for row in execute(postgres_url, "SELECT pos FROM events ORDER BY pos")]
        assert positions == list(range(1, len(positions) + 1))
        assert not (rig.data / "hub.db").exists()


async def test_a_hub_on_postgres_is_killed_while_a_bot_prints(tmp_path: Path, postgres_url: str) -> None:
    """R1, G1: what was committed is there; the bot lives on, and its task ends as it did on SQLite."""
    async with rig_on(tmp_path, postgres_url) as rig:
        await rig.add_runner("desk-1")
        await rig.deploy("talker", {"main.py": BOT.format(pace=1.5)})
        task_id = await rig.submit("talker")
        await rig.printed(task_id, b"line 0")

        # when
        await rig.hub.kill()
        await rig.start_hub()

        # then
        task = await rig.finished(task_id)
        assert ("succeeded", 0, 1) == (task["outcome"], task["exit_code"], task["round"])
        assert b"line 0\nline 1\nline 2\n" == await rig.output(task_id)
        assert task["output"]["complete"] is True
