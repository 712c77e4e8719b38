"""A bot that its shim stopped while no daemon lived was stopped, and did not just fail (core.md D10, §3, §4)."""

from pathlib import Path

from tests.support.rig import Rig, bots_alive
from tests.support.waiting import eventually

SLEEPER = "import time\nprint('here', flush=True)\ntime.sleep(600)\n"


async def test_a_run_limit_that_passes_without_a_daemon_is_a_timeout(tmp_path: Path) -> None:
    """D10: "run limit, dead-man and the kill ladder are kept by the shim"; a stop is a fact before the exit."""
    async with Rig(tmp_path) as rig:
        # given a bot that may run for 3 s, whose daemon dies first
        await rig.add_runner("desk-1")
        await rig.deploy("sleeper", {"main.py": SLEEPER})
        await rig.botyard("automation", "create", "hurried", "--bot", "sleeper", "--run-limit", "3s")
        task_id = await rig.submit("hurried")
        await rig.printed(task_id, b"here")
        execution = (await rig.task(task_id))["execution"]
        await rig.runners["desk-1"].kill()
        # when its shim has ended it, and a daemon comes back
        await eventually(lambda: not bots_alive(execution), within=30, saying="the limit was not kept")
        await rig.start_runner("desk-1")
        # then
        finished = await rig.finished(task_id)
        assert ("timed_out", None) == (finished["outcome"], finished["report"])
