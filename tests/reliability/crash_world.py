"""A hub, a runner and one small bot, which the sweep strikes again and again (`reliability.md` T5).

One try: strace is attached to the victim, a task is asked for, the blow falls, what died is started again, and when
all is quiet it is written down what became of the task. Hub and runner stay up from try to try but for the one struck.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import psutil

from tests.reliability.crash_points import LANES, Point, Victim, points
from tests.support.rig import Daemon, Rig
from tests.support.strace import Blow, Tracer, threads_of
from tests.support.waiting import eventually, seconds

RUNNER = "struck"
LABEL = "small"
BOT = """
import json, os, pathlib, time
given = json.loads(pathlib.Path(os.environ["BOTYARD_PARAMETERS"]).read_text())
def note(word):
    file = os.open(given["ledger"], os.O_APPEND | os.O_CREAT | os.O_WRONLY, 0o600)
    who = f"{os.environ['BOTYARD_TASK_ID']} {os.environ['BOTYARD_EXECUTION_ID']}"
    os.write(file, f"{word} {who} {time.monotonic()}\\n".encode())
    os.close(file)
note("started")
for part in (0, 1):
    for number in range(40):
        os.write(1, b"%d.%d of %s\\n" % (part, number, given["text"].encode()))
    time.sleep(0.02)
pathlib.Path(os.environ["BOTYARD_ARTIFACTS"], "made.txt").write_text(given["text"])
totals = {"total": 2, "processed": 2, "failed": 0}
pathlib.Path(os.environ["BOTYARD_RESULT"]).write_text(json.dumps({"status": "succeeded", "totals": totals}))
note("ended")
"""
REMOVALS = frozenset({"unlink", "unlinkat", "rmdir"})
_ANSWER_S = 60
_END_S = 90
_GONE_S = 30
_FRESH_S = 90
"""The cap of a daemon's patience rises to a minute after two that were not calm."""
_QUIET_S = 1.2
"""Longer than sealing an output, laying out a spare work folder and copying the database's log take to begin."""
_HANG_UP = (aiohttp.ClientError, ConnectionError, TimeoutError)


def printed(text: str) -> bytes:
    """What the bot prints."""
    return b"".join(b"%d.%d of %s\n" % (part, number, text.encode()) for part in (0, 1) for number in range(40))


@dataclass(frozen=True, slots=True)
class Note:
    """A line that a bot wrote into the ledger, a file of its own."""

    execution: str
    at: float
    """By `time.monotonic()`, which all processes share."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """What became of one try."""

    point: Point
    text: str
    struck: str | None
    """The call as strace tells it; None when the point was not reached."""
    task: Any
    """As the API shows it."""
    executions: Any
    started: tuple[Note, ...]
    """What bots said as their first act, in its order."""
    ended: tuple[Note, ...]
    """What bots said as their last."""
    stored: bytes
    artifacts: dict[str, str]
    """Names and digests."""
    left: tuple[str, ...]
    exits: tuple[int, ...]
    """Of the struck program, where it ended."""
    back_s: float | None
    """From the victim's end until it was there again."""
    took_s: float


@dataclass(slots=True)
class World:
    """Made by `world`."""

    rig: Rig
    ledger: Path
    points: list[Point] = field(default_factory=list)
    """Every point of one execution, once `record` was called."""
    _count: int = 0
    _runner_since: float = field(default_factory=time.monotonic)
    _exits: list[int] = field(default_factory=list)
    _back_s: float | None = None

    async def record(self) -> None:
        """Watch an execution for each victim, and find its points."""
        for victim in Victim:
            lanes = [lane for lane in LANES if lane.victim is victim]
            names = tuple(sorted({name for lane in lanes for name in lane.calls}))
            pids = self._pids(victim)
            whole = victim is not Victim.SHIM
            async with Tracer.recording(pids, names, self.rig.folder / "recorded.strace", whole=whole) as tracer:
                await self._finished(await self._ask("recorded", victim), victim)
                await asyncio.sleep(seconds(_QUIET_S))
            calls = tracer.calls()
            if victim is Victim.CHILD:
                calls = [call for call in calls if call.thread not in pids]
            threads = threads_of(pids[0]) or list(pids)
            for lane in lanes:
                self.points += points(lane, calls, threads)

    async def strike(self, point: Point) -> Tried:
        """One try."""
        victim = point.lane.victim
        await self._freshen()
        began = time.monotonic()
        self._count += 1
        self._exits, self._back_s = [], None
        text = f"try {self._count}"
        log = self.rig.folder / "blow.strace"
        tracer = Tracer.of(self._targets(point), point.aim(self._file(point)), point.blow, log)
        async with tracer:
            task_id = await self._ask(text, victim)
            await self._finished(task_id, victim)
            with contextlib.suppress(AssertionError):
                # What follows on the settlement is struck too: the seal, the spare folder, the checkpoint.
                await eventually(lambda: tracer.struck() is not None, within=_QUIET_S)
        await self._mend(victim)
        if point.blow is not Blow.KILL and point.call in REMOVALS:
            # What could not be removed is removed at the next start.
            await self.rig.runners[RUNNER].end()
            await self._start_runner()
        told = f"/api/v1/tasks/{task_id}"
        executions = (await self._get(f"{told}/executions", victim))["items"]
        left = await self._left(victim, [each["id"] for each in executions])
        made = (await self._get(f"{told}/artifacts", victim))["items"]
        return Tried(
            point=point,
            text=text,
            struck=tracer.struck(),
            task=await self._get(told, victim),
            executions=executions,
            started=self._notes("started", task_id),
            ended=self._notes("ended", task_id),
            stored=await self._get(f"{told}/output/raw", victim),
            artifacts={each["name"]: each["sha256"] for each in made},
            left=left,
            exits=tuple(self._exits),
            back_s=self._back_s,
            took_s=time.monotonic() - began,
        )

    async def warm_up(self) -> None:
        """Run the bot twice, so that nothing is done for the first time when it counts."""
        for number in range(2):
            await self._finished(await self._ask(f"warm-up {number}", Victim.HUB), Victim.HUB)
            assert not await self._left(Victim.HUB, ())

    # --- what is struck ----------------------------------------------------------------------------------------------

    def _program(self, victim: Victim) -> Daemon:
        return self.rig.hub if victim is Victim.HUB else self.rig.runners[RUNNER]

    def _pids(self, victim: Victim) -> tuple[int, ...]:
        main = self._program(victim).pid
        return idle_shims(main) if victim in {Victim.SHIM, Victim.CHILD} else (main,)

    def _targets(self, point: Point) -> tuple[int, ...]:
        pids = self._pids(point.lane.victim)
        return pids if point.thread is None else (threads_of(pids[0])[point.thread],)

    def _file(self, point: Point) -> Path | None:
        if not point.lane.file:
            return None
        path = (self.rig.data if point.lane.victim is Victim.HUB else self.rig.home(RUNNER)) / point.lane.file
        return max(path.parent.iterdir()) if path.name == "*" else path

    async def _mend(self, victim: Victim) -> None:
        """Start again what the blow has ended."""
        if self.rig.hub.alive and self.rig.runners[RUNNER].alive:
            return
        began = time.monotonic()
        code = self._program(victim).code
        assert code is not None, f"not the {victim} has ended"
        self._exits.append(code)
        if victim is Victim.HUB:
            await self.rig.start_hub()
        else:
            await self._start_runner()
        self._back_s = time.monotonic() - began

    async def _start_runner(self) -> None:
        self._runner_since = time.monotonic()
        await self.rig.start_runner(RUNNER)

    async def _freshen(self) -> None:
        """Start the daemon anew before it waits a minute for a hub that it has lost again and again (P10)."""
        if time.monotonic() - self._runner_since < _FRESH_S:
            return
        await self.rig.runners[RUNNER].end()
        await self._start_runner()
        await eventually(lambda: idle_shims(self.rig.runners[RUNNER].pid), within=_GONE_S, saying="no idle shim")

    # --- a task ------------------------------------------------------------------------------------------------------

    async def _ask(self, text: str, victim: Victim) -> str:
        """Ask for the task until there is an answer, always with the same key."""
        body = {"automation": LABEL, "parameters": {"ledger": str(self.ledger), "text": text}}
        key = f"{text} {time.time_ns()}"

        async def ask() -> str | None:
            await self._mend(victim)
            with contextlib.suppress(*_HANG_UP):
                return await self._asked(body, key)
            return None

        return str(await eventually(ask, within=_ANSWER_S, saying="no task was made"))

    async def _asked(self, body: object, key: str) -> str | None:
        headers = {"Authorization": f"Bearer {self.rig.env['BOTYARD_TOKEN']}", "Idempotency-Key": key}
        url = f"{self.rig.url}/api/v1/tasks"
        async with self.rig.client(**headers) as session, session.post(url, json=body) as answer:
            assert answer.status in {201, 503} or answer.status >= 500, await answer.text()
            return str((await answer.json())["id"]) if answer.status == 201 else None

    async def _finished(self, task_id: str, victim: Victim) -> None:
        """Wait for the end of a task; what dies meanwhile is started again."""

        async def look() -> bool:
            await self._mend(victim)
            with contextlib.suppress(*_HANG_UP):
                return bool((await self.rig.task(task_id))["state"] == "finished")
            return False

        await eventually(look, within=_END_S, saying=f"{task_id} does not end")

    async def _get(self, path: str, victim: Victim) -> Any:
        """What the API shows; what failed a moment ago may end its process only now, which is then started again."""
        shown: list[Any] = []

        async def is_shown() -> bool:
            await self._mend(victim)
            with contextlib.suppress(*_HANG_UP):
                shown.append(await self.rig.get(path))
            return bool(shown)

        await eventually(is_shown, within=_ANSWER_S, saying=f"{path} is not shown")
        return shown[0]

    def _notes(self, word: str, task_id: str) -> tuple[Note, ...]:
        lines = [line.split() for line in self.ledger.read_text().splitlines()] if self.ledger.exists() else []
        return tuple(Note(each[2], float(each[3])) for each in lines if each[:2] == [word, task_id])

    # --- what is left ------------------------------------------------------------------------------------------------

    async def _left(self, victim: Victim, executions: Sequence[str]) -> tuple[str, ...]:
        """Wait until the runner is idle again; what does not go away is told."""

        async def is_quiet() -> bool:
            # What failed a moment ago may end its process only now.
            await self._mend(victim)
            return not self._remains(executions)

        with contextlib.suppress(AssertionError):
            await eventually(is_quiet, within=_GONE_S)
        return self._remains(executions)

    def _remains(self, executions: Sequence[str]) -> tuple[str, ...]:
        home = self.rig.home(RUNNER)
        folders = [*home.glob("executions/*"), *home.glob("t/*"), *home.glob("uploads/*")]
        groups = [path for each in executions for path in Path("/sys/fs/cgroup").glob(f"*/botyard-{each}*")]
        is_ready = bool(idle_shims(self.rig.runners[RUNNER].pid))
        return (
            *(str(path) for path in (*folders, *groups)),
            *(f"bot {pid}" for pid in _bots(home)),
            *([] if is_ready else ["no idle shim"]),
        )


def idle_shims(daemon: int) -> tuple[int, ...]:
    """The shims below a daemon's zygote that wait for an order."""
    with contextlib.suppress(psutil.NoSuchProcess):
        below = psutil.Process(daemon).children(recursive=True)
        return tuple(each.pid for each in below if _is_idle_shim(each))
    return ()


def _is_idle_shim(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.Error):
        return process.name() == "botyard-shim" and not process.children()
    return False


def _bots(home: Path) -> list[int]:
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            environment = process.environ()
            if "BOTYARD_EXECUTION_ID" in environment and str(home) in " ".join(environment.values()):
                found.append(process.pid)
    return found


@asynccontextmanager
async def world(folder: Path) -> AsyncIterator[World]:
    """A hub and a runner with the small bot, each of which has run once."""
    async with Rig(folder) as rig:
        await rig.add_runner(RUNNER)
        await rig.deploy(LABEL, {"main.py": BOT})
        made = World(rig, folder / "ledger")
        await made.warm_up()
        yield made
