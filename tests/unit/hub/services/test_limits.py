"""Limits on their way: from the automation into the order, changed while a bot runs, said again; and long waits."""

import pytest

from agent.wire.messages import SetLimits
from agent.wire.task import Ladder, Limits
from hub.domain.retry import RetryPolicy
from hub.errors import BotyardError, Conflict, Invalid
from hub.services import limits, tasks
from hub.services.long_waits import AFTER, LongWaits
from tests.support.work_world import RUNNER, WORKSPACE, PlayedSession, WorkWorld, exited, final, held

ANA = "token:ana"


async def change(world: WorkWorld, task_id: str, **said: object) -> None:
    """What the API does."""
    await world.store.write(limits.change, WORKSPACE, task_id, said, ANA)


def told(session: PlayedSession) -> list[Limits]:
    """The limits that a runner was told, in order."""
    return [message.limits for message in session.sent if isinstance(message, SetLimits)]


async def test_an_order_carries_its_automations_limits(world: WorkWorld) -> None:
    """Run limit 24 h and nothing else unless the automation says otherwise (core.md §4, clocks)."""
    _, session, start = await world.running()
    assert start.work.limits == Limits()
    await world.say(session, start, exited(), final(), first=2)
    await world.automation(run_limit_s=None, limits={"memory_bytes": 2**30, "ladder": {"kill_after_s": 1.0}})
    await world.automation(limits={"no_progress_s": 60.0})
    world.offer(session)
    await world.create()
    assert world.started_order(session).work.limits == Limits(
        run_limit_s=None, memory_bytes=2**30, no_progress_s=60, ladder=Ladder(kill_after_s=1)
    )


async def test_a_running_bots_limits_change_at_once(world: WorkWorld) -> None:
    """Stored, told, evented once: who, from, to; the same again changes nothing."""
    task, session, start = await world.running()
    await change(world, task.id, run_limit_s=7200.0, memory_bytes=2**30)
    await change(world, task.id, run_limit_s=7200.0)
    assert told(session) == [Limits(run_limit_s=7200, memory_bytes=2**30)]
    assert (await world.show(task)).limits == Limits(run_limit_s=7200, memory_bytes=2**30)
    (event,) = await world.rows("events", kind="task.limits_changed")
    assert (event["actor"], event["execution_id"]) == (ANA, start.execution_id)
    assert event["data"] == {
        "from": {"run_limit_s": 86400.0, "memory_bytes": None},
        "to": {"run_limit_s": 7200.0, "memory_bytes": 2**30},
    }


async def test_a_lost_change_is_said_again(world: WorkWorld) -> None:
    """A message may be lost: the row says what should be, and a resume repeats it."""
    task, session, start = await world.running()
    await world.disconnect(session)
    await change(world, task.id, no_progress_s=60.0)
    assert told(session) == []
    again = await world.connect(RUNNER, held(start))
    assert told(again) == [Limits(no_progress_s=60)]
    # One that nobody changed is not spoken of.
    await world.say(again, start, exited(), final(), first=2)
    world.offer(again)
    await world.create()
    later = await world.connect(RUNNER, held(world.started_order(again)))
    assert told(later) == []


async def test_a_later_attempt_has_its_automations_limits(world: WorkWorld) -> None:
    """A change is for the attempt that runs."""
    await world.automation(retry=RetryPolicy(attempts=2))
    task, session, start = await world.running()
    await change(world, task.id, processes=50)
    await world.say(session, start, exited(7), final(), first=2)
    world.offer(session)
    assert await world.grant() is not None
    assert world.started_order(session).work.limits == Limits()
    assert (await world.show(task)).limits == Limits()


async def test_no_limit_of_what_does_not_run(world: WorkWorld) -> None:
    """Refused by a sentence: waiting, finished; and bad values, all at once."""
    queued = await world.create()
    with pytest.raises(Conflict, match="is queued: it will start with the limits of its automation"):
        await change(world, queued.id, processes=5)
    await world.store.write(tasks.cancel, WORKSPACE, queued.id, ANA)
    with pytest.raises(Conflict, match=r"has finished \(canceled\)"):
        await change(world, queued.id, processes=5)
    with pytest.raises(BotyardError, match="There is no task"):
        await change(world, "tsk_none", processes=5)
    task, session, _ = await world.running()
    with pytest.raises(Invalid) as fault:
        await change(world, task.id, processes=0, memory_bytes=1)
    assert ["memory_bytes", "processes"] == [one["field"] for one in fault.value.details["errors"]]
    assert told(session) == []
    assert await world.rows("events", kind="task.limits_changed") == []


async def test_a_long_wait_is_told_once(world: WorkWorld) -> None:
    """No start deadline; an alert and an event after 15 min of waiting, once (core.md §4, clocks)."""
    waits = LongWaits(world.store)
    task = await world.create()
    world.clock.advance(AFTER.total_seconds() - 1)
    await waits.look()
    assert await world.rows("alerts", kind="task_waiting_long") == []
    world.clock.advance(2)
    await waits.look()
    await waits.look()
    (alert,) = await world.rows("alerts", kind="task_waiting_long")
    (event,) = await world.rows("events", kind="task.waiting_long")
    assert (alert["subject"], event["subject"]) == (task.id, task.id)
    assert f"botyard task why {task.number}" in alert["message"]
    # It is past when the task runs.
    session = await world.connect()
    world.offer(session)
    assert await world.grant() is not None
    await waits.look()
    (alert,) = await world.rows("alerts", kind="task_waiting_long")
    assert alert["resolved_at"] is not None
    assert len(await world.rows("events", kind="task.waiting_long")) == 1


async def test_a_task_that_runs_for_long_does_not_wait(world: WorkWorld) -> None:
    """Only queued ones do."""
    await world.running()
    world.clock.advance(AFTER.total_seconds() * 2)
    await LongWaits(world.store).look()
    assert await world.rows("alerts", kind="task_waiting_long") == []
