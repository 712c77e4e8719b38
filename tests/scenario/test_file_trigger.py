"""A folder is watched: files that come at any time, whoever is dead just then, make exactly one task each (R65)."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.support.rig import Rig
from tests.support.waiting import eventually

pytestmark = pytest.mark.timeout(180)

READ = """#!/bin/sh
cat "$BOTYARD_PARAM_FILE"
"""


async def worked(rig: Rig) -> dict[str, int]:
    """How many tasks succeeded for each file, by its name."""
    page = await rig.get("/api/v1/tasks?limit=200")
    done = [task for task in page["items"] if task["created_by"] == "trigger:inbox" and task["outcome"] == "succeeded"]
    return dict(Counter(Path(task["parameters"]["file"]).name for task in done))


async def has_worked(rig: Rig, *names: str) -> None:
    """Wait until each of these files, and no other, has made one task that succeeded."""

    async def look() -> bool:
        return await worked(rig) == dict.fromkeys(names, 1)

    try:
        await eventually(look, within=60, saying="not one task for each file")
    except AssertionError as error:
        raise AssertionError(f"{error}: {await worked(rig)}") from None


async def shown(rig: Rig) -> dict[str, Any]:
    """The trigger as it is now."""
    found: dict[str, Any] = await rig.get("/api/v1/triggers/inbox")
    return found


async def test_each_file_makes_one_task_whoever_is_killed_meanwhile(tmp_path: Path) -> None:
    """While all run; while the agent is dead; while the hub is; and none of them a second time."""
    inbox = tmp_path / "inbox"
    async with Rig(tmp_path) as rig:
        await rig.add_runner("desk-1", "--slots", "2")
        await rig.deploy("read", {"run.sh": READ})
        options = ("--runner", "desk-1", "--folder", str(inbox), "--pattern", "*.txt", "--stable", "1s")
        await rig.botyard("trigger", "file", "inbox", "read", *options)

        async def is_missed() -> bool:
            found = await shown(rig)
            return bool(found["trouble"] == f"{inbox} does not exist, on runner desk-1")

        await eventually(is_missed, within=30)
        inbox.mkdir()
        (inbox / "before.txt").write_text("left alone")

        async def is_watched() -> bool:
            found = await shown(rig)
            return found["trouble"] is None and found["watched_at"] is not None

        await eventually(is_watched, within=30)
        (inbox / "while all run.txt").write_text("one")
        (inbox / "other.csv").write_text("not meant")
        await has_worked(rig, "while all run.txt")

        await rig.runners["desk-1"].kill()
        (inbox / "agent dead.txt").write_text("two")
        await rig.runners["desk-1"].start()
        await has_worked(rig, "while all run.txt", "agent dead.txt")

        await rig.hub.kill()
        (inbox / "hub dead.txt").write_text("three")
        await rig.start_hub()
        await has_worked(rig, "while all run.txt", "agent dead.txt", "hub dead.txt")

        (inbox / "other.csv").rename(inbox / "renamed.txt")
        (inbox / "hub dead.txt").rename(inbox / "done.txt")
        await has_worked(rig, "while all run.txt", "agent dead.txt", "hub dead.txt", "renamed.txt")
        lines = (await rig.botyard("trigger", "history", "inbox", "--json")).json()["items"]
        assert Counter(line["outcome"] for line in lines) == {"fired": 4, "failed": 1, "skipped": 1}, json.dumps(lines)
