"""A runner in maintenance, with real processes: by a window and by a drain, over restarts (issue 5, placement)."""

from pathlib import Path

from tests.support.rig import Rig

BOT = "import pathlib, time\nwhile not pathlib.Path({flag!r}).exists(): time.sleep(0.05)\n"


async def test_a_window_and_a_drain_outlive_the_hub_and_the_runner_and_leave_bots_alone(tmp_path: Path) -> None:
    """The bot that runs goes on; what waits is told why it drains, then which window; each ends at its word."""
    flag = tmp_path / "go"
    async with Rig(tmp_path) as rig:
        # given a bot that runs as its runner's window begins
        await rig.add_runner("desk-1")
        await rig.deploy("patient", {"main.py": BOT.format(flag=str(flag))})
        first = await rig.submit("patient")
        await rig.state(first, "running")
        planned = await rig.botyard("runner", "window", "add", "desk-1", "--to", "+2h", "--reason", "Windows updates")
        await rig.botyard("runner", "drain", "desk-1", "--reason", "broken screen")
        # when hub and daemon die and come back
        await rig.runners["desk-1"].kill()
        await rig.hub.kill()
        await rig.start_hub()
        await rig.start_runner("desk-1")
        flag.touch()
        # then it ends as if nothing were, and nothing else begins before both have ended
        assert "succeeded" == (await rig.finished(first))["outcome"]
        second = await rig.submit("patient")
        drained = (await rig.botyard("task", "why", second)).text
        assert "desk-1 since" in drained
        assert "broken screen" in drained
        await rig.botyard("runner", "resume", "desk-1")
        told = (await rig.botyard("task", "why", second)).text
        assert "desk-1 is in maintenance until" in told
        assert "Windows updates" in told
        assert "queued" == (await rig.task(second))["state"]
        await rig.botyard("runner", "window", "remove", "desk-1", planned.text.strip())
        assert "succeeded" == (await rig.finished(second))["outcome"]
