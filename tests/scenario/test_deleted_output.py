"""Segments of output that somebody deletes before they are sent: an exact gap, in every place (R28, G5)."""

import sys
from pathlib import Path

import pytest

from agent.output import Follower
from agent.segments import SEGMENT_BYTES
from tests.support.rig import Rig, bots_alive
from tests.support.waiting import eventually

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

BLOCK = 4000
BOT = f"""#!{sys.executable}
import json, os, pathlib, time
parameters = json.loads(pathlib.Path(os.environ["BOTYARD_PARAMETERS"]).read_text())
folder = pathlib.Path(parameters["folder"])
os.write(1, b"begun\\n")
while not (folder / "away").exists():
    time.sleep(0.02)
for number in range(int(parameters["blocks"])):
    os.write(1, b"%0{BLOCK - 1}d\\n" % number)
(folder / "printed").touch()
while not (folder / "end").exists():
    time.sleep(0.02)
os.write(1, b"the last line\\n")
"""
SEVERAL = SEGMENT_BYTES * 21 // 10 // BLOCK
"""Blocks that fill two segments, and begin a third."""


@pytest.mark.parametrize(("blocks", "which"), [(100, "all"), (SEVERAL, "middle")])
async def test_a_deleted_segment_is_an_exact_gap_and_never_whole(tmp_path: Path, blocks: int, which: str) -> None:
    """core.md §3: "asked for an offset that is gone: gap {from, to, reason: deleted}"; API and command line say so."""
    written = b"begun\n" + b"".join(b"%0*d\n" % (BLOCK - 1, number) for number in range(blocks)) + b"the last line\n"
    async with Rig(tmp_path) as rig:
        await rig.add_runner("desk-1")
        await rig.deploy("printer", {"bot.sh": BOT})
        task_id = await rig.submit("printer", folder=str(tmp_path), blocks=str(blocks))
        await rig.printed(task_id, b"begun\n")
        execution = (await rig.task(task_id))["execution"]
        # given output that the hub does not have, while it is away
        await rig.hub.kill()
        (tmp_path / "away").touch()
        (output,) = (rig.home("desk-1") / "executions").glob(f"{execution}/output")
        await eventually((tmp_path / "printed").exists, within=60)
        aim = len(written) - len(b"the last line\n")
        await eventually(lambda: _length(output) == aim, within=60)
        # when somebody deletes segments of it, and the bot ends
        segments = sorted(output.glob("*.seg"))
        for segment in segments if which == "all" else segments[1:2]:
            segment.unlink()
        (tmp_path / "end").touch()
        await eventually(lambda: not bots_alive(execution), within=30)
        await rig.start_hub()
        task = await rig.finished(task_id, within=60)
        # then its outcome is true, and its output says what is missing and why, to the byte
        shown = task["output"]
        assert (task["outcome"], shown["state"], shown["complete"]) == ("succeeded", "incomplete", False), shown
        (gap,) = shown["gaps"]
        assert gap["reason"] == "deleted"
        stored = await rig.output(task_id)
        assert stored[: gap["from"]] == written[: gap["from"]]
        behind = written[gap["from"] + gap["bytes"] :]
        assert stored.endswith(behind)
        assert bool(behind) is (which == "middle")
        says = f"incomplete; {gap['bytes']:,} bytes missing at offset {gap['from']:,} (deleted)"
        assert shown["says"] == says
        assert says in (await rig.botyard("task", "show", task_id)).text
        assert says in (await rig.botyard("logs", task_id)).err.decode()


async def test_output_that_is_deleted_after_its_end_was_told_is_not_waited_for(tmp_path: Path) -> None:
    """C11, G5: the last fact names bytes that are gone by now: a gap to the byte, and nothing is left here for ever."""
    async with Rig(tmp_path) as rig:
        await rig.add_runner("desk-1")
        await rig.deploy("printer", {"bot.sh": BOT})
        task_id = await rig.submit("printer", folder=str(tmp_path), blocks="10")
        await rig.printed(task_id, b"begun\n")
        execution = (await rig.task(task_id))["execution"]
        # given an output that ended while the hub was away, whose last fact is in the spool
        await rig.hub.kill()
        for name in ("away", "end"):
            (tmp_path / name).touch()
        folder = rig.home("desk-1") / "executions" / execution
        await eventually(lambda: f"{execution} final" in rig.runners["desk-1"].tail(), within=30)
        # when somebody deletes it, and no daemon has it open any more
        await rig.runners["desk-1"].kill()
        for segment in folder.glob("output/*.seg"):
            segment.unlink()
        await rig.start_hub()
        await rig.start_runner("desk-1")
        task = await rig.finished(task_id, within=60)
        # then the task tells what is missing, and the runner keeps nothing
        shown, missing = task["output"], 10 * BLOCK + len(b"the last line\n")
        assert (task["outcome"], shown["state"]) == ("succeeded", "incomplete"), shown
        told = [(gap["from"], gap["bytes"], gap["reason"]) for gap in shown["gaps"]]
        assert told == [(len(b"begun\n"), missing, "deleted")]
        await eventually(lambda: not folder.exists(), within=30)


def _length(output: Path) -> int:
    follower = Follower(output)
    try:
        return follower.length()
    finally:
        follower.close()
