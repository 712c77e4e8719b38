"""A home with a zygote, for tests that run real bots under real shims."""

import hashlib
import os
import secrets
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from agent.ports.clock import SystemClock
from agent.ports.files import SystemDisk
from agent.segment_reader import ReadState, SegmentReader
from agent.segments import Gap, Piece, Stream
from agent.shim.client import Doorbell, DoorbellKind, ShimClient, ShimGone
from agent.shim.exit_file import ExitRecord, read_exit
from agent.shim.order import LadderTimes, ShimOrder, Stamp
from agent.shim.verdict import Verdict, VerdictDesk
from agent.zygote import RunningShim, Zygote
from tests.support.waiting import eventually

CLOCK = SystemClock()
DISK = SystemDisk()
DESK = VerdictDesk(disk=DISK, clock=CLOCK)
QUICK = LadderTimes(interrupt_after_s=0.3, terminate_after_s=0.3, kill_after_s=0.3, survivors_after_s=0.5, drain_s=0.5)


def python(code: str) -> tuple[str, ...]:
    """The command line of a bot that is this Python code."""
    return (sys.executable, "-I", "-S", "-u", "-c", code)


@dataclass(slots=True, kw_only=True)
class Bot:
    """One execution: its folder, its shim, and the connection to it once it was made."""

    order: ShimOrder
    shim: RunningShim
    client: ShimClient | None = None
    bells: list[Doorbell] = field(default_factory=list)

    @property
    def folder(self) -> Path:
        return Path(self.order.folder)

    async def started(self) -> "Bot":
        """Wait for the verdict and connect, where the bot is not quicker than that."""
        await self.shim.verdict(DESK)
        with suppress(ShimGone):
            self.client = await ShimClient.connect(self.folder, self.order.nonce)
        return self

    @property
    def link(self) -> ShimClient:
        assert self.client is not None
        return self.client

    async def prints(self, text: bytes, within: float = 30.0) -> None:
        """Wait until `text` stands in the stored output."""
        await eventually(lambda: text in output_of(self.folder), within=within, saying=f"{text!r} is printed")

    async def ends(self) -> ExitRecord:
        """Wait until the shim has ended; return the final exit record."""
        if self.client is not None:
            async for bell in self.client.doorbells():
                self.bells.append(bell)
        await self.shim.wait_gone()
        record = read_exit(self.folder, DISK)
        assert record is not None
        assert record.final
        return record

    def kinds(self) -> list[DoorbellKind]:
        """What the shim told, output left out."""
        return [bell.kind for bell in self.bells if bell.kind is not DoorbellKind.OUTPUT]


@dataclass(slots=True, kw_only=True)
class ShimHome:
    """A folder for executions, and the zygote."""

    root: Path
    zygote: Zygote
    bots: list[Bot] = field(default_factory=list)

    def order(self, command: tuple[str, ...], **changes: object) -> ShimOrder:
        """An order with its folder made, for a bot that may run now."""
        folder = self.root / f"exe_{secrets.token_hex(8)}"
        DISK.make_folder(folder / "work")
        order = ShimOrder(
            execution_id=folder.name,
            fence=1,
            nonce=secrets.token_hex(16),
            folder=str(folder),
            argv=command,
            env={"PATH": os.environ["PATH"], "BOTYARD_EXECUTION_ID": folder.name},
            cwd=str(folder / "work"),
            permit=Stamp.of(CLOCK),
            ladder=QUICK,
        )
        return replace(order, **changes)  # type: ignore[arg-type]  # tests name fields by keyword

    async def hand_over(self, order: ShimOrder, descriptors: tuple[int, ...] = ()) -> Bot:
        """Give an order to an idle shim."""
        shim = await self.zygote.take()
        bot = Bot(order=order, shim=shim.hand_over(order, descriptors))
        self.bots.append(bot)
        return bot

    async def start(self, code: str, **changes: object) -> Bot:
        """Run Python code as a bot, and connect to its shim."""
        bot = await self.hand_over(self.order(python(code), **changes))
        return await bot.started()

    async def run(self, code: str, **changes: object) -> tuple[ExitRecord, bytes]:
        """Run Python code to its end; return the final exit record and the stored output."""
        bot = await self.start(code, **changes)
        record = await bot.ends()
        return record, output_of(bot.folder)

    async def close(self) -> None:
        """End what is left."""
        for bot in self.bots:
            if bot.client is not None:
                bot.client.close()
            bot.shim.close()
        self.zygote.close()
        await self.zygote.reap()


@asynccontextmanager
async def shim_home(root: Path, slots: int = 1) -> AsyncIterator[ShimHome]:
    """A home for the length of a test."""
    home = ShimHome(root=root, zygote=await Zygote.start(slots=slots))
    try:
        yield home
    finally:
        await home.close()


def pieces_of(folder: Path) -> list[Piece | Gap]:
    """Everything that stands in the segments of an execution."""
    reader = SegmentReader(folder / "output")
    found: list[Piece | Gap] = []
    offset = 0
    try:
        while True:
            reading = reader.read_from(offset, 1 << 20, is_writer_alive=False)
            found.extend(reading.pieces)
            offset = reading.next_offset
            if reading.state is not ReadState.MORE:
                return found
    finally:
        reader.close()


def output_of(folder: Path, stream: Stream | None = None) -> bytes:
    """The stored bytes, of one stream or as they were read."""
    found = [piece for piece in pieces_of(folder) if isinstance(piece, Piece)]
    return b"".join(piece.data for piece in found if stream in {None, piece.stream})


def is_whole(record: ExitRecord, output: bytes) -> bool:
    """Tell whether the output is complete by core.md §3: ends seen, no gap, length and digest equal."""
    return (
        all(end.ended for end in record.streams.values())
        and not record.gaps
        and record.output_bytes == len(output)
        and record.output_sha256 == hashlib.sha256(output).hexdigest()
    )


def verdict_of(folder: Path) -> Verdict | None:
    """The verdict in a folder."""
    return DESK.read(folder)
