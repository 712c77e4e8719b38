"""Hub and runner as packages on one machine, and a bot that keeps a diary: what the harness types and looks at."""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.packaging.machine import Machine
from tests.support.waiting import eventually_sync

ROOT = Path(__file__).resolve().parents[2]
HUB, AGENT = "botyard-hub.service", "botyard-agent.service"
HOME = "/var/lib/botyard-agent"
NEWER = "0.1.99"
KEPT = "BOTYARD_TEST_DEBS"
# Prints numbered lines until it is told that it is enough, and keeps a diary of exactly what it printed.
PRINTER = """
import json, os, pathlib, sys, time
parameters = json.loads(pathlib.Path(os.environ["BOTYARD_PARAMETERS"]).read_text())
folder = pathlib.Path(parameters["folder"])
folder.mkdir(exist_ok=True)
diary = (folder / "diary").open("wb")
(folder / "pid").write_text(str(os.getpid()))
(folder / "groups").write_text(pathlib.Path("/proc/self/cgroup").read_text())
number = 0
while not (folder / "enough").exists():
    line = b"line %d of the diary\\n" % number
    os.write(1, line)
    diary.write(line)
    diary.flush()
    number += 1
    time.sleep(0.01)
sys.exit(int(parameters.get("code", 0)))
"""


def build_debs(folder: Path, *options: str) -> dict[str, Path]:
    """Build the packages of this tree; the files by the package's name. Packages come by uv, by the same hashes.

    Those that lie in the folder BOTYARD_TEST_DEBS already are not built again.
    """
    if kept := os.environ.get(KEPT):
        folder = Path(kept)
        known = NEWER in options
        found = [file for file in folder.glob("*.deb") if (f"_{NEWER}_" in file.name) is known]
        if found:
            return {file.name.partition("_")[0]: file for file in found}
    made = subprocess.run(
        ["packaging/deb/build", "-c", "-o", str(folder), *options],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
    )
    assert made.returncode == 0, made.stdout
    return {Path(line).name.partition("_")[0]: Path(line) for line in made.stdout.split() if line.endswith(".deb")}


class World:
    """One machine with hub and runner. `told` is given each line that is typed there and what it printed."""

    def __init__(self, machine: Machine, told: Callable[[str], None] | None = None) -> None:
        self.machine = machine
        self._told = told

    def type(self, line: str, *, ok: tuple[int, ...] = (0,), stdin: str | None = None) -> str:
        """Run a line of shell as root, as a person types it; what it printed. Raises AssertionError."""
        done = self.machine.run("sh", "-c", line, check=False, stdin=stdin)
        if self._told is not None:
            self._told(f"# {line}\n{done.stdout}" + (f"[{done.returncode}]\n" if done.returncode else ""))
        assert done.returncode in ok, f"{line} ended with {done.returncode}:\n{done.stdout}"
        return done.stdout

    def install(self, deb: Path) -> str:
        """`dpkg -i`, of a copy on the machine."""
        return self.type(f"dpkg -i {self.machine.put(deb)}")

    def log_in(self) -> None:
        """Remember the hub's first key for root."""
        self.type("botyard login http://127.0.0.1:8040 --token-file /var/lib/botyard-hub/admin-token")

    def enrol(self, name: str, *, slots: int = 2, again: bool = False) -> None:
        """Make the machine a runner of its own hub, as root does, and start it."""
        token = json.loads(self.machine.shell("botyard runner token --json"))["token"]
        more = " --again" if again else ""
        self.type(
            f"botyard-agent enroll http://127.0.0.1:8040 --token - --name {name} --slots {slots}{more}", stdin=token
        )
        self.type("botyard-agent service start")
        self.linked()

    def linked(self) -> None:
        """Wait until the daemon says that it is linked."""
        self.eventually(lambda: self.machine.show(AGENT, "StatusText").startswith("linked"), "the runner is linked")

    def restarted(self, before: int) -> int:
        """Wait until another daemon than `before` is the unit's and linked; its process id."""
        self.eventually(lambda: self.daemon not in {0, before}, "there is another daemon")
        self.linked()
        return self.daemon

    @property
    def daemon(self) -> int:
        """The daemon's process id, as the machine counts; 0 for none."""
        return int(self.machine.show(AGENT, "MainPID"))

    def asked(self, line: str) -> Any:
        """What a command of `botyard` answers with --json."""
        return json.loads(self.machine.run("sh", "-c", f"botyard {line} --json").stdout)

    def deploy_printer(self) -> None:
        """Deploy the bot, from a folder of the machine."""
        self.machine.write("/root/printer/main.py", PRINTER)
        self.machine.write("/root/printer/VERSION", "1.0\n")
        self.type("botyard deploy /root/printer")

    def eventually(self, check: Callable[[], object], saying: str, within: float = 90) -> None:
        """Wait until it is true."""
        eventually_sync(check, within=within, saying=saying)


class LivingBot:
    """A bot that prints, on a world, from its first line to its proven end."""

    def __init__(self, world: World, name: str, code: int = 0) -> None:
        self._world, self._machine, self._code = world, world.machine, code
        self._folder = f"/tmp/{name}"
        out = world.type(f"botyard run printer -p folder={self._folder} -p code={code}")
        self.task = out.split()[0]
        world.eventually(lambda: self.lines() > 20, "the bot prints")
        self.pid = int(self._machine.shell(f"cat {self._folder}/pid"))
        self._began = self._born()

    def lines(self) -> int:
        """How many lines it has printed."""
        return int(self._machine.shell(f"cat {self._folder}/diary 2>/dev/null | wc -l"))

    def lives(self) -> None:
        """It is the same process, and prints on. Raises AssertionError."""
        assert self._began == self._born(), "the bot is another process, or none"
        before = self.lines()
        self._world.eventually(lambda: self.lines() > before, "the bot prints on", 30)

    def finish(self) -> dict[str, Any]:
        """Let it end; the task, its output whole to the byte and its exit code true. Raises AssertionError."""
        self._machine.run("touch", f"{self._folder}/enough")
        self._world.eventually(lambda: self._shown()["outcome"], "the task has ended")
        self._world.eventually(lambda: (self._shown()["output"] or {}).get("complete"), "the output is whole")
        task = self._shown()
        diary = self._machine.shell(f"cat {self._folder}/diary").encode()
        assert task["outcome"] == ("failed" if self._code else "succeeded"), task
        assert task["exit_code"] == self._code
        assert task["output"]["sha256"] == hashlib.sha256(diary).hexdigest()
        assert self._machine.shell(f"botyard logs {self.task}").encode() == diary
        return task

    def groups(self) -> str:
        """What /proc/self/cgroup says of it."""
        return self._machine.shell(f"cat {self._folder}/groups")

    def _shown(self) -> dict[str, Any]:
        shown: dict[str, Any] = self._world.asked(f"task show {self.task}")
        return shown

    def _born(self) -> str:
        return self._machine.shell(f"cut -d' ' -f22 /proc/{self.pid}/stat")


@contextmanager
def settled(world: World, debs: dict[str, Path]) -> Iterator[World]:
    """Install both packages, and make the machine a runner of its own hub with the bot deployed."""
    world.install(debs["botyard-hub"])
    world.install(debs["botyard-agent"])
    world.log_in()
    world.enrol("robot-1")
    world.deploy_printer()
    yield world
