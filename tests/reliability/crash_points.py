"""Where the sweep strikes: durable and visible calls of one execution, found by recording one (`reliability.md` T5).

A point is a call of one of our processes, told by its name, its number and its lane: the loop's thread, one file, or
every thread. It is struck in three ways: the process is killed there, or the call answers EIO or ENOSPC.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from random import Random

from tests.support.strace import Aim, Blow, Call


class Victim(StrEnum):
    """Which process is struck."""

    HUB = "hub"
    DAEMON = "daemon"
    SHIM = "shim"
    CHILD = "child"
    """What the shim forks, before it becomes the bot."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """Calls that are counted together: those of the loop's thread, those on one file, or all."""

    victim: Victim
    name: str
    calls: tuple[str, ...]
    file: str = ""
    """Below the hub's data or the runner's home; a `*` stands for the newest file there."""
    loop: bool = False
    """Only what the process's first thread does."""
    beside: str = ""
    """Only what that thread does which writes to this file."""


LANES = (
    Lane(victim=Victim.HUB, name="loop", calls=("write",), loop=True),
    Lane(victim=Victim.HUB, name="log", calls=("fdatasync", "pwrite64"), file="hub.db-wal"),
    Lane(victim=Victim.HUB, name="database", calls=("fdatasync", "pwrite64", "ftruncate"), file="hub.db"),
    Lane(victim=Victim.HUB, name="journal", calls=("write", "fdatasync"), file="outputs/journal/*"),
    Lane(victim=Victim.HUB, name="outputs", calls=("fsync", "mkdir", "rename", "write"), beside="outputs/journal/*"),
    Lane(victim=Victim.HUB, name="files", calls=("fsync", "mkdir", "rename", "link", "unlink")),
    Lane(victim=Victim.DAEMON, name="loop", calls=("sendto", "sendmsg", "unlink"), loop=True),
    Lane(victim=Victim.DAEMON, name="spool", calls=("fdatasync", "pwrite64"), file="spool.db-wal"),
    Lane(
        victim=Victim.DAEMON, name="files", calls=("fsync", "mkdir", "rename", "link", "write", "unlinkat", "rmdir")
    ),
    Lane(
        victim=Victim.SHIM,
        name="all",
        calls=(
            "mkdir", "fallocate", "ftruncate", "write", "pwrite64", "fsync", "link", "unlink", "fdatasync", "rename",
            "sendto", "clone3", "clone", "fork",
        ),
        loop=True,
    ),
    Lane(victim=Victim.CHILD, name="all", calls=("setsid", "execve")),
)  # fmt: skip
_FAILING = {
    Blow.EIO: {"fsync", "fdatasync", "pwrite64", "write", "rename", "link", "mkdir", "unlink", "fallocate", "execve"},
    Blow.ENOSPC: {"pwrite64", "write", "mkdir", "link", "rename", "fallocate", "fdatasync"},
}
"""Calls that a disk lets fail in this way; those on sockets are only struck by the kill."""
_RARELY = 6
"""Of pages written into a database between two syncs only every so manieth is struck: they are all alike."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One call, and what it meets with."""

    lane: Lane
    call: str
    nth: int
    blow: Blow
    thread: int | None = None
    """Which of the process's threads, in the order of their making; None: see the lane."""

    def aim(self, file: Path | None) -> Aim:
        """How strace is told of it; `file` is the lane's file as it is called now."""
        return Aim(call=self.call, nth=self.nth, path=file, whole=not self.lane.loop and self.thread is None)

    def __str__(self) -> str:
        return f"{self.blow} at {self.call} {self.nth} of the {self.lane.victim}'s {self.lane.name}"


def points(lane: Lane, recorded: Sequence[Call], threads: Sequence[int]) -> Iterator[Point]:
    """All points of a lane in a recorded execution; a call is counted as often as any one thread makes it.

    `threads` are those of the process in the order of their making.
    """
    thread = _thread_beside(lane.beside, recorded) if lane.beside else None
    mine = [call for call in recorded if call.name in lane.calls and _is_of(lane, call, threads[0])]
    seen: Counter[tuple[str, int]] = Counter()
    told: set[tuple[str, int]] = set()
    for call in mine:
        if thread is not None and call.thread != thread:
            continue
        seen[call.name, call.thread] += 1
        place = (call.name, seen[call.name, call.thread])
        if place in told or (call.name == "pwrite64" and place[1] % _RARELY != 1):
            continue
        told.add(place)
        where = threads.index(thread) if thread is not None else None
        yield Point(lane=lane, call=call.name, nth=place[1], blow=Blow.KILL, thread=where)
        for blow, failing in _FAILING.items():
            if call.name in failing and _is_on_disk(call):
                yield Point(lane=lane, call=call.name, nth=place[1], blow=blow, thread=where)


def _thread_beside(file: str, recorded: Sequence[Call]) -> int:
    return next(call.thread for call in recorded if _is_file(file, call))


def _is_of(lane: Lane, call: Call, main: int) -> bool:
    if lane.loop:
        return call.thread in {main, 0}
    return _is_file(lane.file, call) if lane.file else True


def _is_file(file: str, call: Call) -> bool:
    wanted, path = Path(file), Path(call.path)
    return path.name == wanted.name or (wanted.name == "*" and path.parent.name == wanted.parent.name)


def _is_on_disk(call: Call) -> bool:
    """A write to a socket, a pipe or the kernel meets no disk."""
    return call.path.startswith("/") and not call.path.startswith(("/proc/", "/sys/", "/dev/"))


def chosen(every: Sequence[Point], seed: int, most: int | None) -> list[Point]:
    """All points in a seeded order, or `most` of them, the victims and blows in turn."""
    shuffled = list(every)
    Random(seed).shuffle(shuffled)
    if most is None:
        return shuffled
    kinds: dict[tuple[Victim, Blow], list[Point]] = {}
    for point in shuffled:
        kinds.setdefault((point.lane.victim, point.blow), []).append(point)
    picked: list[Point] = []
    while len(picked) < most and kinds:
        for kind in list(kinds):
            picked.append(kinds[kind].pop())
            if not kinds[kind]:
                del kinds[kind]
    return picked[:most]
