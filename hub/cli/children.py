"""The programs that `up` and `demo` start: by command, never by import; each in its own session, its log in a file.

Ctrl-C reaches `up` alone, which ends its children in order; they never see the terminal's signal. Where it is killed
they end by themselves: the bots of its runner live on under their shims, and the next `up` takes them over.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from agent.ports.starter import ENDS_WITH_STARTER

END_AFTER_S = 15.0
"""How long a child may take to end before it is killed."""


@dataclass(slots=True)
class Child:
    """One of our programs."""

    name: str
    command: Sequence[str]
    log: Path
    env: Mapping[str, str] = field(default_factory=dict)
    _process: asyncio.subprocess.Process | None = None
    _from: int = 0
    """Where this start began in its log: what older ones wrote explains nothing."""

    async def start(self) -> None:
        """Start it."""
        with self.log.open("ab") as log:
            self._from = log.tell()
            self._process = await asyncio.create_subprocess_exec(
                *self.command,
                # Ours as long as this process lives, and never written: its end is ours (`agent/ports/starter.py`).
                stdin=asyncio.subprocess.PIPE,
                stdout=log,
                stderr=log,
                env={**os.environ, ENDS_WITH_STARTER: "1", **self.env},
                start_new_session=True,
            )

    @property
    def is_running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.returncode is None

    @property
    def exit_code(self) -> int | None:
        """How it ended; None while it runs, or before it started."""
        return self._process.returncode if self._process else None

    async def wait(self) -> int:
        """Wait for its end."""
        assert self._process is not None
        return await self._process.wait()

    async def end(self) -> None:
        """Ask it to end, and see that it does."""
        if self._process is None or self._process.returncode is not None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(END_AFTER_S):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()

    def tail(self, lines: int = 10) -> str:
        """The last lines that it wrote, for a person who has to know why it ended."""
        text = self.log.read_bytes()[self._from :].decode(errors="replace") if self.log.exists() else ""
        return "\n".join(f"  {line}" for line in text.splitlines()[-lines:])


async def run_to_end(command: Sequence[str], within_s: float) -> tuple[int, str]:
    """Run a command to its end: (exit code, what it printed). Raises TimeoutError, after killing it."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(within_s):
            printed, _ = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        raise
    return process.returncode or 0, printed.decode(errors="replace").strip()


def hub_command(*arguments: str) -> list[str]:
    """The command line of `botyard` with this interpreter."""
    return [sys.executable, "-m", "hub.cli", *arguments]


def agent_command(*arguments: str) -> list[str]:
    """The command line of `botyard-agent` with this interpreter."""
    return [sys.executable, "-m", "agent", *arguments]


def stop_on_signals(stop: asyncio.Event) -> None:
    """Set `stop` on Ctrl-C and SIGTERM; what happens then is the caller's."""
    if sys.platform == "win32":
        signal.signal(signal.SIGINT, lambda *_: stop.set())
        return
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stop.set)
