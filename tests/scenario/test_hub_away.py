"""The hub is away for longer than bots run: they end as they would have, and all of it arrives later (R6)."""

import asyncio
import hashlib
from pathlib import Path

from tests.support.rig import Rig, bots_alive
from tests.support.waiting import eventually

LINES = 400_000
PRINTER = f"""
import json, os, pathlib, sys, time
block = b"".join(b"%099d\\n" % number for number in range(1000))
os.write(1, b"begun\\n")
folder = pathlib.Path(json.loads(pathlib.Path(os.environ["BOTYARD_PARAMETERS"]).read_text())["folder"])
while not (folder / "away").exists():
    time.sleep(0.02)
for _ in range({LINES} // 1000):
    rest = block
    while rest:
        rest = rest[os.write(1, rest):]
sys.exit(7)
"""
WAITER = """
import json, os, pathlib, time
folder = pathlib.Path(json.loads(pathlib.Path(os.environ["BOTYARD_PARAMETERS"]).read_text())["folder"])
os.write(1, b"begun\\n")
while not (folder / "back").exists():
    time.sleep(0.02)
os.write(1, b"and it is back\\n")
"""


async def test_all_that_bots_did_while_the_hub_was_away_arrives(tmp_path: Path) -> None:
    """R6, scaled: 40 MB and exit code 7 of a bot that ended meanwhile; one that lives on is neither lost nor stopped.

    Its day is the simulator's and that of `test_a_kept_bot_is_given_up_after_a_day`.
    """
    async with Rig(tmp_path) as rig:
        await rig.add_runner("desk-1", "--slots", "2")
        await rig.deploy("printer", {"main.py": PRINTER})
        await rig.deploy("waiter", {"main.py": WAITER})
        ends, lives = [await rig.submit(bot, folder=str(tmp_path)) for bot in ("printer", "waiter")]
        for task_id in (ends, lives):
            await rig.printed(task_id, b"begun\n")
        executions = {task_id: (await rig.task(task_id))["execution"] for task_id in (ends, lives)}
        # when the hub is gone, and one of them prints a lot and ends
        await rig.hub.kill()
        (tmp_path / "away").touch()
        await eventually(lambda: not bots_alive(executions[ends]), within=60)
        await asyncio.sleep(3)  # longer than the runner's first attempts
        assert bots_alive(executions[lives])
        await rig.start_hub()
        # then its end is true, its output whole, and the other goes on
        finished = await rig.finished(ends, within=120)
        block = b"".join(b"%099d\n" % number for number in range(1000))
        said = b"begun\n" + block * (LINES // 1000)
        assert (finished["outcome"], finished["reason"], finished["exit_code"]) == ("failed", "exit_code", 7)
        assert (finished["output"]["complete"], finished["output"]["bytes"]) == (True, len(said))
        assert finished["output"]["sha256"] == hashlib.sha256(said).hexdigest()
        (tmp_path / "back").touch()
        finished = await rig.finished(lives, within=60)
        assert (finished["outcome"], finished["execution"]) == ("succeeded", executions[lives])
        assert await rig.output(lives) == b"begun\nand it is back\n"
