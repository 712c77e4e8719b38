"""Power cuts: whatever was acknowledged is there after each, whole, and once (`reliability.md` T6, R16)."""

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random

from tests.reliability.kill_world import until
from tests.reliability.part import Options, PartResult, Times
from tests.reliability.power_judge import Promises, faults
from tests.reliability.power_world import AIM as WHOLE_AIM
from tests.reliability.power_world import cuts_of_the_whole
from tests.support.power_disk import PowerDisk, power_disk, why_not
from tests.support.rig import ROOT
from tests.support.waiting import eventually

AIM = 200
"""R16."""
_CUTS_A_DISK = 20
"""Then a fresh one: what is asked for after each cut grows with every cut."""
_MOST_PROMISES = 120
"""Before the cut; its moment hangs on them and not on how busy the machine is."""
_AFTER_S = 0.02
"""For which the writer goes on behind a dead disk: its next calls fail."""


def run(options: Options) -> PartResult:
    """As many cuts as were asked for, one in ten of them under the whole system."""
    promise = (
        "T6, R16, R15, R28: after a power cut at any moment every acknowledged row, fact, output, verdict, exit, blob"
        " and task is there, files are whole, and nothing started twice"
    )
    result = PartResult(name="power", promise=promise)
    reason = why_not()
    if reason is not None:
        result.skip("power cuts", reason)
        return result
    count = options.count(AIM)
    whole = min(WHOLE_AIM, count // 10)
    began = time.monotonic()
    asyncio.run(lean_cuts(result, options, count - whole))
    if whole:
        asyncio.run(cuts_of_the_whole(result, options, whole))
    options.say(f"power: {count} cuts in {time.monotonic() - began:.0f} s")
    return result


async def lean_cuts(result: PartResult, options: Options, count: int) -> None:
    """Cut the power under one process that writes everything there is, again and again."""
    random, recovery = Random(options.seed), list[float]()
    async with _writers(options.folder / "power-writer.log") as writers:
        for first in range(0, count, _CUTS_A_DISK):
            if options.is_time_up():
                break
            numbers = range(first, min(first + _CUTS_A_DISK, count))
            with power_disk() as disk:
                recovery += [each async for each in _cuts_of_a_disk(writers, disk, numbers, result, options, random)]
            options.say(f"power: {numbers.stop} of {count} cuts, {len(result.failures)} failures")
    result.times.append(Times(what="mount, recovery and reading of everything after a cut", samples=recovery))


async def _cuts_of_a_disk(
    writers: "Writers", disk: PowerDisk, numbers: range, result: PartResult, options: Options, random: Random
) -> AsyncIterator[float]:
    """Cut, and yield how long each recovery took."""
    promised = Promises()
    for number in numbers:
        if options.is_time_up():
            break
        after = random.randint(1, _MOST_PROMISES)
        found, took_s = await _cut_once(writers, disk, promised, number, after)
        result.tried["power cuts under a writer"] += 1
        for each in found:
            result.fail(f"seed {options.seed}, cut {number}, after {after} promises", each)
        yield took_s
    result.judged.update({f"promised {word}": times for word, times in promised.counts.items()})


async def _cut_once(
    writers: "Writers", disk: PowerDisk, promised: Promises, number: int, after: int
) -> tuple[list[str], float]:
    """What was broken by one cut, and how long it took until all was looked at."""
    said = disk.image.parent / f"said-{number}"
    async with writers.one(disk.folder, number, said, after) as is_there:
        if not is_there:
            raise AssertionError(f"the writer ended by itself: {writers.log.read_text()[-2000:]}")
        # What is promised while the power goes is heard by nobody on a real machine, and may be no truth here.
        heard = said.read_text()
        disk.cut()
        await asyncio.sleep(_AFTER_S)
    for line in heard[: heard.rfind("\n") + 1].splitlines():
        promised.take(line)
    began = time.monotonic()
    await eventually(disk.unmount, within=20, saying="the disk is in use")
    disk.mount()
    found = await faults(disk.folder, promised)
    return found, time.monotonic() - began


@dataclass(slots=True)
class Writers:
    """Where writers come from: one process that has imported everything, and forks."""

    log: Path
    process: asyncio.subprocess.Process

    @asynccontextmanager
    async def one(self, folder: Path, number: int, said: Path, after: int) -> AsyncIterator[bool]:
        """Start a writer until it has made so many promises; false where it ended before. Killed at the end."""
        source, answers = self.process.stdin, self.process.stdout
        assert source is not None
        assert answers is not None
        source.write(f"{folder} {number} {said}\n".encode())
        pid = int(await answers.readline())
        gone = asyncio.ensure_future(answers.readline())
        try:
            await until(lambda: _is_so_far(gone, said, after), 30, "the writer does not go on")
            yield not gone.done()
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            await gone


async def _is_so_far(gone: "asyncio.Future[bytes]", said: Path, after: int) -> bool | None:
    return gone.done() or (said.exists() and said.read_bytes().count(b"\n") > after) or None


@asynccontextmanager
async def _writers(log: Path) -> AsyncIterator[Writers]:
    with log.open("ab") as errors:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.reliability.power_writer", cwd=ROOT, stderr=errors,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
    try:
        yield Writers(log, process)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        await process.wait()
