"""Every message type that a runner can send, sent by one who may not (S2, S7, S8)."""

from collections.abc import Mapping
from typing import get_args

import pytest
from aiohttp import WSMsgType

from agent.wire.codec import decode_to_runner, encode
from agent.wire.condition import Condition
from agent.wire.facts import Gap, make_fact
from agent.wire.messages import (
    Buried,
    Bye,
    FactAck,
    Heartbeat,
    HeartbeatAck,
    Held,
    OutputAck,
    OutputGap,
    Preparation,
    Progress,
    Rejected,
    Resumed,
    ResumeEnd,
    SlotBusy,
    SlotFree,
    Start,
    Stone,
    ToHub,
)
from agent.wire.watching import FilesFound, FolderTold, FoundFile
from agent.wire.words import GapReason, PreparationState
from tests.runners.conftest import BUILD, LinkWorld
from tests.support.clock import START
from tests.support.scripted_runner import stamp_now
from tests.support.waiting import seconds
from tests.support.work_world import held, hello_of, report, started

EXECUTION = "exe_" + "5" * 32
FILE = FoundFile(path="/in/a.csv", device=1, inode=2, mtime_ns=3, size=4)
LINES = b"one\ntwo\n"
TYPES = {model.model_fields["type"].default for model in get_args(get_args(ToHub)[0])}


def one_of_each(execution_id: str, fence: int) -> Mapping[str, ToHub]:
    """A good message of each type; those that name an execution name this one."""
    messages: tuple[ToHub, ...] = (
        hello_of("rnr_" + "5" * 32, join=1),
        Held(execution_id=execution_id, fence=fence, verdict="started", last_fact=1, output_bytes=0),
        Buried(stones=(Stone(execution_id=execution_id, task_id="tsk_" + "5" * 32, fence=fence, outcome="lost"),)),
        ResumeEnd(prepared=(BUILD,)),
        SlotFree(slot=0, generation=1, stamp=stamp_now()),
        SlotBusy(slot=0, generation=1),
        make_fact(execution_id, fence, 2, report()),
        OutputGap(execution_id=execution_id, gap=Gap(start=0, bytes=5, reason=GapReason.DISK)),
        Preparation(build_id=BUILD, state=PreparationState.FAILED, message="forged", permanent=True),
        Progress(execution_id=execution_id, fence=fence, percent=99, text="forged", at=START),
        FilesFound(number=1, trigger_id="trg_" + "5" * 32, revision="5" * 16, files=(FILE,)),
        FolderTold(number=2, trigger_id="trg_" + "5" * 32, revision="5" * 16, trouble="forged"),
        Condition(applications=("browser",)),
        Heartbeat(number=1, stamp=stamp_now()),
    )
    return {message.type: message for message in messages}


def test_every_message_type_is_here() -> None:
    """S7: "all message types enumerated"."""
    assert TYPES == set(one_of_each(EXECUTION, 1))


@pytest.mark.parametrize("kind", sorted(TYPES - {"hello"}))
async def test_before_its_hello_a_runner_can_say_nothing(world: LinkWorld, kind: str) -> None:
    """S7: only a hello opens a session; with anything else the hub hangs up without a word."""
    runner = await world.runner()
    async with runner.challenged() as (socket, _):
        await socket.send_str(encode(one_of_each(EXECUTION, 1)[kind]))
        assert WSMsgType.CLOSE == (await socket.receive(timeout=seconds(5))).type
    assert [] == world.hub.sessions.runners_of(world.caller.workspace_id)


@pytest.mark.parametrize("kind", sorted(TYPES - {"held", "resume_end", "heartbeat"}))
async def test_before_its_inventory_a_runner_is_given_nothing(world: LinkWorld, kind: str) -> None:
    """P2: a session is open when its resume is told; credits and facts that come before it count for nothing."""
    runner = await world.runner()
    task = await world.create()
    async with runner.dial() as session:
        await session.send(one_of_each(EXECUTION, 1)[kind])
        await session.send(Heartbeat(number=2, stamp=stamp_now()))
        await session.next_of(HeartbeatAck, Bye)
        assert [] == [message for message in session.seen if isinstance(message, Start)]
    assert await world.show(task) == task


@pytest.mark.parametrize("kind", sorted(TYPES - {"hello", "held", "resume_end"}))
async def test_a_runner_changes_nothing_of_another_ones_execution(world: LinkWorld, kind: str) -> None:
    """S8, S10: facts, gaps and credits of the wrong runner leave an execution, its output and its runner alone."""
    one, other = await world.runner("vm1"), await world.runner("vm2")
    async with one.connect(prepared=[BUILD]) as session:
        task = await world.create()
        await session.offer()
        start = await session.next(Start)
        await session.say(start, started())
        await session.next(FactAck)
        before = await world.show(task)

        async with other.connect() as foreign:
            await foreign.send(one_of_each(start.execution_id, start.fence)[kind])
            await foreign.send(Heartbeat(number=2, stamp=stamp_now()))
            # a fact of a foreign execution is a breach; the rest goes nowhere
            await foreign.next(Bye if kind == "fact" else HeartbeatAck)

        assert before == await world.show(task)
        await session.send_output(start.execution_id, 0, LINES)
        assert len(LINES) == (await session.next(OutputAck)).have


async def test_who_names_another_ones_execution_in_its_inventory_does_not_get_it(world: LinkWorld) -> None:
    """S8, S10: it is told to stop it, and its output still goes through the runner that has it."""
    one, other = await world.runner("vm1"), await world.runner("vm2")
    async with one.connect(prepared=[BUILD]) as session:
        await world.create()
        await session.offer()
        start = await session.next(Start)
        await session.say(start, started())
        await session.next(FactAck)
        async with other.connect(held(start)) as foreign:
            assert "stop" == (await foreign.next(Resumed)).action
            await foreign.send_output(start.execution_id, 0, b"forged\n")
            await foreign.send(Heartbeat(number=1, stamp=stamp_now()))
            await foreign.next(HeartbeatAck)
            await session.send_output(start.execution_id, 0, LINES)
            assert len(LINES) == (await session.next(OutputAck)).have


async def test_a_hello_that_was_overheard_opens_nothing(world: LinkWorld) -> None:
    """S2: single-use nonce: what was signed for one connection's challenge is worth nothing on the next."""
    runner = await world.runner()
    async with runner.connect():
        overheard = runner.last_hello
    assert overheard is not None
    async with runner.challenged() as (socket, _):
        await socket.send_str(encode(overheard))
        answer = decode_to_runner(await socket.receive_str(timeout=seconds(5)))
        assert isinstance(answer, Rejected)
        assert "signature" == answer.code
    async with runner.connect():  # the runner itself is not harmed by it
        assert world.hub.sessions.find(runner.id) is not None
