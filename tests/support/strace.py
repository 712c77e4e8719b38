"""Faults at the system calls of a running process, by strace: the tool of the crash-point sweep (`reliability.md` T5).

strace counts the calls of each thread for itself, and of those only that concern `path`, where one is given. A SIGKILL
comes at the entry of the call, which is then never made; an error is the call's answer, and nothing is done.
"""

import asyncio
import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Self

from tests.support.waiting import eventually, seconds

_CALL = re.compile(r"^(?:(?P<thread>\d+) +)?(?P<call>[a-z_0-9]+)\((?P<rest>.*)$")
_PATH = re.compile(r'<(/[^>]*)>|"(/[^"]*)"')
INJECTED = "(INJECTED)"
_DYING_S = 5
KILLED = "+++ killed by SIGKILL +++"


class Blow(StrEnum):
    """What the call meets with."""

    KILL = "kill"
    EIO = "EIO"
    ENOSPC = "ENOSPC"


@dataclass(frozen=True, slots=True, kw_only=True)
class Aim:
    """The `nth` call of this name, counted for each traced thread; every thread of the process, or the given ones."""

    call: str
    nth: int
    path: Path | None = None
    whole: bool = True
    """All threads, those that are yet to come and children too; else only what has the given id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call of a recorded run."""

    thread: int
    name: str
    path: str
    """The first file that it names; empty for none."""


def why_not() -> str | None:
    """Why this machine can not inject faults; None where it can."""
    if sys.platform != "linux":
        return "strace is for Linux"
    if shutil.which("strace") is None:
        return "strace is not installed"
    if os.geteuid() != 0:
        return "tracing other processes needs root"
    # A container may forbid ptrace even to root.
    probe = subprocess.run(["strace", "-qq", "-o", "/dev/null", "true"], capture_output=True, check=False)
    return None if probe.returncode == 0 else "this machine permits no tracing"


@dataclass(slots=True)
class Tracer:
    """One strace beside running processes; `async with` attaches and lets go."""

    pids: tuple[int, ...]
    options: tuple[str, ...]
    log: Path
    whole: bool = True
    _process: asyncio.subprocess.Process | None = field(default=None, init=False)

    @classmethod
    def of(cls, pids: tuple[int, ...], aim: Aim, blow: Blow, log: Path) -> "Tracer":
        """A tracer that deals the blow."""
        effect = "signal=SIGKILL" if blow is Blow.KILL else f"error={blow}"
        at = ("-P", str(aim.path)) if aim.path is not None else ()
        inject = f"inject={aim.call}:{effect}:when={aim.nth}"
        return cls(pids, (*at, "-e", f"trace={aim.call}", "-e", inject), log, aim.whole)

    @classmethod
    def recording(cls, pids: tuple[int, ...], calls: tuple[str, ...], log: Path, *, whole: bool = True) -> "Tracer":
        """A tracer that only writes down."""
        return cls(pids, ("-e", f"trace={','.join(calls)}"), log, whole)

    async def __aenter__(self) -> Self:
        self.log.unlink(missing_ok=True)
        to = [word for pid in self.pids for word in ("-p", str(pid))]
        self._process = await asyncio.create_subprocess_exec(
            "strace",
            "-q",
            "-y",
            *(["-f"] if self.whole else []),
            *self.options,
            "-o",
            str(self.log),
            *to,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        await eventually(self._holds_all, within=10, saying=f"strace did not attach to {self.pids}")
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._process is not None
        # Told to let go while a process with several threads dies, strace waits for the first of them, which waits to
        # be reaped until strace has reaped the others: for ever.
        with contextlib.suppress(AssertionError):
            await eventually(self._sees_no_death, within=_DYING_S)
        if self._process.returncode is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(seconds(_DYING_S)):
                await self._process.communicate()
        except TimeoutError:
            # The kernel lets go of what a dead tracer held.
            self._process.kill()
            await self._process.communicate()

    def _holds_all(self) -> bool:
        assert self._process is not None
        if self._process.returncode is not None:
            # What ended before it was held can not be struck; the blow is then seen to have missed.
            return True
        threads = [each for pid in self.pids for each in (threads_of(pid) if self.whole else [pid])]
        return all(_tracer_of(each) in {self._process.pid, None} for each in threads)

    def _sees_no_death(self) -> bool:
        assert self._process is not None
        if self._process.returncode is not None:
            return True
        several = [held for pid in self.pids if len(held := threads_of(pid)) > 1]
        return not any(KILLED in self.text() or "Z" in map(_state_of, held) for held in several)

    def text(self) -> str:
        """What strace wrote so far."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def struck(self) -> str | None:
        """The call that was struck, as strace tells it; None when none was."""
        calls: dict[str, str] = {}
        for line in self.text().splitlines():
            if INJECTED in line:
                return line
            thread = line.split(" ", 1)[0]
            if KILLED in line:
                # The threads beside it die in the middle of whatever they do: told is the call that never returned.
                return next((each for each in reversed(calls.values()) if _is_open(each)), line)
            calls.pop(thread, None)
            calls[thread] = line
        return None

    def calls(self) -> list[Call]:
        """The recorded calls."""
        return parse(self.text())


def threads_of(pid: int) -> list[int]:
    """The ids of a process's threads in the order of their making; none when it is gone."""
    try:
        return sorted(int(name) for name in os.listdir(f"/proc/{pid}/task"))  # noqa: PTH208 - names, not paths
    except (FileNotFoundError, ProcessLookupError):
        return []


def parse(text: str) -> list[Call]:
    """The calls of a log of strace, those without end too, each once."""
    found = []
    for line in text.splitlines():
        match = _CALL.match(line)
        if match is not None:
            path = _PATH.search(match["rest"])
            named = next((each for each in path.groups() if each), "") if path else ""
            found.append(Call(thread=int(match["thread"] or 0), name=match["call"], path=named))
    return found


def _is_open(line: str) -> bool:
    return line.endswith(("= ?", "<unfinished ...>"))


def _tracer_of(thread: int) -> int | None:
    """The id of the process that traces this thread; None when the thread is gone."""
    said = _told_of(thread, "TracerPid")
    return None if said is None else int(said)


def _state_of(thread: int) -> str | None:
    """The letter of its state, `Z` for one that is dead and not yet reaped; None when it is gone."""
    return _told_of(thread, "State")


def _told_of(thread: int, name: str) -> str | None:
    try:
        status = Path(f"/proc/{thread}/status").read_text(encoding="ascii", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    return next(line.split()[1] for line in status.splitlines() if line.startswith(f"{name}:"))
