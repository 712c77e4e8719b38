"""Processes of this machine: who is still the one we mean, who stands below whom, and how a whole tree is ended.

A process is named by its pid *and* its start: `start_of(pid)` is an opaque text (boot, ticks) that no later process
with the same pid shares. Nothing here waits; `agent/process_watch.py` waits on a loop. Shim and daemon use it.

What the daemon calls:

    same_process(pid, start) -> bool          adoption: is this still the process of our notes?
    open_process(pid, start) -> int | None    a pidfd of exactly that process (Linux)
    descendants(pid) -> list[int]             everything below it now
    kill_tree(pid) -> None                    SIGKILL for it and all below it, until none is left or can be killed
    find_by_execution_id(id) -> list[int]     last resort: by BOTYARD_EXECUTION_ID in the environment
    kill_leftovers(id, started_after) -> list[int]
"""

import mmap
import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

EXECUTION_VARIABLE = "BOTYARD_EXECUTION_ID"
_KILL_ROUNDS = 50
_STOP_ROUNDS = 10
_PROC = Path("/proc")

if sys.platform == "win32":
    KILL = signal.SIGTERM
    """There `os.kill` with it is TerminateProcess."""
else:
    KILL = signal.SIGKILL


def start_of(pid: int) -> str | None:
    """Return what tells this process from any other of its pid, or None when there is none (a zombie is none)."""
    if sys.platform != "linux":
        return _start_by_psutil(pid)
    fields = _stat(pid)
    if fields is None or fields[0] in {"Z", "X"}:
        return None
    return f"{_boot()}:{fields[19]}"


def same_process(pid: int, start: str, look: Callable[[int], str | None] = start_of) -> bool:
    """Tell whether `pid` still is the process whose `start_of` was noted as `start`; `look` says it of other worlds."""
    return bool(start) and look(pid) == start


def descendants(pid: int) -> list[int]:
    """Return the pids below `pid`, parents before children, zombies left out."""
    if sys.platform != "linux":
        return _descendants_by_psutil(pid)
    children: dict[int, list[int]] = {}
    for each in _all_pids():
        fields = _stat(each)
        if fields is not None:
            children.setdefault(int(fields[1]), []).append(each)
    found: list[int] = []
    waiting = [pid]
    while waiting:
        below = children.get(waiting.pop(), [])
        found.extend(below)
        waiting.extend(below)
    return [each for each in found if start_of(each) is not None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What one process uses; its CPU time with that of the children it waited for."""

    threads: int
    cpu_seconds: float
    resident_bytes: int


def usage_of(pid: int) -> Usage | None:
    """Return what a process uses now, or None when it is gone (a zombie uses nothing but its CPU time)."""
    if sys.platform != "linux":
        return _usage_by_psutil(pid)
    fields = _stat(pid)
    if fields is None:
        return None
    # utime, stime, cutime, cstime; then num_threads and rss of proc(5), counted from the state.
    ticks = sum(int(field) for field in fields[11:15])
    return Usage(threads=int(fields[17]), cpu_seconds=ticks / 100, resident_bytes=int(fields[21]) * mmap.PAGESIZE)


def memory_share_of(pid: int) -> int | None:
    """Return its memory with each shared page divided among those that have it; None where that is not told."""
    try:
        lines = (_PROC / str(pid) / "smaps_rollup").read_text("ascii", "replace").splitlines()
    except OSError:
        return None
    for line in lines:
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return None


def command_of(pid: int) -> str:
    """Return the command line for people, at most 200 characters; empty when it cannot be read."""
    try:
        words = (_PROC / str(pid) / "cmdline").read_bytes().split(b"\0")
    except OSError:
        return ""
    return b" ".join(words).decode("utf-8", "replace").strip()[:200]


def signal_all(pids: Iterable[int], number: int) -> None:
    """Send a signal to each; those that are gone or not ours are passed over."""
    for pid in pids:
        try:
            os.kill(pid, number)
        except (ProcessLookupError, PermissionError):
            continue


def kill_tree(pid: int) -> None:
    """End everything below `pid`, then `pid`, with SIGKILL; what cannot be killed is left."""
    kill_below(pid)
    signal_all([pid], KILL)


def kill_below(pid: int, reap: Callable[[], None] = lambda: None) -> None:
    """End everything below `pid` and leave `pid` itself; `reap` collects what has ended, where that is its parent.

    All of it is stopped first, until no look finds a fresh one: so a tree that forks all the time cannot outrun its
    end where anything bounds it. The ended are collected in between, as each look costs what the table is large.
    """
    with _hurried():
        for _ in range(_KILL_ROUNDS):
            below = _stopped_below(pid)
            if not below:
                return
            signal_all(below, KILL)
            reap()


def _stopped_below(pid: int) -> list[int]:
    """Return what is below `pid`, stopped where the platform can."""
    known: set[int] = set()
    below: list[int] = []
    for _ in range(_STOP_ROUNDS):
        below = descendants(pid)
        fresh = [each for each in below if each not in known]
        if not fresh or sys.platform == "win32":
            break
        signal_all(fresh, signal.SIGSTOP)
        known.update(fresh)
    return below


@contextmanager
def _hurried() -> Iterator[None]:
    """Let this thread run before everybody else's, where it may (root): a bomb takes the processor, too."""
    if sys.platform != "linux":
        yield
        return
    try:
        before, priority = os.sched_getscheduler(0), os.sched_getparam(0)
        os.sched_setscheduler(0, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(1))
    except OSError:
        yield
        return
    try:
        yield
    finally:
        with suppress(OSError):
            os.sched_setscheduler(0, before, priority)


def find_by_execution_id(execution_id: str) -> list[int]:
    """Return processes whose environment names this execution; the last resort of core.md §2."""
    if sys.platform != "linux":
        return _find_by_psutil(execution_id)
    wanted = f"{EXECUTION_VARIABLE}={execution_id}".encode()
    found = []
    for pid in _all_pids():
        try:
            variables = (_PROC / str(pid) / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if wanted in variables and start_of(pid) is not None:
            found.append(pid)
    return found


def kill_leftovers(execution_id: str, started_after_boot_ns: int) -> list[int]:
    """Kill what `find_by_execution_id` finds and what started after the verdict; return who is still there.

    The start time guards a person's own shell that has the variable in its environment.
    """
    found: list[int] = []
    for _ in range(_KILL_ROUNDS):
        found = [pid for pid in find_by_execution_id(execution_id) if _started_boot_ns(pid) >= started_after_boot_ns]
        if not found:
            return []
        for pid in found:
            kill_tree(pid)
    return found


def open_process(pid: int, start: str) -> int | None:
    """Return a pidfd of exactly the process that was noted, or None when it is gone. The caller closes it."""
    if sys.platform != "linux":
        return None
    try:
        fd = os.pidfd_open(pid)
    except OSError:
        return None
    # Only a process that is still the same *after* the open is the one that the descriptor holds.
    if same_process(pid, start):
        return fd
    os.close(fd)
    return None


def _all_pids() -> list[int]:
    try:
        return [int(entry.name) for entry in _PROC.iterdir() if entry.name.isdigit()]
    except OSError:
        return []


def _stat(pid: int) -> list[str] | None:
    """Fields of /proc/<pid>/stat from the third (state) on; the second may hold blanks and brackets."""
    try:
        text = (_PROC / str(pid) / "stat").read_text("ascii", "replace")
    except OSError:
        return None
    return text[text.rindex(")") + 2 :].split()


def _started_boot_ns(pid: int) -> int:
    if sys.platform != "linux":
        # No start by this clock is known here: who has the variable counts as the bot's.
        return sys.maxsize
    fields = _stat(pid)
    # One tick of grace: the kernel rounds down.
    return (int(fields[19]) + 1) * _TICK_NS if fields else 0


_boot_id: list[str] = []
_TICK_NS = 10_000_000
"""USER_HZ is 100 on every Linux that CPython runs on."""


def _boot() -> str:
    if not _boot_id:
        try:
            _boot_id.append((_PROC / "sys/kernel/random/boot_id").read_text().strip()[:8])
        except OSError:
            _boot_id.append("")
    return _boot_id[0]


def _start_by_psutil(pid: int) -> str | None:
    import psutil

    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else f"{psutil.boot_time():.0f}:{process.create_time()}"
    except psutil.Error:
        return None


def _usage_by_psutil(pid: int) -> Usage | None:
    import psutil

    try:
        process = psutil.Process(pid)
        times, threads, memory = process.cpu_times(), process.num_threads(), process.memory_info()
    except psutil.Error:
        return None
    return Usage(threads=threads, cpu_seconds=times.user + times.system, resident_bytes=memory.rss)


def _find_by_psutil(execution_id: str) -> list[int]:
    import psutil

    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(EXECUTION_VARIABLE) == execution_id:
                found.append(process.pid)
        except (psutil.Error, OSError):
            continue
    return found


def _descendants_by_psutil(pid: int) -> list[int]:
    import psutil

    try:
        return [child.pid for child in psutil.Process(pid).children(recursive=True)]
    except psutil.Error:
        return []
