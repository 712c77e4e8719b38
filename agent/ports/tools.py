"""Tools that are run to their end, with their output and a time limit: `uv` and `pip`, on the hub and on runners.

Bots are something else: they are started by their shims, live on without their parent, and are nobody's tool.
"""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

OUTPUT_KEPT_BYTES = 64 * 1024
"""Of a tool's output the last bytes are kept: its complaint is at the end."""

_READ_BYTES = 8192


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCommand:
    """What to run: absolute program and arguments, the whole environment, where, and for how long at most."""

    argv: tuple[str, ...]
    env: Mapping[str, str]
    cwd: Path
    timeout_s: float
    stdin: bytes = b""
    """A line for it, as a secret is that may not stand in a process list; nothing more than a pipe holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolResult:
    """How it ended; `exit_code` is None when it was stopped for taking too long, negative for a signal."""

    exit_code: int | None
    output: str
    """Both streams as they came, the end of them when they were long."""

    @property
    def succeeded(self) -> bool:
        """Whether the tool itself says so."""
        return self.exit_code == 0


class RunTool(Protocol):
    """The port: run a tool to its end."""

    async def __call__(self, command: ToolCommand, on_line: Callable[[str], None] | None = None) -> ToolResult:
        """Run `command`; `on_line` sees each line as it comes. Raises OSError when it can't be started.

        When this is cancelled or the time is over, the tool and all that it started are killed.
        """
        ...


async def run_tool(command: ToolCommand, on_line: Callable[[str], None] | None = None) -> ToolResult:
    """Run `command` on this machine; see `RunTool`."""
    process = await asyncio.create_subprocess_exec(
        *command.argv,
        stdin=subprocess.PIPE if command.stdin else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=dict(command.env),
        cwd=command.cwd,
        start_new_session=sys.platform != "win32",
        creationflags=_NEW_GROUP,
    )
    assert process.stdout is not None
    if process.stdin is not None:
        process.stdin.write(command.stdin)
        process.stdin.close()
    tail = _Tail(on_line)
    exit_code: int | None = None
    try:
        async with asyncio.timeout(command.timeout_s):
            while piece := await process.stdout.read(_READ_BYTES):
                tail.feed(piece)
            exit_code = await process.wait()
    except TimeoutError:
        tail.feed(f"\nstopped after {command.timeout_s:g} s".encode())
    finally:
        if process.returncode is None:
            _kill_group(process)
            await asyncio.shield(process.wait())
    return ToolResult(exit_code=exit_code, output=tail.text())


class _Tail:
    """The end of an output, and its lines one by one."""

    def __init__(self, on_line: Callable[[str], None] | None) -> None:
        self._kept = bytearray()
        self._line = bytearray()
        self._on_line = on_line

    def feed(self, piece: bytes) -> None:
        self._kept += piece
        del self._kept[:-OUTPUT_KEPT_BYTES]
        if self._on_line is None:
            return
        *lines, rest = (bytes(self._line) + piece).split(b"\n")
        self._line = bytearray(rest[-OUTPUT_KEPT_BYTES:])
        for line in lines:
            self._on_line(line.decode("utf-8", errors="replace").rstrip("\r"))

    def text(self) -> str:
        return self._kept.decode("utf-8", errors="replace").strip()


if sys.platform == "win32":
    _NEW_GROUP = subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW

    def _kill_group(process: asyncio.subprocess.Process) -> None:
        process.kill()

else:
    _NEW_GROUP = 0

    def _kill_group(process: asyncio.subprocess.Process) -> None:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            # It ended in this moment; there is nothing left to kill.
            return
