"""How late heartbeats are on a line that loses 30 % and carries 64 kbit/s, while a bot prints more than that (R44).

A real hub and daemon. A proxy beside the hub reads the runner's heartbeats as they come out of the line: each says when
it was said, by the clock of this same machine.
"""

import asyncio
import hashlib
import json
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tests.reliability.part import Options, PartResult, Times
from tests.reliability.partitions import PRINTER
from tests.support.far_line import far_line, why_no_line
from tests.support.frame_proxy import Frame, FrameProxy, Way
from tests.support.rig import Rig
from tests.support.waiting import eventually

LATE_MAX_S = 10.0
"""R44."""
LOSS_TENTHS = 3
RATE_KBIT = 64
_BEATS_A_MINUTE = 4
_SETTLING_S = 10.0
"""What was on its way when the losses began says nothing of such a line."""
_NAME = "slow"


@dataclass(frozen=True, slots=True, kw_only=True)
class Crawl:
    """What a while on that line was like."""

    late_s: tuple[float, ...]
    """Of each heartbeat: from its saying until it came out of the line."""
    links: int
    """Connections that it took; 1 where the link held."""
    moved_bytes: int
    """Of output, meanwhile."""
    is_whole: bool
    """Every byte came in the end."""


def run(options: Options) -> PartResult:
    """Three minutes on such a line."""
    promise = "R44: on 64 kbit/s with 30 % loss no heartbeat is 10 s late while output flows, and none of it is lost"
    result = PartResult(name="slow-line", promise=promise)
    if (reason := why_no_line()) is not None:
        result.skip("slow lines", reason)
        return result
    late: list[float] = []
    for number in range(options.count(3)):
        if options.is_time_up():
            break
        found = None
        with tempfile.TemporaryDirectory(prefix="slow-", dir=options.folder) as folder:
            try:
                found = asyncio.run(crawl(Path(folder), 60.0))
            except* (AssertionError, OSError, TimeoutError) as errors:
                result.broke_off(f"minute {number + 1}", errors, Path(folder))
        if found is None:
            continue
        late += found.late_s
        result.tried["minutes"] += 1
        result.notes.append(
            f"minute {number + 1}: {found.moved_bytes} bytes of output moved, {found.links} connections"
        )
        if not found.is_whole:
            result.fail(f"minute {number + 1}", "the output is not whole")
        if len(found.late_s) < _BEATS_A_MINUTE:
            result.fail(f"minute {number + 1}", f"only {len(found.late_s)} heartbeats came")
        options.say(f"slow line: minute {number + 1}, late by {max(found.late_s, default=0.0):.1f} s at most")
    result.times.append(Times(what="a heartbeat's way over the slow line", samples=late, limit_s=LATE_MAX_S))
    return result


class Beats:
    """Notes heartbeats as they pass."""

    def __init__(self) -> None:
        self.late_s: list[float] = []
        self.links = 0
        self.counted_from_ns = 0
        """Those said before are not counted."""

    def look(self, frame: Frame) -> Iterable[Frame]:
        """Pass everything on."""
        self.links = max(self.links, frame.connection)
        if frame.way is Way.TO_HUB and b'"type":"heartbeat"' in frame.payload:
            said_ns = json.loads(frame.payload)["stamp"]["wall_ns"]
            if said_ns >= self.counted_from_ns:
                self.late_s.append((time.time_ns() - said_ns) / 1e9)
        return (frame,)


async def crawl(folder: Path, lasting_s: float, *, tenths: int = LOSS_TENTHS, kbit: int = RATE_KBIT) -> Crawl:
    """Let a bot print over such a line for so long, then mend the line and wait for the rest."""
    beats = Beats()
    with far_line() as line:
        async with Rig(folder) as rig:
            proxy = FrameProxy(target=rig.port, decide=beats.look, host="0.0.0.0")
            await proxy.start()
            try:
                far = f"http://{line.hub_address}:{proxy.port}"
                daemon = await rig.add_runner(_NAME, "--insecure", url=far, start=False)
                daemon.command[:0] = line.prefix
                await rig.start_runner(_NAME)
                await rig.deploy("printer", {"main.py": PRINTER.replace("0.01", "0.001")})
                # Slow before there is output: a window that grew on a fast line is a matter of what was before.
                line.slow(kbit)
                task = await rig.submit("printer", folder=str(folder))
                await rig.printed(task, b"line 50 ", within=60)
                before = len(await rig.output(task))
                line.lose(tenths)
                beats.late_s.clear()
                beats.counted_from_ns = time.time_ns() + int(_SETTLING_S * 1e9)
                await asyncio.sleep(_SETTLING_S + lasting_s)
                # One is sent each 10 s; a busy machine may need longer to see two.
                await eventually(lambda: len(beats.late_s) >= 2, within=60, saying="two heartbeats came")
                late_s, moved = tuple(beats.late_s), len(await rig.output(task)) - before
                line.hurry()
                line.heal()
                (folder / "enough").touch()
                finished = await rig.finished(task, within=90)
                written = (folder / "diary").read_bytes()
                is_whole = finished["output"]["sha256"] == hashlib.sha256(written).hexdigest()
                return Crawl(late_s=late_s, links=beats.links, moved_bytes=moved, is_whole=is_whole)
            finally:
                await proxy.close()
