"""The story of a task on both engines, from rows and the feed as services write them."""

from functools import partial

from agent.wire.facts import StartedFact
from agent.wire.words import ExecutionState, TaskState
from hub.domain.timeline import Moment
from hub.services import timelines
from hub.storage import feed
from hub.storage.transaction import Transaction
from tests.support.waiting import eventually
from tests.support.work_world import WORKSPACE, WorkWorld, exited
from tests.unit.hub.services.test_conditions import define, desktop, dispatched, tell


async def story(world: WorkWorld, task_id: str) -> list[Moment]:
    """PostgreSQL's events have their places a moment later."""
    await eventually(partial(world.store.read, _all_have_places), saying="every event has its place")
    return list(await world.store.read(timelines.show, WORKSPACE, task_id, world.book.offers(WORKSPACE)))


def _all_have_places(tx: Transaction) -> bool:
    return not feed.is_any_waiting(tx.connection)


def told(moments: list[Moment], step: str) -> list[tuple[float | None, str]]:
    return [(one.lasted_s, one.text) for one in moments if one.step == step]


async def test_a_locked_desktop_is_the_reason_of_the_wait_and_of_the_failure(world: WorkWorld) -> None:
    """What has gone stands in the event that tells its end; the run's own is told while it runs."""
    await define(world)
    session = await world.connect(slots=1)
    await tell(world, session, desktop(world, "locked"))
    world.offer(session)
    world.clock.advance(5)
    task = await world.create("screen")
    assert TaskState.QUEUED == task.state
    world.clock.advance(20)
    await tell(world, session, desktop(world))
    await dispatched(world)
    order = world.started_order(session)
    assert [(20.0, "for vm1 to be fit: its desktop :0 is locked")] == told(await story(world, task.id), "waited")

    await world.say(session, order, StartedFact(at=world.clock.now()))
    world.clock.advance(10)
    await tell(world, session, desktop(world, "gone"))
    unfit = [text for _, text in told(await story(world, task.id), "unfit")]
    assert ["the desktop of slot 0 (:0) was lost while it ran: gone"] == unfit


async def test_a_wait_ends_where_another_task_leaves_the_slot_or_has_no_reason(world: WorkWorld) -> None:
    """A limit leaves no trace, so nothing is said; nobody's slot is blamed for it."""
    _, session, order = await world.running()
    waiting = await world.create()
    world.clock.advance(20)
    await world.say(session, order, exited(), first=2)
    assert ExecutionState.ENDING == (await world.rows("executions", id=order.execution_id))[0]["state"]
    world.clock.advance(0.5)
    world.offer(session)
    assert await world.grant()
    assert [(20.5, "until task 1 left slot 0 of vm1")] == told(await story(world, waiting.id), "waited")

    limited = await world.create()
    world.clock.advance(60)
    world.offer(session, 1)
    assert await world.grant()
    assert [(60.0, "")] == told(await story(world, limited.id), "waited")
