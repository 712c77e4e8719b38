"""What a daemon writes down of its X servers, so that the next one finds them: they outlive it, as bots do.

    HOME/desktops/N.auth   the cookie, for slot N's bots (0600)
    HOME/desktops/N.rfb    the screen as Xvnc serves it to VNC viewers, a socket (0600)
    HOME/desktops/N.json   the server: written when it is ready, removed when it has ended

A server that was started by a daemon which died before it could write is found by its command line, which names the
cookie's file.
"""

import json
import os
import select
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from agent.desktops.choice import VirtualPlan
from agent.desktops.programs import hold, send
from agent.ports.clock import SystemClock
from agent.ports.files import Disk
from agent.process import KILL, signal_all

FOLDER = "desktops"
_END_S = 2.0
_PROC = Path("/proc")


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """How a desktop was made: one that should be made otherwise now is replaced when its slot is free."""

    program: str
    width: int
    height: int
    dpi: int
    window_manager: str

    @classmethod
    def of(cls, plan: VirtualPlan) -> "Made":
        """What the plan makes."""
        return cls(
            program=plan.program,
            width=plan.width,
            height=plan.height,
            dpi=plan.dpi,
            window_manager=plan.window_manager,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One living X server."""

    slot: int
    pid: int
    start: str
    """`agent.process.start_of`."""
    number: int
    """Of the display."""
    made: Made
    manager_pid: int = 0
    manager_start: str = ""
    """Of the window manager; 0 and empty without one."""

    @property
    def display(self) -> str:
        """As DISPLAY."""
        return f":{self.number}"


class Records:
    """Those of one home. Nothing here may be asked on an event loop for more than one slot."""

    def __init__(self, home: Path, disk: Disk) -> None:
        self.folder = home / FOLDER
        self._disk = disk

    def authority(self, slot: int) -> Path:
        """The file of the cookie."""
        return self.folder / f"{slot}.auth"

    def screen(self, slot: int) -> Path:
        """The socket for viewers."""
        return self.folder / f"{slot}.rfb"

    def write_authority(self, slot: int, data: bytes) -> None:
        """For the server, and for the slot's bots; nobody else reads it."""
        self._disk.make_folder(self.folder)
        self._disk.write_durable(self.authority(slot), data)

    def write(self, record: Record) -> None:
        """Durable on return."""
        self._disk.write_durable(self.folder / f"{record.slot}.json", json.dumps(asdict(record)).encode())

    def read(self) -> list[Record]:
        """By slot; what is damaged is passed over: its server is a stray."""
        names = [name for name in self._disk.names(self.folder) if name.endswith(".json")]
        found = [record for name in names if (record := self._read(name)) is not None]
        return sorted(found, key=lambda record: record.slot)

    def _read(self, name: str) -> Record | None:
        with suppress(OSError, ValueError, TypeError, KeyError):
            body = json.loads(self._disk.read(self.folder / name) or b"")
            record = Record(**{**body, "made": Made(**body["made"])})
            return record if name == f"{record.slot}.json" else None
        return None

    def read_authority(self, slot: int) -> bytes:
        """The file's content; empty where there is none."""
        try:
            return self._disk.read(self.authority(slot)) or b""
        except OSError:
            return b""

    def forget(self, slot: int) -> None:
        """The server has ended."""
        for path in (self.folder / f"{slot}.json", self.authority(slot), self.screen(slot)):
            with suppress(OSError):
                self._disk.remove(path)

    def strays(self, known: set[int]) -> list[int]:
        """Pids of servers of this home that are not `known`."""
        return [pid for pid in self._servers() if pid not in known]

    def _servers(self) -> Iterator[int]:
        if sys.platform != "linux":
            return
        for entry in (each for each in _PROC.iterdir() if each.name.isdigit()):
            with suppress(OSError, ValueError, IndexError):
                words = (entry / "cmdline").read_bytes().split(b"\0")
                is_of_here = Path(os.fsdecode(words[words.index(b"-auth") + 1])).parent == self.folder
                if is_of_here and entry.stat().st_uid == self.folder.stat().st_uid:
                    yield int(entry.name)


def end_all(home: Path, disk: Disk) -> int:
    """End every X server of a home that no daemon runs in; return how many. Blocks for two seconds at most.

    Root may call it, and a bot could write into the notes of such a home: what they say of pids is not believed.
    """
    records = Records(home, disk)
    pids = records.strays(set())
    end_processes(pids)
    for slot in {record.slot for record in records.read()}:
        records.forget(slot)
    return len(pids)


def end_leftovers(records: Records, first: int, is_taken: Callable[[int], bool]) -> bool:
    """End servers of the slots from `first` on that have no bot; return whether some are left for theirs. Blocks."""
    known = [record for record in records.read() if record.slot >= first]
    free = [record for record in known if not is_taken(record.slot)]
    if free:
        # What their notes say of pids may be old: only servers of this home are ended.
        pids = {record.pid for record in free}
        end_processes([pid for pid in records.strays(set()) if pid in pids])
    for record in free:
        records.forget(record.slot)
    return len(free) < len(known)


def end_processes(pids: list[int]) -> None:
    """Ask them to end, and kill what is left after two seconds. Blocks so long at most."""
    pidfds = []
    for pid in pids:
        with suppress(OSError):
            pidfds.append(hold(pid))
    try:
        signal_all(pids, signal.SIGTERM)
        clock = SystemClock()
        until = clock.monotonic() + _END_S
        for fd in pidfds:
            select.select([fd], [], [], max(0.0, until - clock.monotonic()))
        for fd in pidfds:
            send(fd, KILL)
    finally:
        for fd in pidfds:
            os.close(fd)
