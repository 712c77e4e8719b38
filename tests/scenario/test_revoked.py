"""A machine that is not ours any more: one token lets one machine in, a revocation throws it out (S1, S2, S5)."""

import sys
from pathlib import Path

from tests.support.rig import Rig, bots_alive
from tests.support.waiting import eventually

SLEEPER = {"main.py": "import time\nprint('up', flush=True)\ntime.sleep(600)\n"}


async def test_a_revoked_runner_is_cut_off_within_five_seconds(tmp_path: Path) -> None:
    """S5: "revoke cuts sockets <= 5 s; ids never reused"; core.md D9: what it ran is lost at once."""
    async with Rig(tmp_path) as rig:
        # given a runner with a running bot
        daemon = await rig.add_runner("desk-1")
        await rig.deploy("sleeper", SLEEPER)
        task_id = await rig.submit("sleeper")
        await rig.printed(task_id, b"up")
        (runner,) = (await rig.get("/api/v1/runners"))["items"]

        # when an admin revokes it
        await rig.botyard("runner", "revoke", "desk-1", "--yes")

        # then its daemon is out, with the code that tells a service manager not to try again
        await eventually(lambda: not daemon.alive, within=30, saying="the daemon still runs")
        assert daemon.process is not None
        assert 78 == daemon.process.returncode
        assert "will not let this runner in" in daemon.tail()
        task = await rig.finished(task_id)
        assert ("lost", False) == (task["outcome"], (await rig.get("/api/v1/runners"))["items"][0]["connected"])

        # and it does not come back, while another machine may have its name, under another id
        await daemon.start()
        await eventually(lambda: not daemon.alive, within=20, saying="a revoked runner stays connected")
        assert 78 == daemon.process.returncode
        for process in bots_alive(task["execution"]):
            process.kill()
        rig.runners["first"] = rig.runners.pop("desk-1")
        (rig.home("desk-1")).rename(rig.home("first"))
        await rig.add_runner("desk-1")
        named = [one for one in (await rig.get("/api/v1/runners"))["items"] if one["name"] == "desk-1"]
        assert [True] == [one["connected"] for one in named]
        assert runner["id"] != named[0]["id"]


async def test_an_enrolment_token_brings_one_machine_in_with_the_labels_of_its_maker(tmp_path: Path) -> None:
    """S1: single use, bound to labels; S17: the key is the machine's own, 0600."""
    async with Rig(tmp_path) as rig:
        made = (await rig.botyard("runner", "token", "--label", "room=vault", "--json")).json()
        file = tmp_path / "token"
        file.write_text(made["token"])
        enroll = [sys.executable, "-m", "agent", "enroll", rig.url, "--token", str(file)]

        # when two machines come with the same token, the first asking for other labels than it was made with
        mine = await rig.run(*enroll, "--name", "mine", "--home", str(rig.home("mine")), "--label", "room=lobby")
        theirs = await rig.run(*enroll, "--name", "theirs", "--home", str(rig.home("theirs")))

        # then one is in, and its maker's labels are the ones that count
        assert (0, 78) == (mine.code, theirs.code), mine.err + theirs.err
        assert 1 == len(theirs.err.splitlines())
        assert b"used" in theirs.err
        assert made["token"].encode() not in mine.out + mine.err + theirs.out + theirs.err
        (runner,) = (await rig.get("/api/v1/runners"))["items"]
        assert ("mine", "vault") == (runner["name"], runner["labels"]["room"])
        assert 0o600 == (rig.home("mine") / "key").stat().st_mode & 0o777
        hub = b"".join(path.read_bytes() for path in rig.data.glob("hub.db*"))
        assert made["token"].encode() not in hub

        # and a name that is taken is told so, with what to do
        file.write_text((await rig.botyard("runner", "token", "--json")).json()["token"])
        twin = await rig.run(*enroll, "--name", "mine", "--home", str(rig.home("theirs")))
        assert 78 == twin.code
        assert b"Give --name" in twin.err
