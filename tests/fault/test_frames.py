"""Frames that come twice, again, in another order, or never: a proxy between a real hub and a real daemon."""

import hashlib
import json
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.support.frame_proxy import CutError, Frame, FrameProxy
from tests.support.rig import Rig
from tests.support.waiting import eventually

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
_NAME = "far"
_HANDSHAKE = {"challenge", "hello", "welcome", "held", "buried", "resume_end", "resumed"}
"""Said once a connection; a second one is a breach, whoever sends it (`tests/runners/test_link.py`)."""
_LINES = 800
PRINTER = f"""
import os, time
for number in range({_LINES}):
    os.write(1, b"line %d of the diary\\n" % number)
    time.sleep(0.001)
"""
WHOLE = b"".join(b"line %d of the diary\n" % number for number in range(_LINES))


def kind_of(frame: Frame) -> str:
    """What a frame says: the type of its message, of a fact the kind of the fact too; `output` for a binary one."""
    if not frame.payload.startswith(b"{"):
        return "output"
    said = json.loads(frame.payload)
    return f"fact {said['body']['kind']}" if said["type"] == "fact" else str(said["type"])


@dataclass(slots=True)
class Line:
    """A runner behind the proxy, and what passed there."""

    rig: Rig
    proxy: FrameProxy
    connections: set[int] = field(default_factory=set)

    def between(self, decide: Callable[[Frame, str], Iterable[Frame]]) -> None:
        """Do this with each frame from now on."""

        def look(frame: Frame) -> Iterable[Frame]:
            self.connections.add(frame.connection)
            return decide(frame, kind_of(frame))

        self.proxy.decide = look

    async def judged(self, task_id: str) -> None:
        """The task ran once, by one execution, its output is what was printed, and each event happened once."""
        task = await self.rig.finished(task_id, within=60)
        assert task["outcome"] == "succeeded", task
        assert len((await self.rig.get(f"/api/v1/tasks/{task_id}/executions"))["items"]) == 1
        assert task["output"]["complete"], task
        assert hashlib.sha256(WHOLE).hexdigest() == task["output"]["sha256"]
        assert await self.rig.output(task_id) == WHOLE
        events = await self._events(task_id)
        assert len(events) == len(set(events)), events

    async def _events(self, task_id: str) -> list[tuple[str, str, str | None, str | None]]:
        page: Any = await self.rig.get(f"/api/v1/events?task={task_id}&limit=200")
        return [(one["kind"], one["subject"], one["old"], one["new"]) for one in page["items"]]


@asynccontextmanager
async def line(folder: Path) -> AsyncIterator[Line]:
    """A hub, a proxy, a runner behind it."""
    async with Rig(folder) as rig:
        proxy = FrameProxy(target=rig.port)
        await proxy.start()
        try:
            await rig.add_runner(_NAME, url=f"http://127.0.0.1:{proxy.port}")
            await rig.deploy("printer", {"main.py": PRINTER})
            yield Line(rig, proxy)
        finally:
            await proxy.close()


async def test_frames_that_come_twice_change_nothing(tmp_path: Path) -> None:
    """R45: orders, facts, output, acknowledgements, heartbeats: each comes twice; C1, C4: one bot, each byte once."""
    async with line(tmp_path) as made:
        doubled: set[str] = set()

        def twice(frame: Frame, kind: str) -> Iterable[Frame]:
            if kind in _HANDSHAKE:
                return (frame,)
            doubled.add(kind)
            return (frame, frame)

        made.between(twice)
        await made.judged(await made.rig.submit("printer"))
        assert {"start", "fact started", "fact exit", "fact final", "output", "fact_ack", "output_ack"} <= doubled
        assert made.connections == {1}, "the link was given up"


async def test_frames_of_an_earlier_connection_change_nothing(tmp_path: Path) -> None:
    """R45: the order, facts and output of one connection are played again on the next, both ways; C1, C4."""
    async with line(tmp_path) as made:
        kept: list[Frame] = []
        played: set[str] = set()

        def again(frame: Frame, kind: str) -> Iterable[Frame]:
            if kind not in _HANDSHAKE and frame.connection == 1:
                kept.append(frame)
            if kind == "fact started" and frame.connection == 1:
                return (frame,)
            if kind in {"heartbeat", "heartbeat_ack"}:
                old = [one for one in kept if one.way is frame.way and frame.connection > one.connection]
                played.update(kind_of(one) for one in old)
                return (*old, frame)
            return (frame,)

        made.between(again)
        task = await made.rig.submit("printer")
        await made.rig.printed(task, b"line 100 ")
        made.proxy.cut()
        await made.judged(task)
        # A heartbeat goes first thing on the second link; by then the old start, started and output were at hand.
        await eventually(lambda: {"start", "fact started", "output", "fact_ack"} <= played, within=30)
        await made.judged(task)


async def test_facts_in_another_order_end_the_link_and_are_told_again(tmp_path: Path) -> None:
    """R46: `final` before `exit` is a breach; applied in no part, and the next connection tells both in order."""
    async with line(tmp_path) as made:
        held: list[Frame] = []

        def swapped(frame: Frame, kind: str) -> Iterable[Frame]:
            if kind == "fact exit" and not held:
                held.append(frame)
                return ()
            if kind == "fact final" and len(held) == 1:
                held.append(frame)
                return (frame, held[0])
            return (frame,)

        made.between(swapped)
        task = await made.rig.submit("printer")
        await made.judged(task)
        assert len(held) == 2
        assert made.connections == {1, 2}, "a fact out of order was taken"


async def test_output_in_another_order_is_asked_for_again(tmp_path: Path) -> None:
    """R46: output that leaves a hole is not taken; the hub says from where it wants it, and the link holds; C4."""
    async with line(tmp_path) as made:
        late: list[Frame] = []
        asked: list[Frame] = []

        def swapped(frame: Frame, kind: str) -> Iterable[Frame]:
            if kind == "output_rewind":
                asked.append(frame)
            if kind != "output":
                return (frame,)
            if len(late) % 2 == 0 and len(late) < 10:
                late.append(frame)
                return ()
            if len(late) % 2 == 1:
                late.append(frame)
                return (frame, late[-2])
            return (frame,)

        made.between(swapped)
        await made.judged(await made.rig.submit("printer"))
        assert len(late) == 10
        assert asked
        assert made.connections == {1}, "the link was given up"


async def test_a_cut_before_each_acknowledgement_leaves_one_of_everything(tmp_path: Path) -> None:
    """R47: the hub has each fact, and the link is cut before it can say so; told again, it happens once."""
    async with line(tmp_path) as made:
        cut: dict[int, str] = {}

        def cutting(frame: Frame, kind: str) -> Iterable[Frame]:
            # One cut a connection, and none of the first that were lost already.
            if kind == "fact_ack" and frame.connection not in cut and len(cut) < 5:
                cut[frame.connection] = frame.payload.decode()
                raise CutError
            return (frame,)

        made.between(cutting)
        await made.judged(await made.rig.submit("printer"))
        assert len(cut) >= 2, cut
