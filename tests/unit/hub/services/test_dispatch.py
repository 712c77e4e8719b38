"""Grants: one credit, one task, never overtaking, never twice (core.md D2, D4, D7)."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from agent.wire.messages import Preparation, Stamp, Start
from agent.wire.words import Outcome, PreparationState, Reason, TaskState, VoidReason
from hub.domain.automation import Definition
from hub.domain.credits import STALE_IN_A_ROW, STALE_PAUSE_S
from hub.errors import Conflict
from hub.services import automations, dispatch, preparations, tasks
from hub.services.loops import Dispatcher, DueClock
from hub.storage import tables
from hub.storage.transaction import Done, Transaction
from tests.support.work_world import ADMIN, BUILD, OTHER_RUNNER, RUNNER, WORKSPACE, WorkWorld, bot, started, void

OTHER_BUILD = "bld_" + "c" * 32
STAMP = Stamp(boot_ns=2, wall_ns=2)


def dispatcher(world: WorkWorld) -> Dispatcher:
    return Dispatcher(world.store, world.book, world.signals, sweep_s=5.0)


async def test_the_fast_path_never_overtakes(world: WorkWorld) -> None:
    """D4: no older or higher task waits that could use this credit: the older one gets it."""
    session = await world.connect()
    older = await world.create()
    world.offer(session)
    newer = await world.create()
    assert older.id == world.started_order(session).task_id
    assert (TaskState.RUNNING, TaskState.QUEUED) == ((await world.show(older)).state, (await world.show(newer)).state)


async def test_a_higher_priority_comes_first_then_age(world: WorkWorld) -> None:
    session = await world.connect()
    low = await world.create(priority=1)
    first = await world.create(priority=9)
    second = await world.create(priority=9)
    order = []
    for _ in range(3):
        world.offer(session)
        granted = await world.grant()
        assert granted is not None
        order.append(granted.task_id)
    assert [first.id, second.id, low.id] == order


async def test_a_credit_counts_only_where_the_build_is_prepared(world: WorkWorld) -> None:
    """core.md §1, P6: prepared first; a slot credit counts for a build only where it is prepared."""
    session = await world.connect(prepared=())
    world.offer(session)
    task = await world.create()
    assert TaskState.QUEUED == task.state
    ready = Preparation(build_id=BUILD, state=PreparationState.PREPARED)
    await world.store.write(preparations.record, WORKSPACE, RUNNER, session.epoch, ready)
    await dispatcher(world).serve(WORKSPACE)
    assert TaskState.RUNNING == (await world.show(task)).state


async def test_a_credit_is_no_use_to_what_its_runner_does_not_fit(world: WorkWorld) -> None:
    await world.automation(needs={"site": "south"})
    session = await world.connect()
    world.offer(session)
    task = await world.create()
    assert TaskState.QUEUED == task.state
    assert await world.grant() is None
    assert world.book.take_any(WORKSPACE) is not None, "the credit went back"


async def test_a_credit_of_an_ended_session_grants_nothing(world: WorkWorld) -> None:
    """D4: guarded by ``runner.session_epoch = :mine``."""
    old = await world.connect()
    world.offer(old)
    credit = world.book.take_any(WORKSPACE)
    assert credit is not None
    new = await world.connect()
    task = await world.create()
    assert await world.store.write(dispatch.grant, credit) is None
    assert TaskState.QUEUED == (await world.show(task)).state
    assert [] == [message for message in (*old.sent, *new.sent) if isinstance(message, Start)]


async def test_credits_that_are_used_together_stand_each_for_itself(world: WorkWorld) -> None:
    """One is of a session that ended, one is left over and goes back; the first task gets the first good one."""
    old = await world.connect()
    world.offer(old)
    gone = world.book.take_any(WORKSPACE)
    new = await world.connect()
    first, second = [await world.create(), await world.create()]
    for slot in range(3):
        world.offer(new, slot)
    good = [world.book.take_any(WORKSPACE) for _ in range(3)]
    together = [one for one in (gone, *good) if one is not None]
    assert len(together) == 4
    kinds = await world.store.read(dispatch.waiting_kinds, WORKSPACE)
    assert await world.store.write(dispatch.grant_each, together, kinds) == 2
    assert [first.id, second.id] == [message.task_id for message in new.sent if isinstance(message, Start)]
    assert old.sent == []
    assert world.book.take_any(WORKSPACE) == good[2]
    assert world.book.take_any(WORKSPACE) is None


async def test_a_refused_request_gives_its_credit_back(world: WorkWorld) -> None:
    """D4: the hub puts the credit back on rollback."""
    session = await world.connect()
    world.offer(session)
    await world.automation(state="paused")
    with pytest.raises(Conflict, match="paused"):
        await world.create()
    assert world.book.take_any(WORKSPACE) is not None


async def test_one_credit_is_granted_once(world: WorkWorld) -> None:
    """D2: a credit dies with use."""
    session = await world.connect()
    world.offer(session)
    await world.create()
    second = await world.create()
    assert TaskState.QUEUED == second.state
    assert world.book.take_any(WORKSPACE) is None


async def test_the_loop_serves_everything_that_waits(world: WorkWorld) -> None:
    waiting = [await world.create() for _ in range(5)]
    session = await world.connect()
    for slot in range(4):
        world.offer(session, slot)
    await dispatcher(world).serve(WORKSPACE)
    states = [(await world.show(task)).state for task in waiting]
    assert [TaskState.RUNNING] * 4 + [TaskState.QUEUED] == states


async def test_an_order_that_could_not_run_is_no_attempt(world: WorkWorld) -> None:
    """D7, D9: void: granted again, not counted; the fence grows at each grant."""
    session = await world.connect()
    world.offer(session)
    task = await world.create()
    await world.say(session, world.started_order(session), void(VoidReason.NO_SLOT))
    assert TaskState.QUEUED == (await world.show(task)).state
    world.book.renew(RUNNER, session.epoch, STAMP)
    world.offer(session)
    assert await world.grant() is not None
    assert 2 == world.started_order(session).fence
    states = [row["state"] for row in await world.rows("executions", task_id=task.id)]
    assert ["granted", "void"] == sorted(states)


async def test_stale_orders_withhold_the_credit_until_the_next_stamp_then_for_a_minute(world: WorkWorld) -> None:
    """D7: stale: until the next stamp, after 3 in a row for 60 s with an alert."""
    session = await world.connect()
    await world.create()
    for _ in range(STALE_IN_A_ROW):
        world.offer(session)
        assert await world.grant() is not None
        await world.say(session, world.started_order(session), void(VoidReason.STALE))
        world.offer(session)
        assert world.book.take_any(WORKSPACE) is None
        world.book.renew(RUNNER, session.epoch, STAMP)
    assert world.book.take_any(WORKSPACE) is None, "three in a row: not even after a stamp"
    assert (f"{WORKSPACE}/{RUNNER}",) == tuple(await world.signals.stale.collect(1))
    world.clock.advance(STALE_PAUSE_S)
    world.book.renew(RUNNER, session.epoch, STAMP)
    assert world.book.take_any(WORKSPACE) is not None


async def test_a_build_gone_on_the_runner_is_prepared_again_first(world: WorkWorld) -> None:
    """D7: the credit is withheld for that need until mended."""
    session = await world.connect()
    world.offer(session)
    task = await world.create()
    await world.say(session, world.started_order(session), void(VoidReason.BUILD_GONE))
    world.offer(session)
    assert world.book.take(WORKSPACE, {}, BUILD) is None
    assert TaskState.QUEUED == (await world.show(task)).state
    ready = Preparation(build_id=BUILD, state=PreparationState.PREPARED)
    await world.store.write(preparations.record, WORKSPACE, RUNNER, session.epoch, ready)
    assert world.book.take(WORKSPACE, {}, BUILD) is not None


async def test_a_build_gone_at_the_hub_too_refuses_the_task(world: WorkWorld) -> None:
    """D7: a build gone at the hub too: `refused: build_gone`."""
    session = await world.connect()
    world.offer(session)
    task = await world.create()
    await world.store.write(_withdraw_release)
    await world.say(session, world.started_order(session), void(VoidReason.BUILD_GONE))
    settled = await world.show(task)
    assert (Outcome.REFUSED, Reason.BUILD_GONE) == (settled.outcome, settled.reason)


def _withdraw_release(tx: Transaction) -> Done[None]:
    tx.connection.execute(sa.update(tables.bots).values(released_build_id=None))
    return Done(None)


async def test_what_every_fit_runner_failed_to_prepare_for_good_is_refused(world: WorkWorld) -> None:
    """core.md §1: settles its tasks `refused: environment`; while one may still manage, they wait."""
    one, other = await world.connect(prepared=()), await world.connect(OTHER_RUNNER, prepared=())
    task = await world.create()
    failed = Preparation(build_id=BUILD, state=PreparationState.FAILED, message="no such package", permanent=True)
    await world.store.write(preparations.record, WORKSPACE, RUNNER, one.epoch, failed)
    await dispatcher(world).serve(WORKSPACE)
    assert TaskState.QUEUED == (await world.show(task)).state, "the other may still manage"
    await world.store.write(preparations.record, WORKSPACE, OTHER_RUNNER, other.epoch, failed)
    await dispatcher(world).serve(WORKSPACE)
    settled = await world.show(task)
    assert (Outcome.REFUSED, Reason.ENVIRONMENT) == (settled.outcome, settled.reason)
    assert "no such package" in str(settled.message)


async def test_a_task_waits_for_its_moment(world: WorkWorld) -> None:
    session = await world.connect()
    world.offer(session)
    task = await world.create(not_before=world.clock.now() + timedelta(minutes=5))
    assert TaskState.WAITING == task.state
    assert world.book.take_any(WORKSPACE) is not None, "its credit went back"
    due = DueClock(world.store, world.signals, world.clock)
    world.signals.due.ring()
    await due._step()
    assert TaskState.WAITING == (await world.show(task)).state
    world.clock.advance(301)
    await due._step()
    assert TaskState.QUEUED == (await world.show(task)).state


async def test_tasks_of_another_bot_do_not_take_what_they_cannot_use(world: WorkWorld) -> None:
    """D4: the first task *that could use this credit*; an older one of an unprepared build waits on."""
    await world.store.write(bot, "other", OTHER_BUILD)
    await world.store.write(automations.create, ADMIN, Definition(label="other", bot="other"))
    older = await world.create("other", priority=10)
    session = await world.connect()
    world.offer(session)
    newer = await world.create()
    assert (TaskState.QUEUED, TaskState.RUNNING) == ((await world.show(older)).state, newer.state)


async def test_a_task_shows_who_took_it(world: WorkWorld) -> None:
    task, _, start = await world.running()
    shown = await world.store.read(tasks.by_number, WORKSPACE, task.number)
    assert ("vm1", start.execution_id, "running", "1.0") == (
        shown.runner,
        shown.execution_id,
        shown.execution_state,
        shown.build_version,
    )
    assert started().at == shown.started_at
