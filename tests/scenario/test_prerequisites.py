"""Tasks that wait for other tasks, with real bots (issue 5, dependencies)."""

from pathlib import Path
from typing import Any

from tests.support.rig import Rig

GOOD = "print('here', flush=True)\n"
BAD = "import pathlib, time\nwhile not pathlib.Path({flag!r}).exists(): time.sleep(0.05)\nraise SystemExit(1)\n"


async def test_a_bot_s_failure_cancels_what_waits_for_its_success_and_starts_what_waits_for_its_end(
    tmp_path: Path,
) -> None:
    """A fails, the hub is killed meanwhile: B (after A) is `canceled: prerequisite`, D (after B) too; C runs."""
    flag = tmp_path / "go"
    async with Rig(tmp_path) as rig:
        # given
        await rig.add_runner("desk-1")
        await rig.deploy("good", {"main.py": GOOD})
        await rig.deploy("bad", {"main.py": BAD.format(flag=str(flag))})

        async def asked(label: str, *options: str) -> Any:
            return (await rig.botyard("run", label, *options, "--json")).json()

        a = await asked("bad")
        b = await asked("good", "--after", str(a["number"]))
        c = await asked("good", "--after", a["id"], "--after", b["id"], "--after-when", "finished")
        d = await asked("good", "--after", b["id"], "--after-when", "any")
        assert ["waiting"] * 3 == [one["state"] for one in (b, c, d)]
        listed = (await rig.botyard("task", "list")).text
        assert f"waiting (for {a['number']}, {b['number']})" in listed
        told = (await rig.botyard("task", "why", str(b["number"]))).text
        assert f"1 of its 1 prerequisites to succeed: {a['number']} (bad, running)" in told
        # when
        await rig.state(a["id"], "running")
        await rig.hub.kill()
        await rig.start_hub()
        flag.touch()
        # then
        assert "failed" == (await rig.finished(a["id"], within=60))["outcome"]
        canceled = [await rig.finished(one["id"]) for one in (b, d)]
        assert [("canceled", "prerequisite")] * 2 == [(one["outcome"], one["reason"]) for one in canceled]
        assert "succeeded" == (await rig.finished(c["id"]))["outcome"]
        shown = (await rig.botyard("task", "show", str(c["number"]))).text
        assert f"all finished: {a['number']} failed, {b['number']} canceled" in shown
