"""Cancel works wherever a task is: while the hub restarts, before it runs, its runner gone (R70, D6, D9)."""

import signal
from pathlib import Path

import pytest

from tests.support.rig import Rig, bots_alive
from tests.support.waiting import eventually

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

SLEEPER = "import time\nprint('here', flush=True)\ntime.sleep(600)\n"


async def test_a_cancel_reaches_its_task_wherever_that_is(tmp_path: Path) -> None:
    """R70: "cancel always works, also if the runner never got the work"; each is shown as what it is until then; D6:
    an operator gives up a runner that does not come back.
    """
    async with Rig(tmp_path) as rig:
        await rig.add_runner("desk-1", "--slots", "2")
        desk = rig.runners["desk-1"]
        await rig.deploy("sleeper", {"main.py": SLEEPER})
        running = await rig.submit("sleeper")
        await rig.printed(running, b"here")
        given_up = await rig.submit("sleeper")
        await rig.printed(given_up, b"here")
        executions = {task: (await rig.task(task))["execution"] for task in (running, given_up)}
        # R5: SIGTERM of the whole runner with running bots: gone within 10 s, they live on
        assert await desk.end(signal.SIGTERM) in {0, 75, 143}, desk.tail()
        assert all(bots_alive(one) for one in executions.values())
        # when one waits for a slot that is not there, and is canceled across a kill of the hub
        waiting = await rig.submit("sleeper")
        await rig.hub.kill()
        await rig.start_hub()
        assert "canceled" in (await rig.botyard("task", "cancel", waiting)).text
        # and one runs at a runner that is gone: it is asked for, and shown so
        asked = (await rig.botyard("task", "cancel", running)).text
        assert "running (canceling)" in asked, asked
        shown = (await rig.botyard("task", "show", running)).text
        assert "canceling" in shown, shown
        # and one is given up, since nobody knows when its runner comes back
        await rig.botyard("task", "give-up", given_up)
        lost = await rig.finished(given_up)
        assert lost["outcome"] == "lost", lost
        await rig.hub.kill()
        await rig.start_hub()
        assert (await rig.task(running))["state"] == "running"
        # then the runner comes back, and the request with it
        await rig.start_runner("desk-1")
        ended = await rig.finished(running, within=90)
        assert (ended["outcome"], ended["output"]["state"]) == ("canceled", "complete")
        await eventually(lambda: not bots_alive(executions[running]), within=30)
        # what was given up is told as late, and stays lost
        assert (await rig.task(given_up))["outcome"] == "lost"
        for task in (running, given_up, waiting):
            assert (await rig.botyard("task", "cancel", task, code=None)).code == (1 if task == given_up else 0)
