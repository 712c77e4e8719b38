"""From a request to a true final status, through the services (design.md §3)."""

from agent.wire.messages import FactAck, Forget, Start
from agent.wire.words import Outcome, OutputState, Reason, TaskState
from tests.support.work_world import BUILD, RUNNER, WorkWorld, exited, final, report, started


async def test_a_task_is_granted_in_the_commit_that_makes_it(world: WorkWorld) -> None:
    """design.md §3, 2: a fit runner, prepared, with a fresh credit: one commit, and `Start` leaves as its effect."""
    session = await world.connect()
    world.offer(session)
    task = await world.create(priority=7)
    start = world.started_order(session)
    assert TaskState.RUNNING == task.state
    assert (task.id, 1, 7) == (start.task_id, start.fence, start.work.task.priority)
    assert (session.epoch, 0, 1) == (start.permit.epoch, start.permit.slot, start.permit.generation)
    assert (BUILD, "vm1", "acme") == (start.work.build.build_id, start.work.task.runner, start.work.task.workspace)


async def test_a_bot_that_reports_success_settles_as_reported(world: WorkWorld) -> None:
    """core.md §4: BotCity kinds, report: as reported; the settlement comes with `final`, then the runner forgets."""
    task, session, start = await world.running()
    await world.say(session, start, report(), first=2)
    assert TaskState.RUNNING == (await world.show(task)).state, "running (reported) until it has ended"
    await world.say(session, start, exited(7), final(), first=3)
    settled = await world.show(task)
    assert (TaskState.FINISHED, Outcome.SUCCEEDED) == (settled.state, settled.outcome)
    assert settled.totals is not None
    assert (2, 7, "done") == (settled.totals.total, settled.exit_code, settled.message)
    assert OutputState.COMPLETE == settled.output.state
    assert RUNNER == settled.runner_id
    assert isinstance(session.sent[-1], Forget)


async def test_a_bot_without_a_report_fails_for_that(world: WorkWorld) -> None:
    task, session, start = await world.running()
    await world.say(session, start, exited(0), final(), first=2)
    settled = await world.show(task)
    assert (Outcome.FAILED, Reason.NO_REPORT) == (settled.outcome, settled.reason)


async def test_facts_are_acknowledged_once_committed_and_repeats_again(world: WorkWorld) -> None:
    """G1 and P3: acks are cumulative and follow the commit; a duplicate is acknowledged again and changes nothing."""
    _, session, start = await world.running()
    await world.say(session, start, started(), report(), first=1)
    await world.say(session, start, started(), report(), first=1)
    acked = [message.seq for message in session.sent if isinstance(message, FactAck)]
    assert [1, 2, 2] == acked
    assert 2 == len(await world.rows("facts", execution_id=start.execution_id))


async def test_a_task_waits_for_a_credit_and_the_loop_grants_it(world: WorkWorld) -> None:
    task = await world.create()
    assert TaskState.QUEUED == task.state
    session = await world.connect()
    world.offer(session)
    granted = await world.grant()
    assert granted is not None
    assert task.id == granted.task_id
    assert isinstance(session.sent[-1], Start)


async def test_every_change_is_in_the_story_of_the_task(world: WorkWorld) -> None:
    """design.md §4: every change writes one event row in the same transaction."""
    task, session, start = await world.running()
    await world.say(session, start, report(), exited(0), final(), first=2)
    kinds = [row["kind"] for row in await world.rows("events", task_id=task.id)]
    assert [
        "task.created",
        "execution.granted",
        "execution.running",
        "task.reported",
        "execution.ending",
        "execution.settled",
        "task.settled",
    ] == kinds
