"""A hub and a runner that are killed again and again, a client that keeps asking, and the history of it all.

The client is as a careful script is: every create has an idempotency key and is sent again under it until it is
answered, so that an answer lost in a crash makes no second task (P11).
"""

import asyncio
import contextlib
import hashlib
import json
import sqlite3
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import psutil

from tests.history.events import (
    Acked,
    Closed,
    Ended,
    Granted,
    Left,
    Searched,
    Seen,
    Settled,
    Started,
    Stored,
    Voided,
    Wrote,
)
from tests.history.recorder import Recorder
from tests.reliability.kill_bots import PRINTER, SMALL, Witness, first
from tests.reliability.shown import seen
from tests.support.rig import Rig
from tests.support.waiting import eventually, seconds

RUNNER = "struck"
_HANG_UP = (aiohttp.ClientError, ConnectionError, TimeoutError)
_AGAIN_S = 0.05
_ANSWER_S = 60


@dataclass(slots=True)
class KillWorld:
    """The rig, its witness and its history."""

    rig: Rig
    witness: Witness
    client: aiohttp.ClientSession
    history: Recorder = field(default_factory=Recorder)
    tasks: dict[str, float] = field(default_factory=dict)
    """Every task that was acknowledged, and when it was asked for (`time.monotonic()`)."""
    asked: int = 0
    is_dark: bool = False
    """Answers are lost on their way (the power of the hub's machine is being cut)."""

    # --- the client ---

    async def ask(self, label: str, **parameters: object) -> str:
        """Ask for a task until the hub has answered; its id."""
        self.asked += 1
        key = f"{label}-{self.asked}"
        given = {"folder": str(self.witness.folder), **{name: str(value) for name, value in parameters.items()}}
        body = {"automation": label, "parameters": given}
        began = time.monotonic()
        answer = await self.answered("POST", "/api/v1/tasks", json=body, headers={"Idempotency-Key": key})
        self.history.add(Acked, task=answer["id"], key=key)
        self.tasks[answer["id"]] = began
        return str(answer["id"])

    async def answered(self, method: str, path: str, **more: Any) -> Any:
        """The JSON that the hub answers, however often it has to be asked."""

        async def once() -> Any:
            try:
                async with self.client.request(method, self.rig.url + path, **more) as answer:
                    body = await answer.read()
            except _HANG_UP:
                return None
            if answer.status >= 500 or self.is_dark:
                return None
            assert answer.ok, f"{method} {path}: {answer.status} {body!r}"
            return json.loads(body)

        return await until(once, _ANSWER_S, f"{method} {path} was not answered")

    async def look(self, task: str) -> Any:
        """The task as it is shown now, noted in the history."""
        shown = await self.answered("GET", f"/api/v1/tasks/{task}")
        self.history.add(Seen, **seen(shown))
        return shown

    async def is_finished(self, task: str) -> Any:
        """The task when it is finished, else None."""
        shown = await self.look(task)
        return shown if shown["state"] == "finished" else None

    async def shown_bytes(self, task: str) -> int:
        """How much of its output is shown now."""
        return int((await self.answered("GET", f"/api/v1/tasks/{task}"))["output"]["bytes"])

    def has_ended(self, task: str) -> bool:
        """Whether its bot has said its last word."""
        return any(one["task"] == task for one in self.witness.ended().values())

    # --- the end ---

    async def tell_the_end(self, logs: Callable[[str], Awaitable[bytes]]) -> None:
        """Complete the history: what was granted, settled, told by the bots, stored, and what is left."""
        fences = self._fences()
        started = {one["execution"]: one for one in self.witness.started()}
        for task in self.tasks:
            for execution in (await self.answered("GET", f"/api/v1/tasks/{task}/executions"))["items"]:
                fence = fences[execution["id"]]
                self.history.add(Granted, task=task, execution=execution["id"], fence=fence, runner=RUNNER)
                if execution["state"] == "void":
                    self.history.add(Voided, execution=execution["id"])
                elif execution["id"] in started:
                    await self._tell_output(task, execution["id"], await logs(task))
        self._tell_bots(fences)
        await self._tell_settlements()
        await self._look_what_is_left()
        self.history.add(Closed)

    def _fences(self) -> dict[str, int]:
        with closing(sqlite3.connect(f"file:{self.rig.data / 'hub.db'}?mode=ro", uri=True)) as database:
            return dict(database.execute("SELECT id, fence FROM executions").fetchall())

    async def _tell_output(self, task: str, execution: str, stored: bytes) -> None:
        """What one gets, and what the bot wrote: by its own last word, or else what it must have written."""
        length, ended = len(stored), self.witness.ended().get(execution)
        self.history.add(Stored, execution=execution, length=length, sha256=hashlib.sha256(stored).hexdigest())
        if ended is not None:
            self.history.add(Wrote, execution=execution, length=ended["bytes"], sha256=ended["sha256"])
            return
        ahead = self.witness.ahead(execution)
        for known in {min(length, ahead), ahead}:
            self.history.add(Wrote, execution=execution, length=known, sha256=first(known))

    def _tell_bots(self, fences: dict[str, int]) -> None:
        ended = self.witness.ended()
        for one in self.witness.started():
            at, execution = self.history.moment(one["at"]), one["execution"]
            fence = fences.get(execution, 0)
            self.history.add(Started, at=at, task=one["task"], execution=execution, fence=fence, runner=RUNNER)
            if execution in ended:
                end = ended[execution]
                self.history.add(Ended, at=self.history.moment(end["at"]), execution=execution, exit_code=end["code"])

    async def _tell_settlements(self) -> None:
        after = 0
        asked = "/api/v1/events?type=task.settled&limit=500"
        while page := (await self.answered("GET", f"{asked}&after={after}"))["items"]:
            for event in (event for event in page if event["task_id"] in self.tasks):
                told = event["data"]
                self.history.add(Settled, task=event["task_id"], outcome=told["outcome"], reason=told["reason"])
            after = page[-1]["pos"]

    async def _look_what_is_left(self) -> None:
        """Processes of the bots, and folders of executions that the runner should have cleared (C11)."""
        for left in self._processes():
            self.history.add(Left, what=left)
        self.history.add(Searched, rule="C11", what="processes of the bots")
        folder = self.rig.home(RUNNER) / "executions"
        try:
            await eventually(lambda: not list(folder.iterdir()), within=20)
        except AssertionError:
            for one in folder.iterdir():
                self.history.add(Left, what=f"folder {one.name}")
        self.history.add(Searched, rule="C11", what="folders of executions")

    async def keep_evidence(self) -> None:
        """What hub and runner say at the moment of a failure, and what they are doing, beside their logs."""
        self.history.save(self.rig.folder / "history.jsonl")
        said = []
        unfinished = "/api/v1/tasks?state=queued&limit=3"
        for path in ("/api/v1/runners", f"/api/v1/runners/{RUNNER}", unfinished):
            with contextlib.suppress(AssertionError, *_HANG_UP):
                said.append(json.dumps(await self.rig.get(path), indent=1))
        status = await self.rig.run(sys.executable, "-m", "agent", "status", "--home", str(self.rig.home(RUNNER)))
        said.append(status.text + status.err.decode())
        for daemon in (self.rig.hub, *self.rig.runners.values()):
            if daemon.alive:
                tree = [psutil.Process(daemon.pid), *psutil.Process(daemon.pid).children(recursive=True)]
                said += [f"{each.pid} {each.ppid()} {each.status()} {' '.join(each.cmdline())[:150]}" for each in tree]
        (self.rig.folder / "evidence").write_text("\n".join(said))

    def _processes(self) -> list[str]:
        executions = {one["execution"] for one in self.witness.started()}
        found = []
        for process in psutil.process_iter():
            try:
                is_ours = process.environ().get("BOTYARD_EXECUTION_ID") in executions
                if is_ours and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(f"process {process.pid} {' '.join(process.cmdline())[:80]}")
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue
        return found


@asynccontextmanager
async def kill_world(folder: Path, slots: int, told: Path | None = None) -> AsyncIterator[KillWorld]:
    """A hub, one runner of so many slots, and the bots `printer` and `small`, prepared; bots witness in `told`."""
    told = told or folder / "told"
    folder.mkdir(parents=True, exist_ok=True)
    told.mkdir(parents=True)
    async with Rig(folder) as rig:
        await rig.add_runner(RUNNER, "--slots", str(slots))
        await rig.deploy("printer", {"main.py": PRINTER})
        await rig.deploy("small", {"main.py": SMALL})
        headers = {"Authorization": f"Bearer {rig.env['BOTYARD_TOKEN']}"}
        timeout = aiohttp.ClientTimeout(total=seconds(15))
        async with aiohttp.ClientSession(headers=headers, timeout=timeout) as client:
            world = KillWorld(rig, Witness(told), client)
            try:
                yield world
            except BaseException:
                await world.keep_evidence()
                raise


async def until(look: Callable[[], Awaitable[Any]], within: float, saying: str) -> Any:
    """What `look` returns once that is something; asked often, because moments are measured by it."""
    deadline = time.monotonic() + seconds(within)
    while (answer := await look()) is None:
        assert time.monotonic() < deadline, saying
        await asyncio.sleep(_AGAIN_S)
    return answer
