"""What a test must not leave behind: processes, file descriptors, threads, asyncio tasks."""

import asyncio
import ctypes
import gc
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import psutil

from tests.support.waiting import eventually_sync

T = TypeVar("T")
_PR_SET_CHILD_SUBREAPER = 36
_ZYGOTE = "agent.shim.zygote_process"
# What the interpreter and the kernel open once and keep.
_HARMLESS = ("/dev/urandom", "/dev/null", "/usr/", "/etc/", "/sys/", "/proc/")


def adopt_orphans() -> None:
    """Make this process the parent of every orphan below it, so that a daemonised leftover is still seen."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


@contextmanager
def no_leaks(within: float = 5.0) -> Iterator[None]:
    """Fail when the block leaves a process, a file descriptor or a thread behind for more than `within` units.

    Zombies that were adopted here are collected and do not count; that is what init would do.
    """
    adopt_orphans()
    processes, descriptors, threads = _processes(), _descriptors(), _threads()
    yield
    gc.collect()
    left_processes = _settled(lambda: _left_by(processes), within)
    left_descriptors = _settled(lambda: _new_descriptors(descriptors), within)
    left_threads = _settled(lambda: _threads() - threads, within)
    report = [
        *(f"process {_describe(pid)}" for pid, _ in left_processes),
        *(f"descriptor {number} -> {target}" for number, target in left_descriptors),
        *(f"thread {name}" for name, _ in left_threads),
    ]
    if report:
        raise AssertionError("left behind: " + "; ".join(sorted(report)))


def leaked_tasks() -> list[str]:
    """Return the names of the running loop's tasks other than the caller's."""
    return sorted(repr(task) for task in asyncio.all_tasks() if task is not asyncio.current_task() and not task.done())


def _settled(look: Callable[[], set[T]], within: float) -> set[T]:
    """Return what `look` still sees after it had `within` units to become empty."""
    try:
        eventually_sync(lambda: not look(), within=within)
    except AssertionError:
        return look()
    return set()


def _left_by(before: set[tuple[int, float]]) -> set[tuple[int, float]]:
    """Processes that were not there before; a runner that was makes itself a fresh idle shim whenever it wants one."""
    known = {pid for pid, _ in before}
    return {found for found in _processes() - before if not _is_idle_shim(found[0], known)}


def _is_idle_shim(pid: int, known: set[int]) -> bool:
    try:
        process = psutil.Process(pid)
        return process.ppid() in known and _ZYGOTE in process.cmdline() and not process.children()
    except psutil.NoSuchProcess:
        return False


def _processes() -> set[tuple[int, float]]:
    found = set()
    for child in psutil.Process().children(recursive=True):
        try:
            if child.status() == psutil.STATUS_ZOMBIE:
                _collect(child)
            else:
                found.add((child.pid, child.create_time()))
        except psutil.NoSuchProcess:
            continue
    return found


def _collect(zombie: psutil.Process) -> None:
    """Wait for a dead child; its own parent does that where it is not us."""
    if zombie.ppid() != os.getpid():
        return
    try:
        os.waitpid(zombie.pid, os.WNOHANG)
    except ChildProcessError:
        return


def _describe(pid: int) -> str:
    try:
        return f"{pid} {' '.join(psutil.Process(pid).cmdline())[:200]}"
    except psutil.Error:
        return str(pid)


def _descriptors() -> set[tuple[str, str]]:
    folder = Path("/proc/self/fd")
    if not folder.is_dir():
        return set()
    found = set()
    for entry in list(folder.iterdir()):
        try:
            found.add((entry.name, str(entry.readlink())))
        except FileNotFoundError:
            continue  # the listing's own
    return found


def _new_descriptors(before: set[tuple[str, str]]) -> set[tuple[str, str]]:
    return {(number, target) for number, target in _descriptors() - before if not target.startswith(_HARMLESS)}


def _threads() -> set[tuple[str, int]]:
    # Threads of a loop's executor end with their loop, whose fixture is torn down later than this check; the timer of
    # pytest-timeout is another one for each test.
    foreign = ("asyncio_", "pytest_timeout")
    return {(each.name, each.ident or 0) for each in threading.enumerate() if not each.name.startswith(foreign)}
