"""A runner whose machine fails again and again gets no work, says why, and comes back when somebody says so."""

import pytest

from agent.wire.facts import ExitFact, FactBody
from agent.wire.words import ExitKind, Outcome, TaskState
from hub.errors import Conflict
from hub.services import quarantine, runners, waiting
from hub.services.failing_runners import FailingRunners
from hub.services.loops import Dispatcher
from hub.services.runners import RunnerState
from tests.support.work_world import RUNNER, WORKSPACE, PlayedSession, WorkWorld, exited, final, report, started

ANA = "token:ana"
THRESHOLD = 3


def killed() -> ExitFact:
    """The shim was killed: nobody saw how the bot ended."""
    return ExitFact(at=exited().at, how=ExitKind.SUPERVISOR_LOST)


async def one(world: WorkWorld, session: PlayedSession, *how: FactBody) -> None:
    """One task runs there and ends so."""
    world.clock.advance(1)
    world.offer(session)
    task = await world.create()
    start = world.started_order(session)
    assert start.task_id == task.id
    await world.say(session, start, started(), *(how or (killed(),)), final())


async def looked(world: WorkWorld) -> int:
    return await world.store.write(quarantine.bench, THRESHOLD)


async def failing(world: WorkWorld) -> PlayedSession:
    """A runner that has failed too often, and is kept from work."""
    session = await world.connect()
    for _ in range(THRESHOLD):
        await one(world, session)
    assert 1 == await looked(world)
    return session


async def test_failures_of_the_machine_in_a_row_end_its_work(world: WorkWorld) -> None:
    """The loop is woken by the failure; the runner says why and since when; an alert and an event tell."""
    session = await world.connect()
    for number in range(THRESHOLD):
        assert 0 == await looked(world), number
        await world.signals.failing.collect(0.0)
        await one(world, session)
        assert (f"{WORKSPACE}/{RUNNER}",) == await world.signals.failing.collect(0.0)
    assert 1 == await looked(world)
    shown = await world.store.read(runners.show, WORKSPACE, RUNNER)
    assert (RunnerState.QUARANTINED, False, world.clock.now()) == (shown.state, shown.is_copied, shown.quarantined_at)
    assert "3 executions in a row failed by its machine's fault" in str(shown.quarantine_reason)
    assert 1 == len(await world.rows("alerts", kind="runner_failing", resolved_at=None))
    assert 1 == len(await world.rows("events", kind="runner.quarantined"))
    world.offer(session)
    task = await world.create()
    await Dispatcher(world.store, world.book, world.signals, sweep_s=5.0).serve(WORKSPACE)
    assert TaskState.QUEUED == (await world.show(task)).state
    reasons = await world.store.read(waiting.why, WORKSPACE, task.id, world.book.offers(WORKSPACE))
    told = [reason for reason in reasons if "quarantined: 3 executions" in reason.message]
    assert ["botyard runner resume vm1."] == [reason.remedy for reason in told]
    assert 0 == await looked(world), "once"


async def test_a_success_ends_the_row_and_a_bots_own_failure_does_not(world: WorkWorld) -> None:
    session = await world.connect()
    await one(world, session)
    await one(world, session)
    await one(world, session, exited(1))
    (row,) = await world.rows("runners", id=RUNNER)
    assert 2 == row["failed_in_a_row"]
    await one(world, session, report(), exited(0))
    (row,) = await world.rows("runners", id=RUNNER)
    assert (0, None) == (row["failed_in_a_row"], row["failing"])
    await one(world, session)
    assert 0 == await looked(world)


async def test_it_survives_restarts_and_a_new_session(world: WorkWorld) -> None:
    """It stands in the row: who comes back is kept from work from the first moment."""
    await failing(world)
    again = await world.connect()
    world.offer(again)
    assert TaskState.QUEUED == (await world.create()).state


async def test_resume_ends_it_and_counts_anew(world: WorkWorld) -> None:
    session = await failing(world)
    shown = await world.store.write(lambda tx: runners.drain(tx, WORKSPACE, RUNNER, ANA, on=False))
    assert (RunnerState.CONNECTED, None, None) == (shown.state, shown.quarantined_at, shown.quarantine_reason)
    assert [] == await world.rows("alerts", kind="runner_failing", resolved_at=None)
    await one(world, session)
    assert 0 == await looked(world)


async def test_resume_does_not_end_the_quarantine_of_a_copy(world: WorkWorld) -> None:
    """D8: later counters do not cure it, and no verb of an operator does."""
    await failing(world)
    await world.store.write(runners.quarantine, WORKSPACE, RUNNER, "its join counter did not grow")
    with pytest.raises(Conflict, match="enroll --again"):
        await world.store.write(lambda tx: runners.drain(tx, WORKSPACE, RUNNER, ANA, on=False))
    shown = await world.store.read(runners.show, WORKSPACE, RUNNER)
    assert (RunnerState.QUARANTINED, True) == (shown.state, shown.is_copied)


async def test_a_hub_that_died_before_it_looked_looks_at_its_start(world: WorkWorld) -> None:
    """The count is written with the settlement: the wake is only a hint."""
    session = await world.connect()
    for _ in range(5):
        await one(world, session)
    world.signals.failing.ring("missed")
    await FailingRunners(world.store, world.signals, 5)._step()
    assert RunnerState.QUARANTINED == (await world.store.read(runners.show, WORKSPACE, RUNNER)).state


async def test_what_it_runs_goes_on_and_its_success_does_not_bring_it_back(world: WorkWorld) -> None:
    """Bots are left alone; only a person ends it."""
    session = await world.connect()
    world.offer(session, 1)
    running = await world.create()
    start = world.started_order(session)
    await world.say(session, start, started())
    for _ in range(THRESHOLD):
        await one(world, session)
    await looked(world)
    await world.say(session, start, report(), exited(0), final(), first=2)
    assert Outcome.SUCCEEDED == (await world.show(running)).outcome
    assert RunnerState.QUARANTINED == (await world.store.read(runners.show, WORKSPACE, RUNNER)).state
