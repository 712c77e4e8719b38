"""A machine fails under a bot: its task is tried again later, on another runner, with real processes (issue 5, R60)."""

from pathlib import Path

from tests.support.rig import Rig

# Where it runs first its supervisor is killed; whoever comes second ends well.
UNLUCKY = """
import json, os, pathlib, time
parameters = json.loads(pathlib.Path(os.environ["BOTYARD_PARAMETERS"]).read_text())
try:
    os.close(os.open(pathlib.Path(parameters["folder"]) / "first", os.O_CREAT | os.O_EXCL))
except FileExistsError:
    print("well", flush=True)
else:
    print("struck", flush=True)
    os.kill(os.getppid(), 9)
    time.sleep(600)
"""


async def test_a_machines_failure_is_tried_again_on_the_other_runner(tmp_path: Path) -> None:
    """R60, `other_runner`: settled as failed nowhere, waited its pause, ran elsewhere, and every step is told."""
    async with Rig(tmp_path) as rig:
        await rig.add_runner("desk-1")
        await rig.add_runner("desk-2")
        await rig.deploy("unlucky", {"main.py": UNLUCKY})
        shown = await rig.botyard("automation", "edit", "unlucky", "--retry", "machine=2,other-runner,1s..2s")
        assert "unlucky: bot unlucky" in shown.text
        shown = await rig.botyard("automation", "show", "unlucky")
        assert "machine=2,other-runner,1s..2s" in shown.text
        task_id = await rig.submit("unlucky", folder=str(tmp_path))
        task = await rig.finished(task_id, within=90)
        assert ("succeeded", b"well\n") == (task["outcome"], await rig.output(task_id))
        tries = (await rig.get(f"/api/v1/tasks/{task_id}/executions"))["items"]
        assert {"desk-1", "desk-2"} == {one["runner"] for one in tries}
        assert [("failed", "supervisor_lost"), ("succeeded", None)] == sorted(
            [(one["outcome"], one["reason"]) for one in tries], key=lambda end: end[0]
        )
        told = (await rig.get(f"/api/v1/events?task={task_id}"))["items"]
        (retried,) = [event for event in told if event["kind"] == "task.retried"]
        assert ("running", "waiting") == (retried["old"], retried["new"])
        data = retried["data"]
        assert ("machine", "other_runner", 1, 2) == (data["cause"], data["route"], data["nth"], data["limit"])
        queued = [event for event in told if event["kind"] == "task.queued"]
        assert 1 == len(queued), "queued by the clock when its pause was over"
