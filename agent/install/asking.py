"""What an installation asks of the machine: commands of others, run to their end; tests have another."""

import asyncio
import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from agent.ports.tools import ToolCommand, run_tool

_TOOL_S = 180.0
_PAUSE_S = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """How a command ended, and what it said."""

    code: int | None
    text: str

    @property
    def last(self) -> str:
        """Its last line, which is what our own commands say of what went wrong."""
        lines = self.text.strip().splitlines() or [""]
        return lines[-1].removeprefix("botyard-agent: ").strip()


class Tools(Protocol):
    """The port."""

    async def run(self, argv: tuple[str, ...], stdin: bytes = b"") -> Answer:
        """Run a command to its end; one that is not there answers 127."""
        ...

    async def wait(self) -> None:
        """Let a moment pass."""
        ...

    def outlive_terminal(self) -> None:
        """From here on a terminal that is closed ends nothing."""
        ...

    def is_held(self, home: Path) -> bool:
        """Whether a daemon, or an enrolment, has a home's lock now."""
        ...


class SystemTools:
    """The machine that we stand on."""

    async def run(self, argv: tuple[str, ...], stdin: bytes = b"") -> Answer:
        """Run a command to its end; one that is not there answers 127."""
        command = ToolCommand(argv=argv, env=os.environ, cwd=Path("/"), timeout_s=_TOOL_S, stdin=stdin)
        try:
            result = await run_tool(command)
        except FileNotFoundError:
            return Answer(code=127, text=f"there is no {argv[0]}")
        return Answer(code=result.exit_code, text=result.output)

    async def wait(self) -> None:
        """Let a moment pass."""
        await asyncio.sleep(_PAUSE_S)

    def outlive_terminal(self) -> None:
        """From here on a terminal that is closed ends nothing."""
        if sys.platform != "win32":
            signal.signal(signal.SIGHUP, signal.SIG_IGN)

    def is_held(self, home: Path) -> bool:
        """Whether a daemon, or an enrolment, has a home's lock now; as `agent.home` has it, which needs a library."""
        try:
            with (home / "lock").open("rb") as file:
                return not _can_lock(file.fileno())
        except FileNotFoundError:
            return False


if sys.platform == "win32":

    def _can_lock(file: int) -> bool:
        del file
        return True

else:
    import fcntl

    def _can_lock(file: int) -> bool:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
