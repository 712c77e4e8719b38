"""Triggers of a real hub with real bots: they fire, they are missed, they are fired once; a week of a changed clock."""

import time
from collections import Counter
from pathlib import Path
from typing import Any

from tests.support.rig import Rig
from tests.support.waiting import eventually, seconds

TICK = """#!/bin/sh
echo tick
"""
SLOW = """
import pathlib, os, time
go = pathlib.Path(os.environ["BOTYARD_PARAM_GO"])
while not go.exists():
    time.sleep(0.02)
"""


async def history(rig: Rig, label: str) -> list[dict[str, Any]]:
    """What a trigger did, oldest first."""
    found = await rig.botyard("trigger", "history", label, "-n", "100", "--json")
    return list(reversed(found.json()["items"]))


async def of_trigger(rig: Rig, label: str) -> list[Any]:
    """Its tasks."""
    page = await rig.get("/api/v1/tasks?limit=200")
    return [task for task in page["items"] if task["created_by"] == f"trigger:{label}"]


async def fired(rig: Rig, label: str, count: int) -> None:
    """Wait until it has so many tasks that succeeded."""

    async def look() -> bool:
        return [task["outcome"] for task in await of_trigger(rig, label)].count("succeeded") >= count

    await eventually(look, within=30, saying=f"{label} did not make {count} tasks that succeeded")


async def test_a_trigger_fires_and_a_killed_hub_treats_what_it_missed_as_it_was_told(tmp_path: Path) -> None:
    """R62, R64: each moment makes one task or one line that says why not, each event one, also over a kill -9."""
    async with Rig(tmp_path) as rig:
        await rig.add_runner("desk-1", "--slots", "4")
        await rig.deploy("tick", {"run.sh": TICK})
        for label in ("tock", "echo"):
            await rig.botyard("automation", "create", label, "--bot", "tick")
        every = ("tick", "--every", "1s")
        ended = ("--on", "task.settled", "--of", "tock", "--map", "of=event.task")
        await rig.botyard("trigger", "event", "after", "echo", *ended)
        await rig.botyard("trigger", "create", "last", "tock", "--every", "1s")
        await rig.botyard("trigger", "create", "all", *every, "--misfire", "all", "--misfire-cap", "3")
        await rig.botyard("trigger", "create", "late", *every, "--misfire", "all", "--misfire-window", "1s")
        await fired(rig, "last", 3)
        shown = (await rig.botyard("trigger", "show", "last", "--json")).json()
        assert ("active", 0) == (shown["state"], shown["failed_in_a_row"])

        await rig.hub.kill()
        killed = time.monotonic()
        await eventually(lambda: time.monotonic() - killed > seconds(6), within=20)
        await rig.start_hub()
        await fired(rig, "last", len(await of_trigger(rig, "last")) + 2)

        for label in ("last", "all", "late"):
            await rig.botyard("trigger", "pause", label)
            lines = await history(rig, label)
            moments = Counter(line["scheduled_for"] for line in lines)
            assert {1} == set(moments.values()), label
            skipped = [line for line in lines if line["outcome"] == "skipped"]
            assert any("passed before anything fired" in line["why"] for line in skipped), (label, lines)
            made = [line["task"] for line in lines if line["outcome"] == "fired"]
            assert len(made) == len(set(made)) == len(await of_trigger(rig, label)), label
        await each_end_is_followed(rig)
        # Of the seconds away the newest three were made up for; two of them were more than half a second ago.
        late = [line["late_s"] for line in await history(rig, "all") if line["late_s"] is not None]
        assert 2 <= sum(one > 0.5 for one in late), late


async def each_end_is_followed(rig: Rig) -> None:
    """Every task of `tock` that ended has one task of `echo`, and no other has any."""

    async def look() -> bool:
        echoes, tocks = [
            (await rig.get(f"/api/v1/tasks?limit=200&automation={of}"))["items"] for of in ("echo", "tock")
        ]
        followed = Counter(task["parameters"]["of"] for task in echoes)
        ended = [task["id"] for task in tocks if task["state"] == "finished"]
        return len(ended) >= 3 and followed == Counter(ended)

    await eventually(look, within=30, saying="not every end of tock was followed by one echo")


async def test_one_at_a_time_and_one_behind(tmp_path: Path) -> None:
    """Overlap: the bot of the moment before still runs."""
    async with Rig(tmp_path) as rig:
        await rig.add_runner("desk-1", "--slots", "4")
        await rig.deploy("slow", {"main.py": SLOW})
        go = tmp_path / "go"
        for label in ("skip", "queue"):
            await rig.botyard(
                *("trigger", "create", label, "slow", "--every", "1s", "--overlap", label, "-p", f"go={go}")
            )

        async def is_skipping() -> bool:
            told = [(await history(rig, label)) for label in ("skip", "queue")]
            return all("skipped" in [line["outcome"] for line in lines] for lines in told)

        await eventually(is_skipping, within=30, saying="nothing was skipped")
        assert ["running"] == [task["state"] for task in await of_trigger(rig, "skip")]
        behind, running = await of_trigger(rig, "queue")
        assert ("waiting", "running") == (behind["state"], running["state"])
        for label in ("skip", "queue"):
            await rig.botyard("trigger", "pause", label)
        go.touch()
        assert "succeeded" == (await rig.finished(running["id"]))["outcome"]
        assert "succeeded" == (await rig.finished(behind["id"]))["outcome"]


async def test_a_week_of_a_changed_clock_is_previewed(tmp_path: Path) -> None:
    """R63, on the command line, in four zones: forward, back, by half an hour, at midnight."""
    weeks = {
        ("Europe/Berlin", "30 2 * * *", "2026-03-28"): ["03-28 02:30", "03-29 03:00", "03-30 02:30"],
        ("Europe/Berlin", "0 30 2 * * ?", "2026-10-24"): ["10-24 02:30", "10-25 02:30", "10-26 02:30"],
        ("Australia/Lord_Howe", "15 2 * * *", "2026-10-03"): ["10-04 02:30", "10-05 02:15", "10-06 02:15"],
        ("Africa/Cairo", "30 0 * * *", "2026-04-23"): ["04-24 01:00", "04-25 00:30", "04-26 00:30"],
        ("America/Sao_Paulo", "30 0 * * *", "2018-11-03T12:00"): ["11-04 01:00", "11-05 00:30", "11-06 00:30"],
    }
    async with Rig(tmp_path) as rig:
        for (zone, line, after), expected in weeks.items():
            moment = f"{after if 'T' in after else after + 'T00:00'}:00+00:00"
            options = ("--cron", line, "--zone", zone, "--after", moment, "-n", "3")
            told = (await rig.botyard("trigger", "preview", *options)).text.splitlines()[1:]
            assert expected == [one[5:16] for one in told], (zone, told)
            assert any("clock goes" in one for one in told), (zone, told)
