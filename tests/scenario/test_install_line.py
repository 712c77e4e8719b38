"""From the pasted line to a finished task, on a machine that has a Python and nothing else of ours (issue 6, point 4).

In a home of its own, with no service manager; under a real systemd: tests/packaging/test_install_line.py.
"""

import asyncio
import shutil
import signal
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.bundles import give_bundle
from tests.support.certificates import Authority
from tests.support.rig import Answer, Daemon, Rig
from tests.support.waiting import eventually

pytestmark = pytest.mark.skipif(
    shutil.which("curl") is None or not Path("/usr/bin/python3").exists(), reason="no curl, or no Python of the system"
)
OPTIONS = " install --no-service --mode session --name bare"


@dataclass
class Bare:
    """Somebody's account on a bare machine."""

    folder: Path

    async def paste(self, line: str) -> Answer:
        """What becomes of a line in a terminal."""
        self.folder.mkdir(exist_ok=True)
        pipe = asyncio.subprocess.PIPE
        env = {"HOME": str(self.folder), "PATH": "/usr/bin:/bin"}
        process = await asyncio.create_subprocess_exec(
            "/bin/sh", "-c", line, stdin=asyncio.subprocess.DEVNULL, stdout=pipe, stderr=pipe, env=env, cwd="/"
        )
        out, err = await process.communicate()
        assert process.returncode is not None
        return Answer(process.returncode, out, err)

    def is_bare(self) -> bool:
        """Whether nothing was left here."""
        return not any(path for path in self.folder.rglob("*") if not path.is_dir())


async def line_of(rig: Rig) -> str:
    """A fresh line for a machine without sudo."""
    return str((await rig.botyard("runner", "token", "--json")).json()["install"]["macos"])


async def test_one_line_makes_a_runner_and_whatever_is_wrong_leaves_nothing(tmp_path: Path) -> None:
    """S1, S6, S11: pinned, checked, enrolled with a token that is no argument; again it changes nothing."""
    issued = Authority(tmp_path / "ca").issue()
    options = ("--tls-cert", str(issued.cert), "--tls-key", str(issued.key))
    bare = Bare(tmp_path / "mia")
    bundle = give_bundle(tmp_path / "rig" / "data")
    async with Rig(tmp_path / "rig", hub_options=options, ca=tmp_path / "ca" / "ca.pem") as rig:
        line = await line_of(rig)
        script = await bare.paste(line.partition('"$(')[2].rpartition(" || ")[0])

        wrong = await bare.paste(line.replace("sha256//", "sha256//AAAA") + OPTIONS)
        assert (1, True) == (wrong.code, b"public key" in wrong.err)
        assert bare.is_bare()

        used_up = await bare.paste(line.replace("byt_", "byt_0") + OPTIONS)
        assert (78, 1) == (used_up.code, len(used_up.err.splitlines())), used_up
        assert b"enrolment token" in used_up.err
        assert bare.is_bare()

        good = bundle.read_bytes()
        bundle.write_bytes(good + b"more")
        (tmp_path / "script").write_bytes(script.out)
        tampered = await bare.paste(f'echo byt_x | sh -c "$(cat {tmp_path}/script)"{OPTIONS}')
        assert (1, b"botyard: the bundle is not what the hub says it is; nothing was installed\n") == (
            tampered.code,
            tampered.err,
        )
        assert bare.is_bare()
        bundle.write_bytes(good)

        made = await bare.paste(line + OPTIONS)
        assert (0, True) == (made.code, "runner bare (" in made.text), made
        await works(rig, bare)
        before = {path: path.lstat().st_mtime_ns for path in bare.folder.rglob("*/versions/*")}
        again = await bare.paste(await line_of(rig) + OPTIONS)
        assert (0, True) == (again.code, "is runner bare already; the token was not used" in again.text), again
        assert before == {path: path.lstat().st_mtime_ns for path in bare.folder.rglob("*/versions/*")}

        other = script.text.replace("hub_id=hub_", "hub_id=hub_0", 1)
        (tmp_path / "script").write_text(other)
        elsewhere = await bare.paste(f'echo byt_x | sh -c "$(cat {tmp_path}/script)"{OPTIONS}')
        assert (78, True) == (elsewhere.code, b"another hub" in elsewhere.err)


async def works(rig: Rig, bare: Bare) -> None:
    """The runner that was installed runs a bot to its end."""
    command = bare.folder / ".local" / "bin" / "botyard-agent"
    env = {"HOME": str(bare.folder), "PATH": "/usr/bin:/bin"}
    daemon = Daemon("bare", [str(command), "run"], bare.folder.parent / "bare.log", env)
    await daemon.start()
    try:
        await eventually(lambda: linked(rig, daemon), within=120, saying="it did not connect")
        bot = bare.folder.parent / "hello"
        bot.mkdir()
        (bot / "main.py").write_text("print('from the pasted line')\n")
        await rig.botyard("deploy", str(bot))
        task = await rig.finished(await rig.submit("hello"))
        assert ("succeeded", "bare") == (task["outcome"], task["runner"]), task
        assert b"from the pasted line\n" == await rig.output(task["id"])
    finally:
        await rig.run(str(command), "stop", "--now", env={"HOME": str(bare.folder)})
        await daemon.end(signal.SIGTERM)


async def linked(rig: Rig, daemon: Daemon) -> bool:
    """Whether the hub has it on the line."""
    assert daemon.alive, daemon.tail()
    return any(one["connected"] for one in (await rig.get("/api/v1/runners"))["items"])
