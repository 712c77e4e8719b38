"""After a power cut everything that was promised is there, whole, once (`reliability.md` R16, G1)."""

import contextlib
import hashlib
import sqlite3
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from agent.ports.clock import SystemClock
from agent.ports.files import SystemDisk
from agent.segment_reader import SegmentReader
from agent.segments import Piece
from agent.shim.exit_file import read_exit
from agent.shim.verdict import VerdictDesk
from agent.spool import Spool
from agent.wire.ids import ExecutionId
from hub.storage.blobs.folder import FolderBlobs
from hub.storage.opening import open_store
from hub.storage.outputs import Outputs
from hub.storage.settling import end_process
from tests.reliability.power_writer import OUTPUT_BYTES, WORKSPACE, content, row_name, segments_of
from tests.support.session import exe

_READ_BYTES = 2**30


@dataclass(slots=True)
class Promises:
    """What the writer said, by its words; the newest for things that grow."""

    rows: set[int] = field(default_factory=set)
    facts: dict[int, set[int]] = field(default_factory=dict)
    safe: dict[int, int] = field(default_factory=dict)
    finished: dict[int, str] = field(default_factory=dict)
    blobs: dict[int, str] = field(default_factory=dict)
    verdicts: dict[int, str] = field(default_factory=dict)
    synced: dict[int, int] = field(default_factory=dict)
    exits: dict[int, int] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)

    def take(self, line: str) -> None:
        """Add one line of the writer."""
        word, *rest = line.split()
        self.counts[word] += 1
        match word, rest:
            case "row", (number,):
                self.rows.add(int(number))
            case "fact", (number, seq):
                self.facts.setdefault(int(number), set()).add(int(seq))
            case (("safe" | "synced" | "exit"), (number, size)):
                grown = {"safe": self.safe, "synced": self.synced, "exit": self.exits}[word]
                grown[int(number)] = max(int(size), grown.get(int(number), 0))
            case (("finished" | "blob" | "verdict"), (number, text)):
                {"finished": self.finished, "blob": self.blobs, "verdict": self.verdicts}[word][int(number)] = text
            case "begun", _:
                pass
            case _:
                raise ValueError(f"the writer said {line!r}")


async def faults(folder: Path, promised: Promises) -> list[str]:
    """Everything that is wrong on a disk after a cut; empty when every promise was kept."""
    return [
        *await _database(folder, promised),
        *await _spool(folder, promised),
        *await _outputs(folder, promised),
        *_blobs(folder, promised),
        *_executions(folder, promised),
    ]


async def _database(folder: Path, promised: Promises) -> list[str]:
    path = folder / "hub.db"
    # Opening reads a file through that a crash has left (R15).
    async with open_store(f"sqlite:///{path}", clock=SystemClock(), perform=lambda _: None):
        pass
    with contextlib.closing(sqlite3.connect(path)) as db:
        (answer,) = db.execute("PRAGMA integrity_check").fetchone()
        there = Counter(str(name) for (name,) in db.execute("SELECT id FROM workspaces"))
    found = [] if answer == "ok" else [f"the hub's database: {answer}"]
    found += [f"row {number} is gone" for number in promised.rows if row_name(number) not in there]
    return found + [f"row {name} is there {times} times" for name, times in there.items() if times > 1]


async def _spool(folder: Path, promised: Promises) -> list[str]:
    spool = await Spool.open(folder / "spool.db")
    found = []
    for number, wanted in promised.facts.items():
        facts = await spool.read(exe(number))
        found += [f"fact {number}.{seq} is gone" for seq in wanted - {each.seq for each in facts}]
        found += [f"fact {number}.{each.seq} is damaged" for each in facts if not each.is_intact()]
    await spool.close()
    with contextlib.closing(sqlite3.connect(folder / "spool.db")) as db:
        (answer,) = db.execute("PRAGMA integrity_check").fetchone()
    return found if answer == "ok" else [*found, f"the spool: {answer}"]


async def _outputs(folder: Path, promised: Promises) -> list[str]:
    outputs = Outputs(folder / "outputs", SystemDisk(), on_fatal=end_process)
    await outputs.start()
    found = []
    for number, safe in promised.safe.items():
        have = outputs.position(WORKSPACE, exe(number)).have
        if have < safe:
            found.append(f"output {number} has {have} bytes, and {safe} were called safe")
        if await outputs.read_bytes(WORKSPACE, ExecutionId(exe(number)), 0, _READ_BYTES) != content(number, have):
            found.append(f"output {number} is not what was sent")
    for number, digest in promised.finished.items():
        finished = await outputs.finish(WORKSPACE, exe(number))
        if (finished.bytes, finished.sha256, finished.gaps) != (OUTPUT_BYTES, digest, ()):
            found.append(f"output {number} was counted whole, and is {finished}")
    await outputs.close()
    return found


def _blobs(folder: Path, promised: Promises) -> list[str]:
    blobs = FolderBlobs(folder / "blobs", SystemDisk())
    found = [f"blob {number} is gone" for number, digest in promised.blobs.items() if blobs.size(digest) is None]
    # Promised or not: what has its name is whole, or a hub would take it for what it is not (R53).
    there = list((folder / "blobs").glob("??/*"))
    wrong = [path.name for path in there if hashlib.sha256(path.read_bytes()).hexdigest() != path.name]
    return found + [f"blob {name} holds other bytes" for name in wrong]


def _executions(folder: Path, promised: Promises) -> Iterable[str]:
    disk = SystemDisk()
    desk = VerdictDesk(disk=disk, clock=SystemClock())
    for number, nonce in promised.verdicts.items():
        verdict = desk.read(segments_of(folder, number))
        if verdict is None or verdict.nonce != nonce:
            yield f"verdict {number} is {verdict}"
    for number, length in promised.exits.items():
        record = read_exit(segments_of(folder, number), disk)
        if record is None or not record.final or record.output_bytes != length:
            yield f"exit {number} is {record}"
    for number, length in {**promised.synced, **promised.exits}.items():
        reader = SegmentReader(segments_of(folder, number) / "output", disk)
        reading = reader.read_from(0, _READ_BYTES, is_writer_alive=False)
        reader.close()
        data = b"".join(piece.data for piece in reading.pieces if isinstance(piece, Piece))
        if len(data) < length or data != content(number, len(data)):
            yield f"segments {number} have {len(data)} of at least {length} bytes, or others: {reading.state}"
