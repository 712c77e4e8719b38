"""The real daemon as a process, in a home of its own, enrolled at a scripted hub."""

import contextlib
import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from agent.home import Home, Membership
from agent.keys import new_key, public_key
from agent.ports import SystemDisk
from tests.support.scripted_hub import HUB_ID, ScriptedHub
from tests.support.waiting import eventually


@dataclass
class RunnerProcess:
    """One daemon; may be killed and started again on its home."""

    home: Path
    slots: int = 1
    log: Path = field(init=False)
    process: "subprocess.Popen[bytes] | None" = None

    def __post_init__(self) -> None:
        self.log = self.home.parent / f"{self.home.name}.log"

    def enrol_by_hand(self, hub: ScriptedHub, url: str) -> None:
        """Make the home a runner of this hub, without the wire of enrolment."""
        home = Home.lock(self.home, SystemDisk())
        key = new_key()
        home.prepare(key, *home.introduction())
        hub.runner_key = public_key(key)
        home.join_hub(
            Membership(
                hub_url=url,
                hub_id=HUB_ID,
                hub_key=hub.key,
                runner_id=hub.runner_id,
                workspace="default",
                name="r",
                slots=self.slots,
            )
        )
        home.release()

    def start(self) -> None:
        """Start the daemon."""
        command = [sys.executable, "-P", "-m", "agent", "run", "--home", str(self.home)]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/")

    def kill(self) -> None:
        """End it as a crash would."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def signal(self, number: int) -> None:
        """Send a signal."""
        assert self.process is not None
        self.process.send_signal(number)

    async def ended(self, within: float = 15.0) -> int:
        """Wait for its end; return the exit code."""
        assert self.process is not None
        process = self.process
        await eventually(lambda: process.poll() is not None, within=within, saying="the daemon has not ended")
        return process.returncode

    def close(self) -> None:
        """End it and everything below it; shims and bots were adopted by this test process."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for child in psutil.Process(os.getpid()).children(recursive=True):
            with contextlib.suppress(psutil.Error):
                if str(self.home) in " ".join([*child.environ().values(), *child.cmdline()]) or is_ours(child):
                    child.kill()

    def rss_bytes(self) -> int:
        """Resident memory of the daemon."""
        assert self.process is not None
        return int(psutil.Process(self.process.pid).memory_info().rss)

    def text(self) -> str:
        """What it logged."""
        return self.log.read_text()


def is_ours(process: psutil.Process) -> bool:
    """Whether this is a shim or a zygote of some daemon."""
    return process.name().startswith("botyard-")


def sigterm() -> int:
    """The signal of a service manager."""
    return signal.SIGTERM
