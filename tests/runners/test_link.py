"""The runners' link with a scripted runner over a real socket (P2, P8, core.md D4, D5)."""

import hashlib

import pytest

from agent.wire.messages import (
    Bye,
    Desired,
    FactAck,
    Forget,
    Heartbeat,
    HeartbeatAck,
    OutputAck,
    OutputRewind,
    Rejected,
    Resumed,
    Start,
    Stop,
)
from agent.wire.words import Outcome, OutputState, StopCause, TaskState
from hub.services import runners, tasks
from tests.runners.conftest import BUILD, LinkWorld
from tests.support.scripted_runner import stamp_now
from tests.support.waiting import eventually
from tests.support.work_world import exited, final, held, hello_of, report, started, stop

LINES = b"one\ntwo\nthree\n"


async def test_a_task_travels_over_the_link(world: LinkWorld) -> None:
    """design.md §3: Start, verdict, output, report, exit, final; acknowledged, settled once, forgotten."""
    runner = await world.runner()
    async with runner.connect(prepared=[BUILD]) as session:
        assert BUILD == (await session.next(Desired)).builds[0].build_id
        await session.offer()
        await eventually(lambda: world.hub.book.offers(world.caller.workspace_id)[runner.id].free == 1)
        task = await world.create()
        start = await session.next(Start)
        await session.say(start, started())
        await session.send_output(start.execution_id, 0, LINES)
        await session.say(start, report(), exited(0), final(len(LINES), hashlib.sha256(LINES).hexdigest()), first=2)
        await session.next(Forget)
        acked = [message.seq for message in session.seen if isinstance(message, FactAck)]
        assert 4 == acked[-1]
    settled = await world.show(task)
    assert (TaskState.FINISHED, Outcome.SUCCEEDED) == (settled.state, settled.outcome)
    assert (OutputState.COMPLETE, len(LINES), 3) == (settled.output.state, settled.output.bytes, settled.output.lines)


async def test_output_that_comes_after_final_settles_then(world: LinkWorld) -> None:
    """core.md §3: the exit fact goes ahead of data; it settles with all bytes."""
    runner = await world.runner()
    async with runner.connect(prepared=[BUILD]) as session:
        task = await world.create()
        await session.offer()
        start = await session.next(Start)
        await session.say(start, started(), report(), exited(0), final(len(LINES), hashlib.sha256(LINES).hexdigest()))
        while (await session.next(FactAck)).seq < 4:
            continue
        assert TaskState.RUNNING == (await world.show(task)).state
        await session.send_output(start.execution_id, 4, LINES[4:])
        assert 0 == (await session.next(OutputRewind)).start
        await session.send_output(start.execution_id, 0, LINES)
        await session.next(Forget)
    assert OutputState.COMPLETE == (await world.show(task)).output.state


async def test_output_is_acknowledged_when_it_is_durable(world: LinkWorld) -> None:
    runner = await world.runner()
    async with runner.connect(prepared=[BUILD]) as session:
        await world.create()
        await session.offer()
        start = await session.next(Start)
        await session.send_output(start.execution_id, 0, LINES)
        ack = await session.next(OutputAck)
        while ack.safe < len(LINES):
            ack = await session.next(OutputAck)
        assert len(LINES) == ack.have


async def test_a_heartbeat_is_answered_with_its_number(world: LinkWorld) -> None:
    runner = await world.runner()
    async with runner.connect() as session:
        await session.send(Heartbeat(number=7, stamp=stamp_now()))
        assert 7 == (await session.next(HeartbeatAck)).number


async def test_a_new_session_ends_the_old_one_first(world: LinkWorld) -> None:
    """core.md D5: opened after the old session's reader and queue are gone; epochs only grow."""
    runner = await world.runner()
    async with runner.connect() as old, runner.connect() as new:
        said = await old.end()
        assert isinstance(said[-1], Bye)
        assert "replaced" == said[-1].reason
        assert old.welcome.epoch < new.welcome.epoch
        await new.send(Heartbeat(number=1, stamp=stamp_now()))
        await new.next(HeartbeatAck)


async def test_a_runner_that_comes_back_is_told_to_go_on(world: LinkWorld) -> None:
    """P2: continue {fact, output from}; R1: the stored offset counts."""
    runner = await world.runner()
    async with runner.connect(prepared=[BUILD]) as session:
        task = await world.create()
        await session.offer()
        start = await session.next(Start)
        await session.say(start, started())
        await session.next(FactAck)
        await session.send_output(start.execution_id, 0, LINES)
        await session.next(OutputAck)
    async with runner.connect(held(start)) as session:
        answer = await session.next(Resumed)
        assert ("continue", 1, len(LINES)) == (answer.action, answer.fact, answer.have)
    assert TaskState.RUNNING == (await world.show(task)).state


async def test_a_cancel_while_the_link_was_gone_is_said_at_resume(world: LinkWorld) -> None:
    runner = await world.runner()
    async with runner.connect(prepared=[BUILD]) as session:
        task = await world.create()
        await session.offer()
        start = await session.next(Start)
        await session.say(start, started())
        await session.next(FactAck)
    await world.hub.store.write(tasks.cancel, world.caller.workspace_id, task.id, "token:ana")
    async with runner.connect(held(start)) as session:
        answer = await session.next(Resumed)
        assert "stop" == answer.action
        assert answer.stop is not None
        assert StopCause.CANCEL == answer.stop.cause
        await session.say(start, stop(), exited(130, stopped=True), final(), first=2)
        await session.next(Forget)
    assert Outcome.CANCELED == (await world.show(task)).outcome


async def test_a_stop_leaves_with_the_commit_of_the_cancel(world: LinkWorld) -> None:
    runner = await world.runner()
    async with runner.connect(prepared=[BUILD]) as session:
        task = await world.create()
        await session.offer()
        start = await session.next(Start)
        await world.hub.store.write(tasks.cancel, world.caller.workspace_id, task.id, "token:ana")
        order = await session.next(Stop)
        assert (start.execution_id, StopCause.CANCEL, "token:ana") == (
            order.execution_id,
            order.order.cause,
            order.order.by,
        )


async def test_a_revoked_runner_is_cut_off_at_once_and_for_ever(world: LinkWorld) -> None:
    """S5: revocation cuts the socket within 5 s; its ticket dies with it; it never comes back."""
    runner = await world.runner()
    async with runner.connect() as session:
        await world.hub.store.write(runners.revoke, world.caller.workspace_id, runner.id, "token:ana")
        said = await session.end(within=5)
        assert isinstance(said[-1], Bye)
        assert "revoked" == said[-1].reason
        assert world.hub.sessions.by_ticket(session.welcome.ticket) is None
    async with runner.knock() as (_, answer):
        assert isinstance(answer, Rejected)
        assert ("revoked", True) == (answer.code, answer.final)


@pytest.mark.parametrize(
    ("forged", "code"),
    [
        ({"signature": "0" * 128}, "signature"),
        ({"origin": "http://elsewhere:1"}, "origin"),
        ({"runner_id": "rnr_" + "9" * 32}, "unknown"),
        ({"protocol_min": 7, "protocol_max": 8}, "version"),
        ({"home_id": "f" * 32}, "cloned"),
    ],
)
async def test_a_false_hello_opens_no_session(world: LinkWorld, forged: dict[str, object], code: str) -> None:
    """S2: signature over hub id, origin, nonce, join counter."""
    runner = await world.runner()
    async with runner.knock(**forged) as (_, answer):
        assert isinstance(answer, Rejected)
        assert code == answer.code
    assert [] == world.hub.sessions.runners_of(world.caller.workspace_id)


async def test_a_join_counter_that_did_not_grow_quarantines_for_good(world: LinkWorld) -> None:
    """core.md D8, S3: a counter not larger quarantines the home, and later counters do not cure it."""
    runner = await world.runner()
    async with runner.connect():
        pass
    async with runner.knock(join=runner.join) as (_, answer):
        assert isinstance(answer, Rejected)
        assert "cloned" == answer.code
    async with runner.knock() as (_, answer):
        assert isinstance(answer, Rejected)
        assert ("quarantined", True) == (answer.code, answer.final)


async def test_a_hole_in_the_facts_ends_the_session(world: LinkWorld) -> None:
    """P3: seq from 1, no holes; facts.accept raises, the link is closed, nothing was applied."""
    runner = await world.runner()
    async with runner.connect(prepared=[BUILD]) as session:
        task = await world.create()
        await session.offer()
        start = await session.next(Start)
        await session.say(start, started(), first=2)
        said = await session.end()
        assert isinstance(said[-1], Bye)
        assert "protocol" == said[-1].reason
    assert "granted" == (await world.show(task)).execution_state


async def test_what_is_no_message_ends_the_session(world: LinkWorld) -> None:
    """S8: strict schemas; decoding is total."""
    runner = await world.runner()
    async with runner.connect() as session:
        await session.socket.send_str('{"type": "rm -rf"}')
        said = await session.end()
        assert isinstance(said[-1], Bye)
        assert "protocol" == said[-1].reason


async def test_a_runner_writes_no_output_but_of_its_own_executions(world: LinkWorld) -> None:
    """S8, S10: output of an execution that another runner has is not taken."""
    one, other = await world.runner("vm1"), await world.runner("vm2")
    async with one.connect(prepared=[BUILD]) as session, other.connect() as foreign:
        await world.create()
        await session.offer()
        start = await session.next(Start)
        await foreign.send_output(start.execution_id, 0, b"forged\n")
        await foreign.send(Heartbeat(number=1, stamp=stamp_now()))
        await foreign.next(HeartbeatAck)
    assert 0 == world.hub.outputs.position(world.caller.workspace_id, start.execution_id).have


async def test_an_enrolment_token_works_once(world: LinkWorld) -> None:
    """S1: single use, hashed, bound to workspace and labels."""
    runner = await world.runner()
    token = await world.token()
    first, answer = await runner.enrol(token, "vm2")
    again, _ = await runner.enrol(token, "vm3")
    assert (201, 403) == (first, again)
    assert {"site": "north"} == answer["labels"]


async def test_the_hub_says_goodbye_with_a_time_to_come_back(world: LinkWorld) -> None:
    """R5: SIGTERM: close with spread `reconnect_after`, no state change."""
    runner = await world.runner()
    async with runner.connect() as session:
        live = world.hub.sessions.find(runner.id)
        assert live is not None
        live.close("shutdown", "the hub restarts")
        said = await session.end()
        assert isinstance(said[-1], Bye)
        assert said[-1].reconnect_after_s is not None
        assert 1012 == session.socket.close_code


async def test_a_second_hello_is_a_breach(world: LinkWorld) -> None:
    runner = await world.runner()
    async with runner.connect() as session:
        await session.send(hello_of(runner.id, join=99))
        said = await session.end()
        assert isinstance(said[-1], Bye)
        assert "protocol" == said[-1].reason
