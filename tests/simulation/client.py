"""What people and programs ask of the hub: the API's own handlers, in the hub's process, less HTTP.

A client that got no answer asks again with the same Idempotency-Key; what it is told it writes into the history.
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any, TypeVar, cast

import orjson
from pydantic import BaseModel

from agent.wire.codec import Stream
from agent.wire.maestro import TaskUpdate
from hub.api import tasks as api
from hub.api.call import Call, Nothing, Sent
from hub.api.task_views import ShownTask
from hub.context import Hub
from hub.errors import BotyardError, NotFound, Unavailable
from hub.services import tasks
from tests.history.events import Acked, CancelAsked, FinishAsked, Gap, Gone, Output, Seen, Stored
from tests.history.recorder import Recorder
from tests.simulation.hub import HubGone, SimHub
from tests.simulation.work import Plan
from tests.support.work_world import ADMIN, WORKSPACE

T = TypeVar("T")

_AGAIN_S = 1.0


class Client:
    """One caller with an admin's key; patient."""

    def __init__(self, hub: SimHub, recorder: Recorder) -> None:
        self._hub = hub
        self._recorder = recorder
        self._keys = 0
        self.tasks: list[str] = []
        """Acknowledged ones."""
        self.finished: set[str] = set()
        """Those that were shown finished with an output that will not change any more."""

    async def create(self, plan: Plan) -> str:
        """Ask for a task until somebody answers."""
        self._keys += 1
        key = f"key-{self._keys}"
        body = api.NewTask(automation=plan.label)
        answer = await self._insist(lambda hub: api.create.handler(_call(hub, body, key=key)))
        assert isinstance(answer, Sent)
        task_id = str(orjson.loads(answer.answered.body)["id"])
        self._recorder.add(
            Acked, task=task_id, key=key, attempts=plan.attempts, keep=plan.is_keep, report_decides=plan.report_decides
        )
        self.tasks.append(task_id)
        return task_id

    async def cancel(self, task_id: str, *, force: bool = False) -> None:
        """Cancel a task; one that has finished otherwise stays so."""
        body = api.Cancel(force=force)
        # Before it is asked: what is under way may be done although nobody answers.
        self._recorder.add(CancelAsked, task=task_id, forced=force)
        await self._once(lambda hub: api.cancel.handler(_call(hub, body, task=task_id)))

    async def kill(self, task_id: str) -> None:
        """End its process tree."""
        self._recorder.add(CancelAsked, task=task_id)
        await self._once(lambda hub: api.kill.handler(_call(hub, Nothing(), task=task_id)))

    async def finish(self, task_id: str, *, failed: bool) -> None:
        """Say as a person how it ended."""
        update = TaskUpdate(state="FINISHED", finish_status="FAILED" if failed else "SUCCESS", finish_message="by hand")
        self._recorder.add(FinishAsked, task=task_id, status=str(update.status))
        await self._once(lambda hub: hub.store.write(tasks.finish_by_person, WORKSPACE, task_id, update, "token:ana"))

    async def look(self, task_id: str) -> Seen | None:
        """Look at a task once; None when nobody answered."""
        try:
            shown, signal = await self._hub.ask(lambda hub: _look(hub, task_id))
        except NotFound:
            self._recorder.add(Gone, task=task_id)
            return None
        except (HubGone, TimeoutError, Unavailable):
            return None
        fields = _seen(shown, signal)
        self._recorder.add(Seen, task=task_id, **fields)
        seen = cast("Seen", self._recorder.events[-1])
        if seen.state == "finished" and seen.output.state != "arriving":
            self.finished.add(task_id)
        return seen

    async def read_output(self, execution_id: str) -> None:
        """Read all that is stored of an output."""
        streams = await self._insist(lambda hub: _read(hub, execution_id))
        for stream, data in streams.items():
            digest = hashlib.sha256(data).hexdigest()
            self._recorder.add(
                Stored, execution=execution_id, stream=stream, length=len(data), sha256=digest, data=data
            )

    async def _once(self, question: Callable[[Hub], Awaitable[object]]) -> None:
        """Ask, and take whatever comes of it."""
        try:
            await self._hub.ask(question)
        except (HubGone, TimeoutError, BotyardError):
            return

    async def _insist(self, question: Callable[[Hub], Awaitable[T]]) -> T:
        while True:
            try:
                return await self._hub.ask(question)
            except (HubGone, TimeoutError, Unavailable):
                await asyncio.sleep(_AGAIN_S)


def _call(hub: Hub, body: BaseModel, *, task: str = "", key: str | None = None) -> Call[Any, Any]:
    return Call(
        hub=hub,
        caller=ADMIN,
        request=cast("Any", SimpleNamespace(match_info={"task": task})),
        body=body,
        query=Nothing(),
        status=200,
        secret_answer=False,
        key=key,
        mac=hashlib.sha256(body.model_dump_json().encode()).digest(),
    )


async def _look(hub: Hub, task_id: str) -> tuple[ShownTask, int | None]:
    call = _call(hub, Nothing(), task=task_id)
    attempts, shown = await api.executions.handler(call), await api.show.handler(call)
    assert isinstance(attempts, api.Executions)
    assert isinstance(shown, ShownTask)
    signal = next((one.exit_signal for one in attempts.items if one.id == shown.execution), None)
    return shown, signal


def _seen(shown: ShownTask, signal: int | None) -> dict[str, Any]:
    output = shown.output
    gaps = tuple(
        Gap(start=gap.start, bytes=gap.bytes, reason=str(gap.reason), filled=(gap.end or gap.start) - gap.start)
        for gap in output.gaps
    )
    return {
        "state": str(shown.state),
        "execution": shown.execution,
        "outcome": shown.outcome and str(shown.outcome),
        "reason": shown.reason and str(shown.reason),
        "exit_code": None if signal is not None else shown.exit_code,
        "signal": signal,
        "report": shown.report and str(shown.report.status),
        "flags": tuple(shown.flags),
        "output": Output(
            state=str(output.state), bytes=output.bytes, sha256=output.sha256, complete=output.complete, gaps=gaps
        ),
    }


async def _read(hub: Hub, execution_id: str) -> dict[str, bytes]:
    streams: dict[str, bytearray] = {}
    start = 0
    while pieces := await hub.outputs.read_pieces(WORKSPACE, execution_id, start, 1 << 20):
        for piece in pieces:
            streams.setdefault(Stream(piece.stream).name.lower(), bytearray()).extend(piece.data)
            start = piece.start + len(piece.data)
    return {name: bytes(data) for name, data in streams.items()}
