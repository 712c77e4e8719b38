"""Orders that come twice, late, from the past, or never came (`core.md` D1, D3, D5, D6, D9)."""

import asyncio

import pytest

from agent.wire.facts import VoidFact
from agent.wire.messages import Start
from agent.wire.words import ExitKind, StopCause, VoidReason
from tests.runner.conftest import Ready, credit
from tests.support.bots import STUBBORN
from tests.support.runner import RunnerProcess
from tests.support.scripted_hub import ScriptedHub, new_id
from tests.support.waiting import eventually

_MOMENTS = 12
pytestmark = pytest.mark.asyncio(loop_scope="module")


async def void_of(hub: ScriptedHub, execution_id: str) -> VoidFact:
    """The void of an execution, its only fact."""
    heard = hub.heard[execution_id]
    await eventually(lambda: heard.facts, within=20)
    assert heard.kinds() == ["void"]
    fact: VoidFact = heard.body("void")
    return fact


async def test_a_second_start_gets_the_first_answer(hub: ScriptedHub, ready: Ready) -> None:
    """D5: a second `Start` of an execution starts nothing."""
    # given an order that was carried out
    build = await ready("print(os.getpid())")
    order = await hub.start(build)
    heard = hub.heard[order.execution_id]
    await eventually(lambda: "final" in heard.kinds(), within=20)
    output = bytes(heard.output)

    # when it comes again, on a fresh credit, and something behind it
    again: Start = order.model_copy(update={"permit": hub.order(build, await credit(hub)).permit})
    behind = new_id("exe")
    await hub.send(again)
    await hub.query(behind, new_id("tsk"))
    await eventually(hub.heard[behind].kinds)

    # then nothing more is said of it
    assert heard.kinds() == ["started", "exit", "final"]
    assert bytes(heard.output) == output


async def test_an_old_permit_is_void_stale(hub: ScriptedHub, ready: Ready) -> None:
    """D3: a permit older than 30 s by the runner's clocks starts nothing; the slot's generation rises."""
    # given
    build = await ready("print('never')")
    used = hub.credits.pop(0)
    order = hub.order(build, used, age_s=31)

    # when
    await hub.send(order)

    # then
    assert (await void_of(hub, order.execution_id)).reason is VoidReason.STALE
    assert (await credit(hub)).generation > used.generation


async def test_a_credit_is_good_once(hub: ScriptedHub, ready: Ready) -> None:
    """D2: a second order on a used credit is void."""
    # given
    build = await ready("time.sleep(1)")
    used = hub.credits.pop(0)
    first, second = hub.order(build, used), hub.order(build, used)

    # when
    await hub.send(first)
    await hub.send(second)

    # then
    assert (await void_of(hub, second.execution_id)).reason is VoidReason.NO_SLOT
    await eventually(lambda: hub.heard[first.execution_id].kinds() == ["started", "exit", "final"], within=20)


async def test_what_never_came_is_void(hub: ScriptedHub, ready: Ready) -> None:
    """D6, D9: of an unknown order a durable void is made; its late `Start` then starts nothing."""
    # given
    build = await ready("print('never')")
    given = hub.credits[0]
    asked, stopped = hub.order(build, given), hub.order(build, given)

    # when
    await hub.query(asked.execution_id, asked.task_id)
    await hub.stop(stopped)

    # then
    assert (await void_of(hub, asked.execution_id)).reason is VoidReason.UNKNOWN
    assert (await void_of(hub, stopped.execution_id)).reason is VoidReason.CANCELED

    # when the orders come all the same
    await hub.send(asked)
    await hub.send(stopped)
    later = hub.order(build, await credit(hub, after=given.generation + 1))
    await hub.send(later)
    await eventually(lambda: "final" in hub.heard[later.execution_id].kinds(), within=20)

    # then
    assert hub.heard[asked.execution_id].kinds() == ["void"]
    assert hub.heard[stopped.execution_id].kinds() == ["void"]


async def test_a_lower_fence_of_the_same_task_is_refused(hub: ScriptedHub, ready: Ready) -> None:
    """D5: an order of the past is void, also after the newer one was forgotten."""
    # given
    build = await ready("print('ran')")
    newer = await hub.start(build, fence=5)
    await eventually(lambda: "final" in hub.heard[newer.execution_id].kinds(), within=20)
    await hub.forget(newer)

    # when
    older = hub.order(build, await credit(hub), fence=4, task_id=newer.task_id)
    await hub.send(older)

    # then
    assert (await void_of(hub, older.execution_id)).reason is VoidReason.OLD_FENCE


async def test_a_build_that_is_gone_here_is_void(hub: ScriptedHub, ready: Ready) -> None:
    """D7: an order that cannot run now is voided with the reason."""
    # given
    await ready("print('x')")
    other = hub.add_build({"bot": b"#!/bin/sh\n"}, "bot")

    # when
    order = await hub.start(other)

    # then
    assert (await void_of(hub, order.execution_id)).reason is VoidReason.BUILD_GONE


async def test_a_kill_is_a_fact_before_its_signals_and_ends_the_tree(
    hub: ScriptedHub, runner: RunnerProcess, ready: Ready
) -> None:
    """`core.md` §3, §4: the stop is spooled first; a bot that ignores INT and TERM is gone after the ladder."""
    # given
    build = await ready(STUBBORN)
    order = await hub.start(build, limits={"ladder": {"terminate_after_s": 0.2, "kill_after_s": 0.2}})
    heard = hub.heard[order.execution_id]
    await eventually(lambda: b"ready" in heard.output, within=20)

    # when
    await hub.stop(order, StopCause.KILL)
    await eventually(lambda: "final" in heard.kinds(), within=20)

    # then
    assert heard.kinds() == ["started", "stop", "exit", "final"]
    exit_ = heard.body("exit")
    assert (exit_.how, exit_.signal, exit_.signaled_by_stop) == (ExitKind.SIGNAL, 9, True)


@pytest.mark.parametrize("answer", ["stop", "query", "cut"])
async def test_whatever_comes_while_an_order_is_handed_over(
    hub: ScriptedHub, runner: RunnerProcess, ready: Ready, answer: str
) -> None:
    """D1, D6: one verdict, whenever a cancel, a question or a cut link comes; the slot is free afterwards."""
    build = await ready("print('ran')\ntime.sleep(0.05)")
    for step in range(_MOMENTS):
        # given an order that is on its way, and what comes a few milliseconds later
        used = await credit(hub)
        order = await hub.start(build, limits={"ladder": {"interrupt_after_s": 0.0}})
        await asyncio.sleep(step * 0.004)
        match answer:
            case "stop":
                await hub.stop(order)
            case "query":
                await hub.query(order.execution_id, order.task_id)
            case _:
                await hub.drop()

        # then it has one verdict, and comes to its end
        kinds = await kinds_at_the_end(hub, order.execution_id)
        assert (kinds == ["void"]) == ("started" not in kinds), kinds
        assert kinds[0] in {"void", "started"}
        await hub.forget(order)
        await credit(hub, after=used.generation)
    assert runner.process is not None
    assert runner.process.poll() is None


async def kinds_at_the_end(hub: ScriptedHub, execution_id: str) -> list[str]:
    """The facts of an execution, once it has come to its end."""
    heard = hub.heard[execution_id]
    await eventually(lambda: {"void", "final"} & set(heard.kinds()), within=20)
    return heard.kinds()
