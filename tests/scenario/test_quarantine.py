"""A machine that fails work again and again gets no more, until a person has mended it (issue 5, placement)."""

from pathlib import Path
from typing import Any

import pytest

from tests.support.rig import Rig
from tests.support.waiting import eventually

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

# On desk-1 something kills the supervisors of bots, until that machine is mended.
BOT = """
import os, pathlib, time
if "/desk-1/" in os.getcwd() and not pathlib.Path(os.environ["BOTYARD_PARAM_MENDED"]).exists():
    os.kill(os.getppid(), 9)
    time.sleep(600)
"""


async def test_a_sick_machine_is_left_alone_until_somebody_has_mended_it(tmp_path: Path) -> None:
    """Quarantined with a reason that outlives the hub; `why` tells it; the work goes elsewhere; `resume` lifts it."""
    rig = Rig(tmp_path)
    rig.env["BOTYARD_HUB_QUARANTINE_AFTER"] = "2"
    mended = tmp_path / "mended"

    async def desk() -> dict[str, Any]:
        return next(one for one in (await rig.get("/api/v1/runners"))["items"] if one["name"] == "desk-1")

    async def is_linked() -> bool:
        return bool((await desk())["connected"])

    async def is_quarantined() -> bool:
        return bool((await desk())["state"] == "quarantined")

    async def ask() -> str:
        body = {"automation": "bot", "parameters": {"mended": str(mended)}}
        return str((await rig.send("POST", "/api/v1/tasks", body))["id"])

    async with rig:
        await rig.add_runner("desk-1")
        await rig.deploy("bot", {"main.py": BOT})
        # given a machine that failed two tasks in a row, by its own fault
        for _ in range(2):
            failed = await rig.finished(await ask())
            assert ("failed", "supervisor_lost") == (failed["outcome"], failed["reason"])
        # The hub looks at a machine's row of failures behind the end of the task.
        await eventually(is_quarantined, saying="desk-1 is left alone")
        third = await ask()
        before = await desk()
        assert "2 executions in a row failed by its machine's fault" in before["quarantine_reason"]
        # when the hub dies and comes back
        await rig.hub.kill()
        await rig.start_hub()
        # then it is so as before, and says why
        after = await desk()
        known = ("state", "quarantine_reason", "quarantined_at")
        assert [before[name] for name in known] == [after[name] for name in known]
        assert "quarantined" == after["state"]
        assert "queued" == (await rig.task(third))["state"]
        await eventually(is_linked, within=60, saying="desk-1 came back")
        assert "supervisor_lost" in (await rig.botyard("task", "why", third)).text
        # then another machine does its work
        await rig.add_runner("desk-2")
        done = await rig.finished(third)
        assert ("succeeded", "desk-2") == (done["outcome"], done["runner"])
        # then a person who has mended it gives it back
        await rig.send("POST", "/api/v1/runners/desk-2/drain", {"reason": "for this test"})
        mended.touch()
        await rig.botyard("runner", "resume", "desk-1")
        again = await rig.finished(await ask())
        assert ("succeeded", "desk-1") == (again["outcome"], again["runner"])
        assert ("connected", None) == ((await desk())["state"], (await desk())["quarantine_reason"])
