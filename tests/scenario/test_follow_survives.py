"""A person who follows a bot sees every byte once, though the hub is killed meanwhile (design.md §5; core.md §3)."""

import asyncio
import sys
from pathlib import Path

from tests.support.rig import Rig
from tests.support.waiting import seconds

COUNTER = """
import sys, time
for number in range(120):
    print("line", number, "x" * 50, flush=True)
    if number % 10 == 0:
        print("to stderr", number, file=sys.stderr, flush=True)
    time.sleep(0.1)
sys.exit(7)
"""


async def test_run_follow_goes_on_through_a_killed_hub(tmp_path: Path) -> None:
    """The bot does not notice, the follower says so on stderr, stdout is whole, and 7 arrives as `failed`: code 1."""
    async with Rig(tmp_path) as rig:
        await rig.add_runner("desk-1")
        await rig.deploy("counter", {"main.py": COUNTER})
        pipe = asyncio.subprocess.PIPE
        follower = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "hub.cli", "run", "counter", "--follow"), stdout=pipe, stderr=pipe, env=rig.env
        )
        assert follower.stdout is not None
        task_id = (await follower.stdout.readline()).decode().strip()
        seen = b""
        while b"line 20 " not in seen:
            seen += await follower.stdout.readline()
        # when the hub is killed while the bot prints, and comes back
        await rig.hub.kill()
        await rig.start_hub()
        async with asyncio.timeout(seconds(60)):
            rest, err = await follower.communicate()
        # then the follower has every byte that is stored, once and in order
        finished = await rig.finished(task_id)
        assert seen + rest == await rig.output(task_id)
        assert 120 == (seen + rest).count(b"line ")
        assert b"the bot goes on" in err
        assert ("failed", 7, True) == (finished["outcome"], finished["exit_code"], finished["output"]["complete"])
        assert 1 == follower.returncode, err
