"""The table of core.md D9, row by row: a real hub, a runner that a test writes by hand, and time that passes at once.

Each docstring is its row: *what the hub knows | may conclude | does by itself*.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from agent.wire.messages import Bye, FactAck, Forget, Heartbeat, HeartbeatAck, Query, Resumed, Start, Stop
from agent.wire.words import OnDisconnect, Outcome, Reason, StopCause, TaskState, VoidReason
from hub.domain.automation import Definition
from hub.domain.execution import KEEP_LOST_S
from hub.domain.retry import RetryPolicy
from hub.domain.task import TaskView
from hub.services import automations, runners, tasks
from hub.storage import alerts
from hub.storage import runners as rows
from hub.storage.store import StoreUnavailable
from hub.storage.transaction import Done
from tests.runners.conftest import BUILD, LinkWorld, link_world
from tests.support.scripted_runner import ScriptedRunner, ScriptedSession, stamp_now
from tests.support.waiting import eventually
from tests.support.work_world import exited, final, held, report, started, stop, void

AGAIN = RetryPolicy(attempts=2)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[LinkWorld]:
    """A hub whose own sweep has its one round at its start: what the tests see is what theirs do."""
    async with link_world(tmp_path, sweep_s=3600) as made:
        yield made


@pytest.fixture
async def retried(world: LinkWorld) -> LinkWorld:
    """Two automations that are tried again: `kept` and `stopped`, by what their bots do without a link."""
    for label, on_disconnect in (("kept", OnDisconnect.KEEP), ("stopped", OnDisconnect.STOP)):
        new = Definition(label=label, bot="invoices", on_disconnect=on_disconnect, lost_after_s=120, retry=AGAIN)
        await world.hub.store.write(automations.create, world.caller, new)
    return world


@asynccontextmanager
async def granted(
    world: LinkWorld, runner: ScriptedRunner, automation: str = "kept"
) -> AsyncIterator[tuple[ScriptedSession, TaskView, Start]]:
    """A task whose order the runner was sent; the link goes when the block ends."""
    async with runner.connect(prepared=[BUILD]) as session:
        await session.offer()
        await offered(world, runner)
        task = await world.create(automation)
        yield session, task, await session.next(Start)


async def gone(world: LinkWorld, runner: ScriptedRunner) -> None:
    """The hub has noted that the link is gone, and swept once since."""

    async def is_noted() -> bool:
        shown = await world.hub.store.read(runners.show, world.caller.workspace_id, runner.id)
        return shown.state is runners.RunnerState.UNREACHABLE

    await eventually(is_noted)
    await swept(world)


async def swept(world: LinkWorld) -> None:
    """A round of the sweep, the same sweeper's each time."""
    await world.sweeper.sweep()


async def offered(world: LinkWorld, runner: ScriptedRunner) -> None:
    """The hub counts a free slot of it."""

    def is_free() -> bool:
        offer = world.hub.book.offers(world.caller.workspace_id).get(runner.id)
        return offer is not None and offer.free == 1

    await eventually(is_free)


async def state(world: LinkWorld, task: TaskView) -> tuple[TaskState, Outcome | None]:
    """Of the task, now."""
    now = await world.show(task)
    return now.state, now.outcome


async def finished(world: LinkWorld, task: TaskView) -> TaskView:
    """The task, settled."""

    async def look() -> bool:
        return (await state(world, task))[0] is TaskState.FINISHED

    await eventually(look)
    return await world.show(task)


async def test_no_permit_committed(retried: LinkWorld) -> None:
    """D9: "no permit committed | not started, cannot start | grant elsewhere at any time"."""
    world = retried
    one, other = await world.runner("vm1"), await world.runner("vm2")
    # given a runner that offers a slot and goes before anything is granted
    async with one.connect(prepared=[BUILD]) as session:
        await session.offer()
        await offered(world, one)
    await gone(world, one)
    task = await world.create("kept")
    assert await state(world, task) == (TaskState.QUEUED, None)
    # then another one is given it at once
    async with other.connect(prepared=[BUILD]) as session:
        await session.offer()
        assert (await session.next(Start)).task_id == task.id


async def test_permit_committed_link_up_no_answer(retried: LinkWorld) -> None:
    """D9: "permit committed, link up, no answer | nothing | `Query` after 5 s (the runner answers by making a verdict);
    unanswered 60 s: close the session, resume decides".
    """
    world, runner = retried, await retried.runner()
    async with granted(world, runner) as (session, task, start):
        await swept(world)
        world.clock.advance(6)
        await swept(world)
        assert (await session.next(Query)).execution_id == start.execution_id
        await swept(world)
        assert await state(world, task) == (TaskState.RUNNING, None)
        world.clock.advance(55)
        await swept(world)
        assert (await session.next(Bye)).reason == "unanswered"
    # the next session's resume decides: held without a verdict it goes on, and is asked for again ...
    async with runner.connect(held(start, verdict="none", last_fact=0), prepared=[BUILD]) as session:
        assert (await session.next(Resumed)).action == "continue"
        await swept(world)
        world.clock.advance(6)
        await swept(world)
        assert (await session.next(Query)).execution_id == start.execution_id
    # ... and not held at all it never started (D8): granted again, to the same runner, and not counted
    async with runner.connect(prepared=[BUILD]) as session:
        await session.offer(generation=2)
        again = await session.next(Start)
        assert (again.task_id, again.fence) == (task.id, start.fence + 1)


async def test_permit_committed_link_gone_keep(retried: LinkWorld) -> None:
    """D9: "permit committed, link gone | after 30 s: will not start later; may be running | unreachable, alert; `keep`:
    `lost` 24 h after `unreachable_since`, no retry".
    """
    world = retried
    one, other = await world.runner("vm1"), await world.runner("vm2")
    async with granted(world, one) as (_, task, start):
        pass
    await gone(world, one)
    async with other.connect(prepared=[BUILD]) as session:
        await session.offer()
        world.clock.advance(3600)
        await swept(world)
        assert await state(world, task) == (TaskState.RUNNING, None)
        assert await world.hub.store.read(alerts.is_open, world.caller.workspace_id, runners.UNREACHABLE, one.id)
        world.clock.advance(KEEP_LOST_S - 3600 - 60)
        await swept(world)
        assert await state(world, task) == (TaskState.RUNNING, None)
        world.clock.advance(120)
        await swept(world)
        settled = await finished(world, task)
        assert (settled.outcome, settled.reason, settled.fence) == (Outcome.LOST, Reason.LINK_LOST, start.fence + 1)
        # "no retry", though its policy says two attempts and a slot is free
        await session.send(Heartbeat(number=1, stamp=stamp_now()))
        await session.next(HeartbeatAck)
        assert not [one for one in session.seen if isinstance(one, Start)]


@pytest.mark.parametrize("has_started", [False, True])
async def test_permit_committed_link_gone_revoked(retried: LinkWorld, *, has_started: bool) -> None:
    """D9: "permit committed, link gone | … | revoked runner: `lost` at once"."""
    world, runner = retried, await retried.runner()
    async with granted(world, runner) as (session, task, start):
        if has_started:
            await session.say(start, started())
            await session.next(FactAck)
    await gone(world, runner)
    await world.hub.store.write(runners.revoke, world.caller.workspace_id, runner.id, "token:ana")
    assert (await finished(world, task)).outcome is Outcome.LOST


@pytest.mark.parametrize("how", ["void", "absent"])
async def test_void_or_valid_absence(retried: LinkWorld, how: str) -> None:
    """D9: "void, or valid absence | never started | grant again, not counted"."""
    world, runner = retried, await retried.runner()
    async with granted(world, runner) as (session, task, start):
        if how == "void":
            await session.say(start, void(VoidReason.SHIM_GONE))
            await session.next(Forget)
    await gone(world, runner)
    for generation in (2, 3):
        # twice more: were a void an attempt, its policy would not allow a third
        async with runner.connect(prepared=[BUILD]) as session:
            await session.offer(generation=generation)
            again = await session.next(Start)
            assert (again.task_id, again.fence) == (task.id, start.fence + generation - 1)
        await gone(world, runner)


async def test_started_link_gone_keep(retried: LinkWorld) -> None:
    """D9: "started, link gone, `keep` | may be running | the same 24 h; no retry"."""
    world, runner = retried, await retried.runner()
    async with granted(world, runner) as (session, task, start):
        await session.say(start, started())
        await session.next(FactAck)
    await gone(world, runner)
    world.clock.advance(KEEP_LOST_S - 60)
    await swept(world)
    assert await state(world, task) == (TaskState.RUNNING, None)
    world.clock.advance(120)
    await swept(world)
    settled = await finished(world, task)
    assert (settled.outcome, settled.fence) == (Outcome.LOST, start.fence + 1)


@pytest.mark.parametrize(
    ("case", "has_started"),
    # A bot that has not started reports nothing.
    [("report", True), ("cancel", True), ("cancel", False), ("neither", True), ("neither", False)],
)
async def test_stop_lost_after_passed(retried: LinkWorld, case: str, *, has_started: bool) -> None:
    """D9: "started or permit out, `stop`, `lost_after` passed | ended | a report came: settles as reported,
    `exit_unseen`; cancel asked: `canceled`; neither: `lost`, retry by policy, fence+1".
    """
    world, runner = retried, await retried.runner()
    async with granted(world, runner, "stopped") as (session, task, start):
        if has_started:
            said = (started(), report()) if case == "report" else (started(),)
            await session.say(start, *said)
            while (await session.next(FactAck)).seq < len(said):
                continue
    await gone(world, runner)
    if case == "cancel":
        await world.hub.store.write(tasks.cancel, world.caller.workspace_id, task.id, "token:ana")
    world.clock.advance(110)
    await swept(world)
    assert await state(world, task) == (TaskState.RUNNING, None)
    world.clock.advance(20)
    await swept(world)
    if case == "neither":
        await eventually_queued(world, task)
        async with runner.connect(prepared=[BUILD]) as session:
            await session.offer(generation=2)
            assert (await session.next(Start)).fence > start.fence + 1
        return
    settled = await finished(world, task)
    expected = {"report": (Outcome.SUCCEEDED, Reason.EXIT_UNSEEN), "cancel": (Outcome.CANCELED, None)}[case]
    assert (settled.outcome, settled.reason) == expected


async def eventually_queued(world: LinkWorld, task: TaskView) -> None:
    """It waits for another runner."""

    async def look() -> bool:
        now = await state(world, task)
        assert now == (TaskState.QUEUED, None)
        return True

    await eventually(look)


async def test_stop_asked_link_up_no_fact(retried: LinkWorld) -> None:
    """D9: "stop asked, link up, no fact in 30 s | nothing | send again; then close the session"."""
    world, runner = retried, await retried.runner()
    async with granted(world, runner) as (session, task, start):
        await session.say(start, started())
        await session.next(FactAck)
        await world.hub.store.write(tasks.cancel, world.caller.workspace_id, task.id, "token:ana")
        assert (await session.next(Stop)).order.cause is StopCause.CANCEL
        await swept(world)
        world.clock.advance(31)
        await swept(world)
        assert (await session.next(Stop)).execution_id == start.execution_id
        await swept(world)
        assert await state(world, task) == (TaskState.RUNNING, None)
        world.clock.advance(31)
        await swept(world)
        assert (await session.next(Bye)).reason == "unanswered"
    # and the resume of the next session says it once more; a fact ends it
    async with runner.connect(held(start)) as session:
        assert (await session.next(Resumed)).action == "stop"
        await session.say(start, stop(), first=2)
        await session.next(FactAck)
        world.clock.advance(100)
        await swept(world)
        await session.say(start, exited(130, stopped=True), final(), first=3)
        await session.next(Forget)
        assert not [one for one in session.seen if isinstance(one, Bye | Stop)]
    assert (await finished(world, task)).outcome is Outcome.CANCELED


async def test_ended(retried: LinkWorld) -> None:
    """D9: "ended | ended | settle (§4); the automation's retry policy"."""
    world, runner = retried, await retried.runner()
    async with granted(world, runner) as (session, task, start):
        await session.say(start, started(), exited(1), final())
        await session.next(Forget)
        await session.offer(generation=2)
        second = await session.next(Start)
        assert (second.task_id, second.fence) == (task.id, start.fence + 1)
        await session.say(second, started(), exited(1), final())
        await session.next(Forget)
    settled = await finished(world, task)
    assert (settled.outcome, settled.reason) == (Outcome.FAILED, Reason.EXIT_CODE)


# --- beside the table ------------------------------------------------------------------------------------------------


async def test_another_hubs_sessions_are_its_own(retried: LinkWorld) -> None:
    """core.md §1: "a 5 s sweep over *my* epochs in the database": no query, no close, no loss by this hub."""
    world, runner = retried, await retried.runner()
    async with granted(world, runner, "stopped") as (session, task, _):
        # given a session whose hub, by the runner's row, is another one
        there = {"hub_id": "hub_other"}
        await world.hub.store.write(lambda tx: Done(rows.change(tx, world.caller.workspace_id, runner.id, there)))
        world.clock.advance(500)
        await swept(world)
        await session.send(Heartbeat(number=1, stamp=stamp_now()))
        await session.next(HeartbeatAck)
        assert not [one for one in session.seen if isinstance(one, Query | Bye)]
        assert await state(world, task) == (TaskState.RUNNING, None)
    # D10: when that hub's session is over, `lost_after` counts here from zero
    await gone(world, runner)
    world.clock.advance(110)
    await swept(world)
    assert await state(world, task) == (TaskState.RUNNING, None)
    world.clock.advance(20)
    await swept(world)
    await eventually_queued(world, task)


async def test_a_stranger_ends_and_is_forgotten_in_one_session(world: LinkWorld) -> None:
    """core.md §4: "resume answers `stop`, its facts …, then `forget`"; nothing of it ends the session, or the next."""
    runner = await world.runner()
    start = Start.model_construct(execution_id="exe_" + "9" * 32, fence=3)  # type: ignore[call-arg] # no more is used
    async with runner.connect(held(start)) as session:
        answer = await session.next(Resumed)
        assert (answer.action, answer.stop and answer.stop.cause) == ("stop", StopCause.SUPERSEDED)
        await session.say(start, stop(StopCause.SUPERSEDED), exited(130, stopped=True), final(), first=2)
        assert (await session.next(Forget)).execution_id == start.execution_id
        assert [one.seq for one in session.seen if isinstance(one, FactAck)] == [2, 3, 4]
        await session.send(Heartbeat(number=1, stamp=stamp_now()))
        await session.next(HeartbeatAck)
    # one that had ended before is forgotten by the answer itself
    async with runner.connect(held(start, ended=True, last_fact=4)) as session:
        assert (await session.next(Resumed)).action == "forget"


async def test_the_end_of_a_session_that_could_not_be_written_is_written_by_the_sweep(
    world: LinkWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """core.md §1: "each effect is a hint that some scan redoes": the runner does not seem connected for ever."""
    runner = await world.runner()
    async with runner.connect():
        await eventually(lambda: world.hub.sessions.find(runner.id) is not None)
        monkeypatch.setattr(world.hub.store, "write", refusing(world.hub.store.write, runners.close_session))
        session = world.hub.sessions.find(runner.id)
        assert session is not None
        session.close("overload", "a test")
        await gone_here(world, runner)
        monkeypatch.undo()
    shown = await world.hub.store.read(runners.show, world.caller.workspace_id, runner.id)
    assert shown.state is runners.RunnerState.CONNECTED
    world.clock.advance(5)
    await swept(world)
    shown = await world.hub.store.read(runners.show, world.caller.workspace_id, runner.id)
    assert shown.state is runners.RunnerState.UNREACHABLE
    # unreachable since its last byte, not since the sweep (R42)
    assert shown.unreachable_since is not None
    assert (world.clock.now() - shown.unreachable_since).total_seconds() >= 5


async def gone_here(world: LinkWorld, runner: ScriptedRunner) -> None:
    """The hub has no session of it, and has tried to write that."""
    await eventually(lambda: world.hub.sessions.find(runner.id) is None)
    await eventually(lambda: world.hub.sessions._unclosed)  # type: ignore[attr-defined] # nothing shows it outside


def refusing(write: Callable[..., Awaitable[Any]], refused: Callable[..., Any]) -> Callable[..., Awaitable[Any]]:
    """A store whose disk is full for one kind of write."""

    async def some(use_case: Callable[..., Any], *args: Any, **options: Any) -> Any:
        if use_case is refused:
            raise StoreUnavailable("full", "the disk is full")
        return await write(use_case, *args, **options)

    return some
