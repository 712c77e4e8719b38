"""A store that was restored: what it holds, what its runners show, who lets it run (core.md D8, R20)."""

import pytest

from agent.wire.facts import FactBody, make_fact
from agent.wire.messages import Held, Stone
from agent.wire.words import Outcome, TaskState
from hub.domain.waiting import WaitingCode
from hub.errors import Conflict
from hub.services import dispatch, held, late_reports, resume, runners, waiting
from hub.services.resume import Inventory
from hub.storage import held as rows
from tests.support.work_world import (
    BUILD,
    HUB_ID,
    OTHER_RUNNER,
    RUNNER,
    WORKSPACE,
    PlayedSession,
    WorkWorld,
    answers,
    exited,
    final,
    hello_of,
    key_of,
    report,
    started,
)

ANA = "token:ana"


async def shows(world: WorkWorld, runner_id: str, *held_ones: Held, stones: tuple[Stone, ...] = ()) -> PlayedSession:
    """A runner comes to a restored store and tells all: its inventory and its tombstones."""
    world.joins[runner_id] = world.joins.get(runner_id, 0) + 1
    said = hello_of(runner_id, join=world.joins[runner_id], last_epoch=100)
    opened = await world.store.write(runners.open_session, WORKSPACE, said, HUB_ID)
    assert opened is not None
    session = PlayedSession(runner_id=runner_id, epoch=opened.key.epoch)
    world.sessions.by_runner[runner_id] = session
    world.book.open_session(WORKSPACE, runner_id, opened.key.epoch, opened.labels)
    told = Inventory(held=held_ones, prepared=(BUILD,), last_epoch=100, positions={}, stones=stones, stones_told=True)
    await world.store.write(resume.resume, key_of(session), told)
    return session


async def restored(world: WorkWorld) -> int:
    """The store is restored: how many tasks are held."""
    for session in list(world.sessions.by_runner.values()):
        await world.disconnect(session)
    return await world.store.write(held.hold, "a backup of yesterday")


def stone(task_id: str, execution: str = "9", fence: int = 1, outcome: str = "final") -> Stone:
    return Stone(execution_id="exe_" + execution * 32, task_id=task_id, fence=fence, outcome=outcome)


async def test_a_restored_store_is_another_and_holds_what_is_unfinished(world: WorkWorld) -> None:
    """R20: new store id, fences + 1000 of unfinished tasks, `held: restored`; what has finished stays as it is."""
    done, session, start = await world.running()
    await world.say(session, start, report(), exited(0), final(), first=2)
    waits = await world.create()
    before = await world.store.read(rows.store_id)
    assert 1 == await restored(world)
    assert before != await world.store.read(rows.store_id)
    assert ("restored", 1000) == ((await world.show(waits)).held, (await world.show(waits)).fence)
    assert (None, 1) == ((await world.show(done)).held, (await world.show(done)).fence)
    assert 1 == len(await world.rows("events", kind="store.restored"))
    assert 1 == len(await world.rows("alerts", kind=held.ALERT))


async def test_a_held_task_is_granted_to_nobody_and_says_why(world: WorkWorld) -> None:
    """D8: it waits, with that reason; a task that is asked for now does not."""
    waits = await world.create()
    await restored(world)
    session = await world.connect()
    world.offer(session)
    assert await world.grant() is None
    (why,) = await world.store.read(waiting.why, WORKSPACE, waits.id, {})
    assert (WaitingCode.HELD, "vm1") == (why.code, why.runner)
    assert "release-held" in why.remedy
    fresh = await world.create()
    assert TaskState.RUNNING == (await world.show(fresh)).state


async def test_what_nobody_ran_is_released_once_every_runner_has_shown(world: WorkWorld) -> None:
    """D8: … until its runners have shown what they hold; one is not enough, and neither is a runner that tells less."""
    waits = await world.create()
    await restored(world)
    await shows(world, RUNNER)
    await world.connect(OTHER_RUNNER)  # its program can not tell tombstones
    assert 0 == await world.store.write(held.release_shown)
    await shows(world, OTHER_RUNNER)
    assert 1 == await world.store.write(held.release_shown)
    assert (await world.show(waits)).held is None
    assert 0 == await world.store.write(held.release_shown)
    assert not await world.store.read(held.is_held)


async def test_a_store_that_is_restored_again_asks_every_runner_again(world: WorkWorld) -> None:
    """D8, R20: what a runner showed to one restore says nothing to the next: it may have run more since."""
    waits = await world.create()
    await restored(world)
    await shows(world, RUNNER)
    await restored(world)
    await shows(world, OTHER_RUNNER)
    assert 0 == await world.store.write(held.release_shown), "the first runner has shown nothing since"
    await shows(world, RUNNER)
    assert 1 == await world.store.write(held.release_shown)
    assert (await world.show(waits)).held is None


async def test_what_ran_since_the_backup_waits_for_a_person(world: WorkWorld) -> None:
    """R20: it ended and was forgotten since: only its tombstone is left. Nothing runs twice by itself."""
    ran, voided = await world.create(), await world.create()
    await restored(world)
    await shows(world, RUNNER, stones=(stone(ran.id, "8", fence=5), stone(voided.id, "9", outcome="void")))
    await shows(world, OTHER_RUNNER)
    assert 1 == await world.store.write(held.release_shown)
    assert (await world.show(voided)).held is None
    assert "restored: it ran on vm1 after the backup" == (await world.show(ran)).held
    await world.store.write(held.release, WORKSPACE, ran.id, ANA)
    assert (await world.show(ran)).held is None
    with pytest.raises(Conflict, match="not held"):
        await world.store.write(held.release, WORKSPACE, ran.id, ANA)


async def test_a_fence_is_above_all_that_a_runner_has_seen(world: WorkWorld) -> None:
    """R20: restored twice from one backup, a runner may know a fence of the life between."""
    ran = await world.create()
    await restored(world)
    await shows(world, RUNNER, stones=(stone(ran.id, fence=1007),))
    assert 1007 == (await world.show(ran)).fence


async def test_an_order_of_the_backup_that_its_runner_forgot_is_not_absent(world: WorkWorld) -> None:
    """D8: absence is no proof in a restored store: the order ran, ended and was forgotten since the backup."""
    session = await world.connect()
    world.offer(session)
    task = await world.create()
    start = world.started_order(session)
    await restored(world)
    await shows(world, RUNNER, stones=(stone(task.id, start.execution_id[4], fence=1),))
    assert TaskState.QUEUED == (await world.show(task)).state, "another execution's tombstone"
    assert "it ran on vm1" in str((await world.show(task)).held)


async def test_an_order_of_the_backup_that_ended_since_is_lost_and_not_run_again(world: WorkWorld) -> None:
    session = await world.connect()
    world.offer(session)
    task = await world.create()
    start = world.started_order(session)
    await restored(world)
    grave = Stone(execution_id=start.execution_id, task_id=task.id, fence=1, outcome="final")
    await shows(world, RUNNER, stones=(grave,))
    assert Outcome.LOST == (await world.show(task)).outcome


async def test_an_order_is_not_absent_for_a_runner_that_can_not_tell_its_tombstones(world: WorkWorld) -> None:
    session = await world.connect()
    world.offer(session)
    task = await world.create()
    await restored(world)
    await world.connect()
    assert TaskState.RUNNING == (await world.show(task)).state


async def test_what_runs_since_the_backup_ends_into_a_late_report_that_a_person_accepts(world: WorkWorld) -> None:
    """R20, §4: kept, shown, never overwriting; the bot ends in its own time; accepted it settles the held task."""
    task = await world.create()
    await restored(world)
    stray = Held(
        execution_id="exe_" + "9" * 32, task_id=task.id, fence=3, verdict="started", last_fact=4, output_bytes=0
    )
    session = await shows(world, RUNNER, stray)
    assert "continue" == answers(session)[stray.execution_id].action
    bodies: list[FactBody] = [started(), report(), exited(0), final()]
    facts = [make_fact(stray.execution_id, 3, seq, body) for seq, body in enumerate(bodies, start=1)]
    await world.accept(session, *facts)
    assert TaskState.QUEUED == (await world.show(task)).state
    assert "it ran on vm1" in str((await world.show(task)).held)
    (late,) = await world.store.read(late_reports.of_task, WORKSPACE, task.id)
    await world.store.write(late_reports.accept, WORKSPACE, task.id, late.id, ANA)
    settled = await world.show(task)
    assert (Outcome.SUCCEEDED, "done", None) == (settled.outcome, settled.message, settled.held)
    with pytest.raises(Conflict, match="accepted already"):
        await world.store.write(late_reports.accept, WORKSPACE, task.id, late.id, ANA)


async def test_an_accepted_late_report_of_a_settled_task_is_an_amendment(world: WorkWorld) -> None:
    """§4: the outcome stays what it is; the amendment is shown beside it, and evented as task.amended."""
    task, session, start = await world.running()
    await world.say(session, start, report(), exited(0), report(late=True, message="late"), final(), first=2)
    (late,) = await world.store.read(late_reports.of_task, WORKSPACE, task.id)
    await world.store.write(late_reports.accept, WORKSPACE, task.id, late.id, ANA)
    settled = await world.show(task)
    assert (Outcome.SUCCEEDED, "done") == (settled.outcome, settled.message)
    assert settled.amendment is not None
    assert "late" == settled.amendment.message
    assert 1 == len(await world.rows("events", kind="task.amended"))


async def test_a_runner_that_the_backup_does_not_know_stops_every_release_by_itself(world: WorkWorld) -> None:
    """R20: enrolled after the backup, it may have run anything: a person releases, one task or all."""
    await world.create()
    await world.create()
    await restored(world)
    assert await world.store.write(held.note_stranger, "rnr_" + "7" * 32)
    for runner_id in (RUNNER, OTHER_RUNNER):
        await shows(world, runner_id)
    assert 0 == await world.store.write(held.release_shown)
    done = await world.store.write(held.release_all, WORKSPACE, ANA)
    assert (2, 0) == (done.released, done.left)


async def test_a_higher_position_than_the_stores_own_holds_it(world: WorkWorld) -> None:
    """D8: a runner that shows a higher commit position than the store has; of another store it says nothing."""
    waits = await world.create()
    other = await world.connect(OTHER_RUNNER)
    store_id = await world.store.read(rows.store_id)
    for known, is_held in (("another", False), (store_id, True)):
        said = hello_of(RUNNER, join=world.joins.get(RUNNER, 0) + 1)
        world.joins[RUNNER] = said.join
        said = said.model_copy(update={"commit_position": 10**6, "store_id": known})
        opened = await world.store.write(runners.open_session, WORKSPACE, said, HUB_ID)
        assert opened is not None
        assert is_held == opened.must_show
        assert is_held == ((await world.show(waits)).held is not None)
    assert "replaced" == other.closed[0][0], "the others begin anew, and show"
    assert store_id != await world.store.read(rows.store_id)


async def test_a_held_kind_holds_up_no_other(world: WorkWorld) -> None:
    """Dispatch asks for kinds that can be granted: a credit is not spent on one that is only held."""
    await world.create()
    await restored(world)
    assert [] == await world.store.read(dispatch.waiting_kinds, WORKSPACE)
