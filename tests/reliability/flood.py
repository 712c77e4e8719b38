"""Much output beside busy bots: memory of hub, daemon and shims, heartbeats, and how late others are shown (R31, R35).

A real hub and daemon. One bot prints a line of 10 MB and then as much as it can; eight keep the cores busy; one says
what time it is. A proxy beside the hub reads the runner's heartbeats, as `slow_line` does.
"""

import asyncio
import hashlib
import tempfile
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tests.reliability.part import Options, PartResult, Times
from tests.reliability.slow_line import Beats
from tests.support.frame_proxy import FrameProxy
from tests.support.rig import Rig
from tests.support.waiting import eventually

MIB = 1024 * 1024
FLOOD_BYTES = 1024 * MIB
BUSY = 8
GROWTH_MAX_MIB = 64.0
"""R35."""
JITTER_MAX_S = 5.0
"""R31."""
LATE_MAX_S = 1.0
"""R35, of the median: on two cores that ten bots share, the longest is the machine's."""
_LOOK_S = 0.1
_LONG_LINE = 10 * MIB
FLOODER = f"""
import json, os, pathlib
size = int(json.loads(pathlib.Path(os.environ["BOTYARD_PARAMETERS"]).read_text())["size"])
block = (b"0123456789abcdef" * 4095 + b"\\x00\\xff\\x1b[31m 16 bytes" + b"\\n")[:65536]

def say(data):
    while data:
        data = data[os.write(1, data):]

for _ in range({_LONG_LINE} // 65536):
    say(block.replace(b"\\n", b" "))
for _ in range(max(0, size - {_LONG_LINE}) // 65536):
    say(block)
"""
SPINNER = """
import json, os, pathlib, time
folder = pathlib.Path(json.loads(pathlib.Path(os.environ["BOTYARD_PARAMETERS"]).read_text())["folder"])
while not (folder / "begin").exists():
    time.sleep(0.05)
while not (folder / "enough").exists():
    sum(range(20_000))
"""
TELLER = """
import json, os, pathlib, time
folder = pathlib.Path(json.loads(pathlib.Path(os.environ["BOTYARD_PARAMETERS"]).read_text())["folder"])
while not (folder / "enough").exists():
    os.write(1, b"%019d\\n" % time.time_ns())
    time.sleep(0.2)
"""


@dataclass(slots=True, kw_only=True)
class Flood:
    """What a flood was like."""

    size: int
    took_s: float = 0.0
    is_whole: bool = False
    growth_mib: dict[str, float] = field(default_factory=dict)
    """Of the hub and the daemon: resident memory at most, above what it was before; of the shim, its private one."""
    beats_late_s: tuple[float, ...] = ()
    links: int = 0
    shown_late_s: list[float] = field(default_factory=list)
    """Of the lines of another bot: from its print until the API shows it."""
    zombies: int = 0

    @property
    def summary(self) -> str:
        """The figures, in one line."""
        grown = ", ".join(f"{name} {mib:.0f} MiB" for name, mib in self.growth_mib.items())
        shown = sorted(self.shown_late_s) or [0.0]
        return (
            f"{self.size / MIB:.0f} MiB in {self.took_s:.0f} s beside {BUSY} busy bots; memory grew by: {grown}; "
            f"heartbeats late by {max(self.beats_late_s, default=0.0):.2f} s at most; another bot's lines shown after "
            f"{shown[len(shown) // 2]:.2f} s (median), {shown[-1]:.2f} s at most"
        )


def run(options: Options) -> PartResult:
    """One flood of 1 GiB, or of as many MiB as asked for."""
    promise = "R31, R35, R36, R37: 1 GiB of output beside 8 busy bots: memory bounded, heartbeats in time, no zombie"
    result = PartResult(name="flood", promise=promise)
    size = options.count(FLOOD_BYTES // MIB) * MIB
    with tempfile.TemporaryDirectory(prefix="flood-", dir=options.folder) as folder:
        found = asyncio.run(pour(Path(folder), size))
    result.tried["MiB of output"] += size // MIB
    result.tried["heartbeats"] += len(found.beats_late_s)
    for fault in faults(found):
        result.fail(f"{size // MIB} MiB", fault)
    result.times.append(Times(what="a heartbeat beside busy bots", samples=found.beats_late_s, limit_s=JITTER_MAX_S))
    result.times.append(Times(what="another bot's line is shown", samples=found.shown_late_s))
    result.notes.append(found.summary)
    options.say(found.summary)
    return result


def faults(found: Flood) -> list[str]:
    """What is not as it should be, but for what depends on how busy the machine is otherwise."""
    said = [f"{name} grew by {mib:.0f} MiB" for name, mib in found.growth_mib.items() if mib > GROWTH_MAX_MIB]
    if not found.is_whole:
        said.append("the output is not whole")
    if found.links != 1:
        said.append(f"the link was made {found.links} times")
    if found.zombies:
        said.append(f"{found.zombies} zombies")
    return said


async def pour(folder: Path, size: int) -> Flood:
    """Let it flow, look at everything meanwhile."""
    beats, found = Beats(), Flood(size=size)
    async with Rig(folder) as rig:
        proxy = FrameProxy(target=rig.port, decide=beats.look)
        await proxy.start()
        try:
            url = f"http://127.0.0.1:{proxy.port}"
            await rig.add_runner("desk-1", "--slots", str(BUSY + 2), url=url)
            for name, code in (("flooder", FLOODER), ("spinner", SPINNER), ("teller", TELLER)):
                await rig.deploy(name, {"main.py": code})
            said = {"folder": str(folder)}
            for _ in range(BUSY):
                await rig.send("POST", "/api/v1/tasks", {"automation": "spinner", "parameters": said})
            teller = await rig.submit("teller", folder=str(folder))
            await rig.printed(teller, b"\n")
            await _watched(rig, found, teller)
            found.beats_late_s, found.links = tuple(beats.late_s), beats.links
            (folder / "enough").touch()
            await rig.finished(teller, within=60)
            await eventually(lambda: not _zombies(rig), within=20, saying=f"zombies: {_zombies(rig)}")
        finally:
            found.zombies = len(_zombies(rig))
            (folder / "enough").touch()
            await proxy.close()
    return found


async def _watched(rig: Rig, found: Flood, teller: str) -> None:
    watch = _Watch(rig, found, teller)
    task_id = await rig.submit("flooder", size=str(found.size))
    (rig.folder / "begin").touch()
    began = time.monotonic()
    async with asyncio.TaskGroup() as group:
        watching = [group.create_task(watch.memory()), group.create_task(watch.lateness())]
        finished = await rig.finished(task_id, within=30 + 3 * found.size / MIB)
        for each in watching:
            each.cancel()
    found.took_s = time.monotonic() - began
    output = finished["output"]
    said = _said(found.size)
    found.is_whole = (output["complete"], output["bytes"], output["sha256"]) == (True, *said)


def _said(size: int) -> tuple[int, str]:
    """Length and sha256 of what the flooder prints."""
    block = (b"0123456789abcdef" * 4095 + b"\x00\xff\x1b[31m 16 bytes" + b"\n")[:65536]
    digest, length = hashlib.sha256(), 0
    for number in range(_LONG_LINE // 65536 + max(0, size - _LONG_LINE) // 65536):
        piece = block.replace(b"\n", b" ") if number < _LONG_LINE // 65536 else block
        digest.update(piece)
        length += len(piece)
    return length, digest.hexdigest()


class _Watch:
    """Looks at processes, and at another bot's output, until cancelled."""

    def __init__(self, rig: Rig, found: Flood, teller: str) -> None:
        self._rig = rig
        self._found = found
        self._teller = teller
        self._parties = {
            "the hub": psutil.Process(rig.hub.pid),
            "the daemon": psutil.Process(rig.runners["desk-1"].pid),
        }
        self._before = {name: one.memory_info().rss for name, one in self._parties.items()}

    async def memory(self) -> None:
        """How far each grows."""
        most: Counter[str] = Counter()
        while True:
            for name, one in self._parties.items():
                most[name] = max(most[name], one.memory_info().rss - self._before[name])
            for shim in _shims(self._rig):
                with suppress(psutil.Error):
                    most["a shim"] = max(most["a shim"], shim.memory_full_info().uss)
            self._found.growth_mib = {name: count / MIB for name, count in most.items()}
            await asyncio.sleep(_LOOK_S)

    async def lateness(self) -> None:
        """How old a line is when it is shown first."""
        headers = {"Authorization": f"Bearer {self._rig.env['BOTYARD_TOKEN']}"}
        path = f"{self._rig.url}/api/v1/tasks/{self._teller}/output?from=-1&limit=1"
        last = 0
        async with self._rig.client(**headers) as http:
            while True:
                async with http.get(path) as answer:
                    shown = (await answer.json())["lines"]
                said = int(shown[0]["text"] or 0) if shown else 0
                if said > last > 0:
                    self._found.shown_late_s.append((time.time_ns() - said) / 1e9)
                last = max(last, said)
                await asyncio.sleep(_LOOK_S / 2)


def _shims(rig: Rig) -> list[psutil.Process]:
    """Forks of the zygote, which is the daemon's child."""
    with suppress(psutil.Error):
        above = psutil.Process(rig.runners["desk-1"].pid).children()
        return [one for zygote in above for one in zygote.children() if one.cmdline() == zygote.cmdline()]
    return []


def _zombies(rig: Rig) -> list[int]:
    """Processes below hub and daemon that nobody waited for."""
    found = []
    for daemon in (rig.hub, *rig.runners.values()):
        with suppress(psutil.Error):
            below = psutil.Process(daemon.pid).children(recursive=True)
            found += [one.pid for one in below if one.status() == psutil.STATUS_ZOMBIE]
    return found
