"""Maintenance windows on both engines: begun and ended on time, over restarts, with a bot that goes on."""

from datetime import datetime, timedelta
from functools import partial

import pytest

from agent.wire.words import Outcome, TaskState
from hub.domain.waiting import WaitingCode, WaitingReason
from hub.domain.window import Window
from hub.errors import Conflict, Invalid, NotFound
from hub.services import runners, waiting, windows
from hub.services.loops import Dispatcher
from hub.services.window_clock import WindowClock
from hub.services.windows import NewWindow
from tests.support.work_world import OTHER_RUNNER, RUNNER, WORKSPACE, WorkWorld, exited, final, report

ANA = "token:ana"
LOOK_S = 5.0


def clock_of(world: WorkWorld) -> WindowClock:
    return WindowClock(world.store, world.book, world.signals, world.clock, LOOK_S)


async def plan(world: WorkWorld, start_s: float, end_s: float, runner_id: str = RUNNER) -> Window:
    now = world.clock.now()
    new = NewWindow(
        starts_at=now + timedelta(seconds=start_s), ends_at=now + timedelta(seconds=end_s), reason="updates"
    )
    return await world.store.write(windows.add, WORKSPACE, runner_id, ANA, new)


async def dispatched(world: WorkWorld) -> None:
    """What the dispatch loop does when it is rung."""
    if WORKSPACE in await world.signals.dispatch.collect(0):
        await Dispatcher(world.store, world.book, world.signals, 5.0).serve(WORKSPACE)


async def why(world: WorkWorld, task_id: str) -> list[WaitingReason]:
    offers = world.book.offers(WORKSPACE)
    return list(await world.store.read(waiting.why, WORKSPACE, task_id, offers))


async def test_a_window_begins_and_ends_on_time(world: WorkWorld) -> None:
    """No credit of the runner is used in it, its credits are not lost by it, and its end starts what waits."""
    session = await world.connect()
    window = await plan(world, 60, 120)
    assert ("",) == tuple(await world.signals.windows.collect(0))
    keeper = clock_of(world)
    assert LOOK_S == await keeper.look()
    world.clock.advance(58)
    assert 2 == await keeper.look()
    world.offer(session)
    assert await world.grant() is None, "nothing waits yet; the slot goes back"
    world.clock.advance(2)
    await keeper.look()
    world.offer(session)
    task = await world.create()
    assert TaskState.QUEUED == task.state
    (reason,) = await why(world, task.id)
    assert (WaitingCode.MAINTENANCE, "vm1", max(window.starts_at, task.created_at)) == (
        reason.code,
        reason.runner,
        reason.since,
    )
    assert f"until {window.ends_at:%Y-%m-%d %H:%M:%S} UTC: updates (by {ANA})" in reason.message
    assert f"runner window remove vm1 {window.id}" in reason.remedy
    await dispatched(world)
    assert TaskState.QUEUED == (await world.show(task)).state
    world.clock.advance(60)
    world.offer(session)
    await keeper.look()
    await dispatched(world)
    assert TaskState.RUNNING == (await world.show(task)).state


async def test_what_it_runs_goes_on_and_another_runner_takes_the_rest(world: WorkWorld) -> None:
    task, session, start = await world.running()
    await plan(world, 0, 3600)
    await clock_of(world).look()
    other = await world.connect(OTHER_RUNNER)
    world.offer(other)
    assert ("vm2", TaskState.RUNNING) == ((second := await world.create()).runner, second.state)
    await world.say(session, start, report(), exited(0), final(), first=2)
    assert Outcome.SUCCEEDED == (await world.show(task)).outcome
    world.offer(session)
    third = await world.create()
    assert [WaitingCode.BUSY, WaitingCode.MAINTENANCE] == [one.code for one in await why(world, third.id)]


async def test_a_session_that_begins_in_a_window_gets_nothing(world: WorkWorld) -> None:
    """Restarts of runner and hub change nothing: the first order waits for the end, not for the loop's first look."""
    await plan(world, -1, 60)
    session = await world.connect()
    world.offer(session)
    assert world.book.take_any(WORKSPACE) is None
    world.clock.advance(60)
    await clock_of(world).look()
    world.offer(session)
    assert world.book.take_any(WORKSPACE) is not None


async def test_a_window_that_is_taken_back_opens_the_runner_at_once(world: WorkWorld) -> None:
    session = await world.connect()
    first, second = await plan(world, 0, 60), await plan(world, 10, 90)
    keeper = clock_of(world)
    await keeper.look()
    task = await world.create()
    world.clock.advance(20)
    (reason,) = await why(world, task.id)
    assert f"until {second.ends_at:%Y-%m-%d %H:%M:%S}" in reason.message
    for window in (second, first):
        assert world.book.take_any(WORKSPACE) is None
        await world.store.write(windows.remove, WORKSPACE, "vm1", window.id, ANA)
        await keeper.look()
        world.offer(session)
    await dispatched(world)
    assert TaskState.RUNNING == (await world.show(task)).state
    with pytest.raises(NotFound, match="no window"):
        await world.store.write(windows.remove, WORKSPACE, "vm1", first.id, ANA)
    kinds = [row["kind"] for row in await world.rows("events", runner_id=RUNNER)]
    assert (2, 2) == (kinds.count("runner.window_added"), kinds.count("runner.window_removed"))


async def test_a_drain_in_a_window_lasts_beyond_it(world: WorkWorld) -> None:
    session = await world.connect()
    await plan(world, 0, 60)
    keeper = clock_of(world)
    await keeper.look()
    await world.store.write(partial(runners.drain, on=True, reason="broken screen"), WORKSPACE, RUNNER, ANA)
    world.clock.advance(60)
    await keeper.look()
    world.offer(session)
    assert world.book.take_any(WORKSPACE) is None
    task = await world.create()
    assert [WaitingCode.RUNNERS_DRAINING] == [one.code for one in await why(world, task.id)]
    await world.store.write(partial(runners.drain, on=False), WORKSPACE, RUNNER, ANA)
    world.offer(session)
    assert world.book.take_any(WORKSPACE) is not None


async def test_windows_are_listed_for_30_days_after_their_end(world: WorkWorld) -> None:
    old, new = await plan(world, 0, 60), await plan(world, 100, 160)
    assert [old, new] == await world.store.read(windows.listing, WORKSPACE, "vm1")
    world.clock.advance(30 * 86400 + 61)
    assert [new] == await world.store.read(windows.listing, WORKSPACE, "vm1")
    await plan(world, 0, 60)
    world.clock.advance(3600)
    await plan(world, 0, 60)
    assert 2 == len(await world.rows("windows"))


async def test_every_fault_is_told_and_nothing_is_planned(world: WorkWorld) -> None:
    moment: datetime = world.clock.now()
    with pytest.raises(Invalid) as refused:
        await world.store.write(
            windows.add, WORKSPACE, "vm1", ANA, NewWindow(starts_at=None, ends_at=moment, reason="")
        )
    assert ["ends_at", "reason"] == [one["field"] for one in refused.value.details["errors"]]
    await world.store.write(runners.revoke, WORKSPACE, RUNNER, ANA)
    with pytest.raises(Conflict, match="revoked"):
        await plan(world, 0, 60)
    assert [] == await world.rows("windows")
