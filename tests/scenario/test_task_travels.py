"""The straight line of a task (`design.md` §3) as a story that runs: a real hub, a real runner, a real BotCity bot.

Read it downwards: each block is one step of the line, and checks what is true after it.
"""

import hashlib
import sys
from pathlib import Path

from tests.support.rig import ROOT, Rig
from tests.support.waiting import eventually


async def test_a_task_travels(tmp_path: Path) -> None:
    """A person asks; a bot on another machine does it; everybody sees what it printed and how it truly ended."""
    async with Rig(tmp_path) as rig:
        # Before: a machine becomes a runner by a token that works once, and a developer deploys a folder. The command
        # returns when the build is released and *prepared* on a fit runner: nothing is left to be fetched at the start.
        await rig.add_runner("desk-1", "--label", "room=accounting", "--slots", "2")
        deployed = await rig.botyard("deploy", str(ROOT / "samples" / "invoices"), "--bot", "invoices", within=120)
        assert "prepared" in deployed.text + deployed.err.decode()
        (runner,) = (await rig.get("/api/v1/runners"))["items"]
        assert (runner["name"], runner["connected"]) == ("desk-1", True)

        # 1 and 2. The API parses, authorises and writes; the same commit grants the task to the free slot, permit and
        # all. The answer names the task; nobody polls for it.
        task_id = await rig.submit("invoices", month="2026-03", pace="0.3", count="6")

        # 3 and 4. `Start` goes out after the commit; an idle shim links the verdict `started`: the fact that counts.
        running = await rig.state(task_id, "running")
        assert running["runner"] == "desk-1"
        (folder,) = (rig.home("desk-1") / "executions").glob("exe_*")
        verdict = await eventually(lambda: (folder / "verdict").read_text(errors="replace"))
        assert "started" in verdict

        # 5. What the bot prints is seen while it still runs: masked, framed, sent by offset, journaled, shown.
        await rig.printed(task_id, b"[1/6]")
        assert (await rig.task(task_id))["state"] == "running"

        # 6. The bot's own report comes through the gateway, its exit from its shim; together they make the outcome.
        finished = await rig.finished(task_id)
        assert (finished["outcome"], finished["exit_code"]) == ("succeeded", 0)
        assert finished["message"] == "All 6 invoices booked"
        assert finished["totals"] == {"total": 6, "processed": 6, "failed": 0}

        # 7. The output is whole and proven so; the runner forgets the execution; the feed has told it all, in order.
        output = (await rig.botyard("logs", task_id)).out
        assert output.count(b": booked\n") == 6
        assert finished["output"]["complete"] is True
        assert finished["output"]["sha256"] == hashlib.sha256(output).hexdigest()
        await eventually(lambda: not folder.exists(), saying="the runner keeps what the hub has")
        events = (await rig.get("/api/v1/events?limit=500"))["items"]
        kinds = [event["kind"] for event in events if event.get("task_id") == task_id]
        assert kinds[0] == "task.created"
        positions = [event["pos"] for event in events]
        assert positions == list(range(positions[0], positions[0] + len(positions)))


async def test_the_outcome_is_the_one_that_the_bot_reported(tmp_path: Path) -> None:
    """Each status arrives with its items, and `run --follow` shows the lines and ends with the outcome's code."""
    async with Rig(tmp_path) as rig:
        await rig.add_runner("desk-1", "--slots", "2")
        await rig.botyard("deploy", str(ROOT / "samples" / "invoices"), "--bot", "invoices", within=120)
        ends = (("SUCCESS", 0, "succeeded"), ("PARTIALLY_COMPLETED", 3, "partial"), ("FAILED", 1, "failed"))
        for end, code, outcome in ends:
            run = await rig.botyard(
                "run", "invoices", "-p", f"end={end}", "-p", "pace=0", "-p", "count=6", "--follow", code=code
            )
            assert f"{end}: ".encode() in run.out
            newest = (await rig.get("/api/v1/tasks?limit=1"))["items"][0]
            assert newest["outcome"] == outcome
            assert newest["totals"]["total"] == 6 or end == "FAILED"


async def test_a_plain_script_needs_to_know_nothing(tmp_path: Path) -> None:
    """No SDK, no requirements: the exit code is the result, numbers and files are taken where they are left."""
    async with Rig(tmp_path) as rig:
        await rig.add_runner("desk-1")
        await rig.botyard("deploy", str(ROOT / "samples" / "plain"), "--bot", "plain")
        good = await rig.botyard("run", "plain", "--follow", "-p", "pace=0")
        assert good.out.endswith(b"words, 14 different\n") or b"different" in good.out
        bad = await rig.botyard("run", "plain", "--follow", "-p", "pace=0", "-p", "fail=true", code=1)
        assert b"asked to fail" in bad.out + bad.err
        newest, older = (await rig.get("/api/v1/tasks?limit=2"))["items"]
        assert (newest["outcome"], newest["reason"], newest["exit_code"]) == ("failed", "exit_code", 3)
        assert older["totals"] == {"total": 5, "processed": 5, "failed": 0}


async def test_the_first_task_starts_with_the_package_index_cut(tmp_path: Path) -> None:
    """core.md §1: "So every `Start` carries its permit": what is prepared needs no index, no hub file, no network."""
    async with Rig(tmp_path) as rig:
        nowhere = "http://127.0.0.1:9/simple"
        cut = {"UV_DEFAULT_INDEX": nowhere, "UV_INDEX_URL": nowhere, "PIP_INDEX_URL": nowhere, "UV_OFFLINE": "1"}
        await rig.add_runner("desk-1")
        await rig.botyard("deploy", str(ROOT / "samples" / "invoices"), "--bot", "invoices", within=120)
        await rig.runners["desk-1"].end()
        rig.runners["desk-1"].env = {**rig.env, **cut}
        await rig.start_runner("desk-1")
        run = await rig.botyard("run", "invoices", "-p", "pace=0", "--follow")
        assert b"SUCCESS: All" in run.out


async def test_the_demo_ends_with_the_bots_own_outcome(tmp_path: Path) -> None:
    """`botyard demo --exit`: the bot's lines while it runs, outcome and totals, exit code 0, nothing left."""
    rig = Rig(tmp_path)
    where = ["--data", str(tmp_path / "demo"), "--port", str(rig.port)]
    demo = await rig.run(sys.executable, "-m", "hub.cli", "demo", *where, "--exit", within=180)
    assert demo.code == 0, demo.text + demo.err.decode()
    assert b"booked" in demo.out
    assert b"succeeded" in demo.out
