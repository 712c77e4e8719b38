"""Packages that bring their own wheels need no index: neither the hub nor the runner reaches one here."""

from pathlib import Path

from tests.support.rig import Rig
from tests.support.wheels import wheel

NOWHERE = "http://127.0.0.1:9/simple"
BOT = "import houseware\nprint(houseware.hi())\n"


def rig_without_index(folder: Path) -> Rig:
    """A hub and runners whose package index is not there."""
    rig = Rig(folder)
    rig.env |= {"UV_DEFAULT_INDEX": NOWHERE, "UV_HTTP_TIMEOUT": "2"}
    return rig


def bot_with_wheels(rig: Rig, requirements: str, folder: str = "wheels") -> Path:
    """A bot with a package of its own, which needs another one of its own."""
    bot = rig.bot("offline", {"main.py": BOT, "requirements.txt": requirements, "VERSION": "1"})
    (bot / folder).mkdir(exist_ok=True)
    for name, data in (
        wheel("houseware", "1.2.0", "def hi():\n    return 'hello from the wheel'\n", ["inner>=1"]),
        wheel("inner", "1.0"),
    ):
        (bot / folder / name).write_bytes(data)
    return bot


async def test_a_bot_with_its_wheels_inside_runs_where_no_index_is_reached(tmp_path: Path) -> None:
    """bot-packages.md §3, offline: "wheels inside the package count as an index"; from `deploy` to the output."""
    async with rig_without_index(tmp_path) as rig:
        await rig.add_runner("desk-1")
        bot = bot_with_wheels(rig, "houseware\n")
        await rig.botyard("deploy", str(bot), "--bot", "offline", within=120)
        finished = await rig.finished(await rig.submit("offline"))
        assert "succeeded" == finished["outcome"]
        assert b"hello from the wheel\n" == await rig.output(finished["id"])


async def test_a_package_may_say_that_there_is_nothing_else(tmp_path: Path) -> None:
    """`--no-index`: what is lacking is refused at once, in the tool's own words, and nobody's index is asked."""
    async with rig_without_index(tmp_path) as rig:
        await rig.add_runner("desk-1")
        bot = bot_with_wheels(rig, "--no-index\n--find-links ./vendor\nhouseware==1.2.0\n", "vendor")
        await rig.botyard("deploy", str(bot), "--bot", "offline", within=120)
        finished = await rig.finished(await rig.submit("offline"))
        assert b"hello from the wheel\n" == await rig.output(finished["id"])
        # when one is missing
        (bot / "VERSION").write_text("2")
        (bot / "requirements.txt").write_text("--no-index\nhouseware\nlacking\n")
        refused = await rig.botyard("deploy", str(bot), "--bot", "offline", within=120, code=1)
        assert "its own wheels (wheels/, vendor/) are not enough" in refused.err.decode()
        assert "lacking" in refused.err.decode()
