"""Resume and the sweeps: what the hub concludes when it does not hear (core.md D8, D9, D10)."""

import pytest

from agent.wire.messages import Query, Start, Stop
from agent.wire.words import Outcome, Reason, StopCause, TaskState
from hub.domain.waiting import WaitingCode
from hub.services import executions, runners, tasks, waiting
from hub.services.sweeps import Sweeper, Times
from tests.support.work_world import (
    HUB_ID,
    OTHER_RUNNER,
    RUNNER,
    WORKSPACE,
    PlayedSession,
    WorkWorld,
    answers,
    exited,
    final,
    held,
    report,
    started,
    stop,
)

ANA = "token:ana"
DAY_S = 24 * 3600


def sweeper(world: WorkWorld) -> Sweeper:
    return Sweeper(world.store, world.sessions, world.clock, HUB_ID, Times(sweep_s=5.0, output_grace_s=600.0))


async def granted(world: WorkWorld) -> tuple[str, PlayedSession, Start]:
    """A task whose order is out and not answered."""
    session = await world.connect()
    world.offer(session)
    task = await world.create()
    return task.id, session, world.started_order(session)


# --- valid absence ---


async def test_an_order_that_the_home_does_not_hold_never_started(world: WorkWorld) -> None:
    """D8: a complete resume of a later epoch, from the permit's home, lacks it: granted again, not counted."""
    task_id, session, _ = await granted(world)
    await world.disconnect(session)
    again = await world.connect()
    assert TaskState.QUEUED == (await world.show(task_id)).state
    world.offer(again)
    assert await world.grant() is not None
    assert 2 == world.started_order(again).fence


async def test_a_home_that_forgot_the_epoch_proves_no_absence(world: WorkWorld) -> None:
    """D8: … whose hello names an epoch >= the permit's; a restored home does not."""
    task_id, session, _ = await granted(world)
    await world.disconnect(session)
    await world.connect(last_epoch=0)
    assert TaskState.RUNNING == (await world.show(task_id)).state


async def test_another_home_proves_no_absence(world: WorkWorld) -> None:
    task_id, session, _ = await granted(world)
    await world.disconnect(session)
    await world.connect(OTHER_RUNNER)
    assert TaskState.RUNNING == (await world.show(task_id)).state


async def test_a_held_order_goes_on(world: WorkWorld) -> None:
    """R4: adopted from resume, no second dispatch."""
    task_id, session, start = await granted(world)
    await world.disconnect(session)
    again = await world.connect(RUNNER, held(start, verdict="none", last_fact=0))
    assert ("continue", 0) == (answers(again)[start.execution_id].action, answers(again)[start.execution_id].fact)
    await world.say(again, start, started(), report(), exited(0), final())
    assert Outcome.SUCCEEDED == (await world.show(task_id)).outcome


async def test_an_absent_order_of_a_canceled_task_settles_it(world: WorkWorld) -> None:
    """§4: void and cancel asked: `canceled`."""
    task_id, session, _ = await granted(world)
    await world.disconnect(session)
    await world.store.write(tasks.cancel, WORKSPACE, task_id, ANA)
    await world.connect()
    assert Outcome.CANCELED == (await world.show(task_id)).outcome


async def test_a_started_execution_that_is_not_held_any_more_is_lost(world: WorkWorld) -> None:
    task, session, start = await world.running()
    await world.say(session, start, report(), first=2)
    await world.disconnect(session)
    await world.connect()
    settled = await world.show(task)
    assert (Outcome.SUCCEEDED, Reason.EXIT_UNSEEN) == (settled.outcome, settled.reason)


async def test_an_ended_execution_that_is_not_held_any_more_settles_by_its_exit(world: WorkWorld) -> None:
    task, session, start = await world.running()
    await world.say(session, start, report(), exited(0), first=2)
    await world.disconnect(session)
    await world.connect()
    settled = await world.show(task)
    assert (Outcome.SUCCEEDED, None) == (settled.outcome, settled.reason)


async def test_a_stranger_is_stopped_and_evented(world: WorkWorld) -> None:
    """D6: cancel of an unknown execution makes a durable void."""
    _, session, start = await granted(world)
    stranger = held(start).model_copy(update={"execution_id": "exe_" + "9" * 32})
    await world.disconnect(session)
    again = await world.connect(RUNNER, stranger, held(start))
    assert "stop" == answers(again)[stranger.execution_id].action
    assert 1 == len(await world.rows("events", kind="runner.holds_stranger"))


async def test_what_has_settled_is_forgotten_or_fetched(world: WorkWorld) -> None:
    _, session, start = await world.running()
    await world.say(session, start, report(), exited(0), final(), first=2)
    await world.disconnect(session)
    again = await world.connect(RUNNER, held(start, last_fact=4, ended=True))
    assert "forget" == answers(again)[start.execution_id].action


async def test_a_stop_that_was_asked_meanwhile_is_answered(world: WorkWorld) -> None:
    task, session, start = await world.running()
    await world.disconnect(session)
    await world.store.write(tasks.kill, WORKSPACE, task.id, ANA)
    again = await world.connect(RUNNER, held(start))
    answer = answers(again)[start.execution_id]
    assert answer.stop is not None
    assert ("stop", StopCause.KILL) == (answer.action, answer.stop.cause)


# --- D9 in time ---


async def test_an_unanswered_order_is_asked_for_then_its_session_closed(world: WorkWorld) -> None:
    """D9: `Query` after 5 s; unanswered 60 s: close the session, resume decides."""
    task_id, session, _ = await granted(world)
    sweep = sweeper(world)
    await sweep.sweep()
    assert not any(isinstance(message, Query) for message in session.sent)
    world.clock.advance(5)
    await sweep.sweep()
    await sweep.sweep()
    assert 1 == sum(isinstance(message, Query) for message in session.sent)
    world.clock.advance(55)
    await sweep.sweep()
    assert "unanswered" == session.closed[0][0]
    assert TaskState.RUNNING == (await world.show(task_id)).state


async def test_a_stop_without_a_fact_is_sent_again_then_the_session_closed(world: WorkWorld) -> None:
    task, session, start = await world.running()
    sweep = sweeper(world)
    await world.store.write(tasks.cancel, WORKSPACE, task.id, ANA)
    await sweep.sweep()
    world.clock.advance(30)
    await sweep.sweep()
    assert 2 == sum(isinstance(message, Stop) for message in session.sent)
    await sweep.sweep()
    assert [] == session.closed
    world.clock.advance(30)
    await sweep.sweep()
    assert 1 == len(session.closed)
    await world.say(session, start, stop(), first=2)
    world.clock.advance(60)
    await sweep.sweep()
    assert 1 == len(session.closed), "a fact has answered"


@pytest.mark.parametrize(
    ("reported", "canceled", "outcome"),
    [(True, True, "succeeded: exit_unseen"), (False, True, "canceled: None"), (False, False, "lost: link_lost")],
)
async def test_a_kept_bot_is_given_up_after_a_day(
    world: WorkWorld, *, reported: bool, canceled: bool, outcome: str
) -> None:
    """D9, P7: `keep`: `lost` 24 h after `unreachable_since`, no retry; never elsewhere meanwhile; fence + 1."""
    task, session, start = await world.running()
    if reported:
        await world.say(session, start, report(), first=2)
    await world.disconnect(session)
    if canceled:
        await world.store.write(tasks.cancel, WORKSPACE, task.id, ANA)
    sweep = sweeper(world)
    await sweep.sweep()
    world.clock.advance(119)
    await sweep.sweep()
    assert [] == await world.rows("alerts", kind=runners.UNREACHABLE), "P7: after two minutes"
    world.clock.advance(DAY_S - 179)
    await sweep.sweep()
    assert TaskState.RUNNING == (await world.show(task)).state
    assert 1 == len(await world.rows("alerts", kind=runners.UNREACHABLE))
    world.clock.advance(120)
    await sweep.sweep()
    settled = await world.show(task)
    assert f"{settled.outcome}: {settled.reason}" == outcome
    assert 2 == settled.fence


@pytest.mark.parametrize("jump_s", [DAY_S, -DAY_S])
async def test_a_clock_that_is_set_moves_no_limit(world: WorkWorld, jump_s: float) -> None:
    """R38: the hub's clock is set by a day while a runner is gone: nothing is lost sooner, or later."""
    task, session, _ = await world.running()
    await world.disconnect(session)
    sweep = sweeper(world)
    await sweep.sweep()
    world.clock.jump(jump_s)
    world.clock.advance(DAY_S - 60)
    await sweep.sweep()
    assert TaskState.RUNNING == (await world.show(task)).state
    world.clock.advance(61)
    await sweep.sweep()
    assert Outcome.LOST == (await world.show(task)).outcome


async def test_a_clock_that_is_set_makes_no_order_late(world: WorkWorld) -> None:
    """R38: the hub's clock is set a day ahead (or back) while an order is out: it is asked for in time, no sooner."""
    _, session, _ = await granted(world)
    sweep = sweeper(world)
    await sweep.sweep()
    world.clock.jump(DAY_S)
    world.clock.advance(4)
    await sweep.sweep()
    assert ([], 0) == (session.closed, sum(isinstance(message, Query) for message in session.sent))
    world.clock.jump(-2 * DAY_S)
    world.clock.advance(1)
    await sweep.sweep()
    assert 1 == sum(isinstance(message, Query) for message in session.sent)


async def test_an_order_of_before_a_long_absence_is_not_late_at_once(world: WorkWorld) -> None:
    """D9: `unanswered 60 s` counts in this session: a runner that comes back gets the time to tell what it holds."""
    await granted(world)
    sweep = sweeper(world)
    await world.disconnect(world.sessions.by_runner[RUNNER])
    await sweep.sweep()
    world.clock.advance(3600)
    await sweep.sweep()
    session, _ = await world.open()
    await sweep.sweep()
    assert [] == session.closed


async def test_a_lost_bot_that_comes_back_ends_in_its_own_time(world: WorkWorld) -> None:
    """§4: a `keep` bot that comes back after `lost` with no newer round: into late reports; else stop."""
    task, session, start = await world.running()
    await world.disconnect(session)
    world.clock.advance(DAY_S + 60)
    await sweeper(world).sweep()
    again = await world.connect(RUNNER, held(start))
    assert "continue" == answers(again)[start.execution_id].action
    await world.say(again, start, report(), exited(0), final(), first=2)
    assert Outcome.LOST == (await world.show(task)).outcome
    assert 1 == len(await world.rows("late_reports"))
    await world.store.write(tasks.restart, WORKSPACE, task.id, ANA)
    third = await world.connect(RUNNER, held(start))
    assert "forget" == answers(third)[start.execution_id].action


async def test_a_dead_mans_switch_is_counted_by_the_hub_from_its_last_heartbeat(world: WorkWorld) -> None:
    """D10: `stop`: a suspend-counting clock of the hub from its last heartbeat receipt; not the stored time."""
    await world.automation(on_disconnect="stop", lost_after_s=600)
    task, session, _ = await world.running()
    await world.disconnect(session)
    world.clock.advance(DAY_S)
    world.sessions.silence_s[RUNNER] = 599
    sweep = sweeper(world)
    await sweep.sweep()
    assert TaskState.RUNNING == (await world.show(task)).state
    world.sessions.silence_s[RUNNER] = 600
    await sweep.sweep()
    assert Outcome.LOST == (await world.show(task)).outcome


async def test_nothing_is_lost_whose_runner_came_back_first(world: WorkWorld) -> None:
    """D8: the sweep's view is checked again in the transaction."""
    task, session, start = await world.running()
    await world.disconnect(session)
    await world.connect(RUNNER, held(start))
    assert not await world.store.write(executions.lose, WORKSPACE, start.execution_id, "too late", None)
    assert TaskState.RUNNING == (await world.show(task)).state


async def test_a_revoked_runners_bots_are_lost_at_once(world: WorkWorld) -> None:
    task, session, _ = await world.running()
    await world.store.write(runners.revoke, WORKSPACE, RUNNER, ANA)
    assert Outcome.LOST == (await world.show(task)).outcome
    assert [("revoked", "revoked")] == session.closed


async def test_a_bot_that_had_ended_is_not_lost_with_its_runner(world: WorkWorld) -> None:
    """D9: ended: settle (§4); only what may still be running is lost at once."""
    task, session, start = await world.running()
    await world.say(session, start, report(), exited(), first=2)
    await world.store.write(runners.revoke, WORKSPACE, RUNNER, ANA)
    settled = await world.show(task)
    assert (Outcome.SUCCEEDED, None, 0) == (settled.outcome, settled.reason, settled.exit_code)


async def test_a_hub_that_starts_ends_the_sessions_of_its_last_life(world: WorkWorld) -> None:
    """R3: never a clock: the runner's next resume decides."""
    task, _, start = await world.running()
    assert 1 == await world.store.write(runners.close_sessions_of, HUB_ID)
    shown = await world.store.read(runners.show, WORKSPACE, RUNNER)
    assert "unreachable" == shown.state
    assert TaskState.RUNNING == (await world.show(task)).state
    again = await world.connect(RUNNER, held(start))
    assert "continue" == answers(again)[start.execution_id].action


async def test_a_task_says_that_its_runner_is_gone(world: WorkWorld) -> None:
    task_id, session, _ = await granted(world)
    await world.disconnect(session)
    world.clock.advance(40)
    reasons = await world.store.read(waiting.why, WORKSPACE, task_id, world.book.offers(WORKSPACE))
    assert [WaitingCode.UNREACHABLE] == [reason.code for reason in reasons]
    assert "vm1" in reasons[0].message
