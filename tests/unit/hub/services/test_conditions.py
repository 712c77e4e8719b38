"""Conditions on both engines: kept, told, dropped when late; work goes by them and resumes by itself."""

from datetime import timedelta
from functools import partial
from typing import Any

import pytest
import sqlalchemy as sa

from agent.wire.condition import Condition, ConditionFault, DesktopKind, DesktopState, FaultCode
from agent.wire.words import DesktopNeed, TaskState
from hub.domain.automation import Definition
from hub.domain.desktop_wish import DesktopWish
from hub.domain.waiting import WaitingCode, WaitingReason
from hub.services import automations, build_progress, conditions, preparations, runners, waiting
from hub.services.loops import Dispatcher
from hub.storage import events, feed, tables
from hub.storage.events import EventFilter
from hub.storage.transaction import Done, Transaction
from tests.support.waiting import eventually
from tests.support.work_world import ADMIN, BUILD, OTHER_RUNNER, RUNNER, WORKSPACE, PlayedSession, WorkWorld, key_of

NEEDS_DESKTOP = DesktopWish(desktop=DesktopNeed.REQUIRED, size="1920x1080")


def desktop(world: WorkWorld, *wrong: str, slot: int = 0, size: tuple[int, int] = (1920, 1080)) -> DesktopState:
    now = world.clock.now()
    faults = [ConditionFault(code=FaultCode(one), message=one, remedy=f"end {one}.", since=now) for one in wrong]
    width, height = size
    own = {"slot": slot, "kind": DesktopKind.X11, "name": f":{slot}", "width": width, "height": height}
    return DesktopState.model_validate({**own, "faults": faults})


async def tell(world: WorkWorld, session: PlayedSession, *desktops: DesktopState, **members: Any) -> bool:
    """What a session does with a message: the book first, then the store."""
    told = Condition(desktops=desktops, **members)
    if world.book.told(session.runner_id, session.epoch, told):
        world.signals.dispatch.ring(WORKSPACE)
    return await world.store.write(conditions.record, key_of(session), told)


async def define(world: WorkWorld, label: str = "screen", wish: DesktopWish = NEEDS_DESKTOP) -> str:
    await world.store.write(automations.create, ADMIN, Definition(label=label, bot="invoices", on_screen=wish))
    return label


async def dispatched(world: WorkWorld) -> None:
    if WORKSPACE in await world.signals.dispatch.collect(0):
        await Dispatcher(world.store, world.book, world.signals, 5.0).serve(WORKSPACE)


async def why(world: WorkWorld, task_id: str) -> list[WaitingReason]:
    return list(await world.store.read(waiting.why, WORKSPACE, task_id, world.book.offers(WORKSPACE)))


async def told_events(world: WorkWorld) -> list[tuple[str, list[str]]]:
    """Kinds of fitness, with the codes that they name; PostgreSQL's events have their places a moment later."""
    await eventually(partial(world.store.read, _all_have_places), saying="every event has its place")
    found = await world.store.read(events.page, WORKSPACE, EventFilter(kind="runner", limit=1000))
    fitness = [one for one in found if one.kind in {"runner.fit", "runner.unfit"}]
    return [(one.kind, [fault["code"] for fault in (one.data or {})["faults"]]) for one in fitness]


def _all_have_places(tx: Transaction) -> bool:
    return not feed.is_any_waiting(tx.connection)


async def test_a_locked_desktop_gets_no_work_that_needs_it_and_its_mend_starts_it(world: WorkWorld) -> None:
    """7: 0 tasks are started on an unfit desktop; what waits says which, since when, and what ends it."""
    await define(world)
    session = await world.connect(slots=1)
    await tell(world, session, desktop(world, "locked"))
    since = world.clock.now()
    world.offer(session)
    task = await world.create("screen")
    assert TaskState.QUEUED == task.state
    (reason,) = await why(world, task.id)
    assert (WaitingCode.UNFIT, FaultCode.LOCKED, "vm1") == (reason.code, reason.fault, reason.runner)
    assert f"vm1: its desktop :0 is locked since {since:%H:%M} UTC." == reason.message
    assert ("end locked.", max(since, task.created_at)) == (reason.remedy, reason.since)

    plain = await world.create()
    assert TaskState.RUNNING == plain.state, "who needs no desktop goes on in that slot"
    world.book.slot_busy(RUNNER, session.epoch, 0, 9)
    world.offer(session)
    await tell(world, session, desktop(world))
    await dispatched(world)
    assert TaskState.RUNNING == (await world.show(task)).state
    assert [("runner.unfit", ["locked"]), ("runner.fit", [])] == await told_events(world)


async def test_the_order_says_what_the_bot_gets(world: WorkWorld) -> None:
    """Work carries the need, so that the runner can look once more."""
    await define(world, wish=DesktopWish(desktop=DesktopNeed.REQUIRED, record=True, failure_screenshot=False))
    session = await world.connect()
    await tell(world, session, desktop(world))
    world.offer(session)
    await world.create("screen")
    work = world.started_order(session).work
    assert (DesktopNeed.REQUIRED, "", True, False) == (
        work.desktop,
        work.desktop_size,
        work.record,
        work.failure_screenshot,
    )


async def test_a_task_that_waits_keeps_the_desktop_that_it_was_asked_with(world: WorkWorld) -> None:
    """An edit meanwhile is for the next one: else an order would say what its slot does not have, for ever."""
    session = await world.connect()
    old = await world.create()
    await world.automation(on_screen={"desktop": DesktopNeed.REQUIRED, "size": "1920x1080"})
    world.offer(session)
    await world.grant()
    order = world.started_order(session)
    assert (old.id, DesktopNeed.ANY, "") == (order.task_id, order.work.desktop, order.work.desktop_size)


@pytest.mark.parametrize(("size", "fits"), [((1920, 1080), True), ((1280, 720), False)])
async def test_only_the_size_that_is_asked_for(world: WorkWorld, size: tuple[int, int], fits: bool) -> None:
    await define(world)
    session = await world.connect()
    await tell(world, session, desktop(world, size=size))
    world.offer(session)
    task = await world.create("screen")
    assert fits == (task.state is TaskState.RUNNING)
    if not fits:
        (reason,) = await why(world, task.id)
        assert WaitingCode.NO_RUNNER == reason.code
        assert "No runner has a desktop of 1920x1080. vm1 lacks only a desktop of 1920x1080 (it has 1280x720)." == (
            reason.message
        )
        assert "--desktop-size any" in reason.remedy


async def test_background_bots_leave_desktops_to_those_that_need_them(world: WorkWorld) -> None:
    """A slot without a desktop first, whichever comes first; the desktop's slot only where there is no other."""
    await define(world)
    session = await world.connect(slots=2)
    await tell(world, session, desktop(world, slot=0))
    world.offer(session, 0)
    world.offer(session, 1)
    await world.create()
    assert 1 == world.started_order(session).permit.slot
    task = await world.create("screen")
    assert (TaskState.RUNNING, 0) == (task.state, world.started_order(session).permit.slot)


async def test_both_kinds_that_waited_get_their_slots(world: WorkWorld) -> None:
    """The older one that needs nothing does not take the only desktop from the younger one that does."""
    await define(world)
    session = await world.connect(slots=2)
    plain, screen = await world.create(), await world.create("screen")
    await tell(world, session, desktop(world, slot=0))
    world.offer(session, 0)
    world.offer(session, 1)
    world.signals.dispatch.ring(WORKSPACE)
    await dispatched(world)
    assert [TaskState.RUNNING] * 2 == [(await world.show(one)).state for one in (plain, screen)]


@pytest.mark.parametrize("code", ["low_disk", "low_memory", "clock_off"])
async def test_a_fault_of_the_machine_keeps_all_work_away(world: WorkWorld, code: str) -> None:
    session = await world.connect()
    fault = ConditionFault(code=FaultCode(code), message="3 MB are free", since=world.clock.now())
    await tell(world, session, faults=[fault])
    world.offer(session)
    task = await world.create()
    (reason,) = await why(world, task.id)
    assert (TaskState.QUEUED, WaitingCode.UNFIT, code) == (task.state, reason.code, reason.fault)
    assert "vm1: 3 MB are free since" in reason.message
    await tell(world, session)
    await dispatched(world)
    assert TaskState.RUNNING == (await world.show(task)).state


async def test_an_application_that_is_missing_is_named(world: WorkWorld) -> None:
    await define(world, wish=DesktopWish(applications=("excel",)))
    session = await world.connect()
    await tell(world, session)
    world.offer(session)
    task = await world.create("screen")
    (reason,) = await why(world, task.id)
    assert (WaitingCode.NO_RUNNER, True) == (reason.code, "No runner has the application excel." in reason.message)
    gone = ConditionFault(
        code=FaultCode.APPLICATION_MISSING, message="no excel", since=world.clock.now(), application="excel"
    )
    await tell(world, session, faults=[gone])
    assert [(WaitingCode.UNFIT, "application_missing")] == [(one.code, one.fault) for one in await why(world, task.id)]
    await tell(world, session, applications=("excel",))
    await dispatched(world)
    assert TaskState.RUNNING == (await world.show(task)).state


async def test_builds_are_brought_to_a_locked_desktop(world: WorkWorld) -> None:
    """What is mended in an hour has its build by then; a runner without one gets none of it."""
    await define(world)
    await world.store.write(automations.edit, ADMIN, "invoices", {"on_screen": {"desktop": DesktopNeed.REQUIRED}})
    session = await world.connect()
    assert () == (await world.store.read(preparations.desired, WORKSPACE, RUNNER)).builds
    await world.signals.desired.collect(0)
    await tell(world, session, desktop(world, "locked"))
    assert [f"{WORKSPACE}/{RUNNER}"] == list(await world.signals.desired.collect(0))
    assert [BUILD] == [one.build_id for one in (await world.store.read(preparations.desired, WORKSPACE, RUNNER)).builds]
    assert 1 == (await world.store.read(build_progress.show, WORKSPACE, "invoices", BUILD)).fit_runners


async def test_twice_is_once_and_late_is_never(world: WorkWorld) -> None:
    """What an ended session still says changes nothing; the same again writes nothing and is no event."""
    old = await world.connect()
    assert await tell(world, old, desktop(world, "locked"))
    since = world.clock.now()
    world.clock.advance(60)
    assert not await tell(world, old, desktop(world, "locked")), "only since when differs"
    shown = await world.store.read(runners.show, WORKSPACE, RUNNER)
    assert (since, since) == (shown.condition_at, shown.condition.desktops[0].faults[0].since)  # type: ignore[union-attr]
    new = await world.connect()
    assert not await tell(world, new, desktop(world, "locked")), "a new session says it again"
    assert not await tell(world, old, desktop(world)), "of an old epoch"
    assert [("runner.unfit", ["locked"])] == await told_events(world)
    assert await tell(world, new, desktop(world))
    assert not await world.store.write(conditions.record, key_of(old), Condition(desktops=(desktop(world, "gone"),)))
    assert ["runner.unfit", "runner.fit"] == [kind for kind, _ in await told_events(world)]


async def test_what_was_told_last_stays_while_it_is_away_and_ends_with_its_version(world: WorkWorld) -> None:
    session = await world.connect()
    await tell(world, session, desktop(world, "locked"))
    await world.disconnect(session)
    gone = await world.store.read(runners.show, WORKSPACE, RUNNER)
    assert gone.condition is not None
    again, _ = await world.open(agent_version="another")
    assert (await world.store.read(runners.show, WORKSPACE, RUNNER)).condition is None
    assert await tell(world, again, desktop(world))


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ((), [("runner.unfit", ["locked"]), ("runner.fit", [])]),
        (("locked",), [("runner.unfit", ["locked"])]),
        (("gone",), [("runner.unfit", ["locked"]), ("runner.unfit", ["gone"])]),
    ],
)
async def test_who_was_told_that_it_is_unfit_hears_of_its_end_from_another_version_too(
    world: WorkWorld, wrong: tuple[str, ...], told: list[tuple[str, list[str]]]
) -> None:
    """An upgrade is no news by itself."""
    session = await world.connect()
    await tell(world, session, desktop(world, "locked"))
    await world.disconnect(session)
    again, _ = await world.open(agent_version="another")
    assert await tell(world, again, desktop(world, *wrong))
    assert told == await told_events(world)


async def test_a_task_that_failed_somewhere_goes_back_where_the_other_desktop_is_locked(world: WorkWorld) -> None:
    """A runner that could not start it is no other runner."""
    await define(world)
    session, other = await world.connect(), await world.connect(OTHER_RUNNER)
    await tell(world, session, desktop(world))
    await tell(world, other, desktop(world, "locked"))
    task = await world.create("screen")
    await world.store.write(_avoid, task.id, RUNNER)
    world.offer(session)
    world.signals.dispatch.ring(WORKSPACE)
    await dispatched(world)
    assert TaskState.RUNNING == (await world.show(task)).state


def _avoid(tx: Transaction, task_id: str, runner_id: str) -> Done[None]:
    table = tables.tasks
    tx.connection.execute(sa.update(table).where(table.c.id == task_id).values(avoid_runner_id=runner_id))
    return Done(None)


async def test_the_future_is_no_since(world: WorkWorld) -> None:
    """A clock that is a day off says so of itself."""
    session = await world.connect()
    late = ConditionFault(code=FaultCode.CLOCK_OFF, message="off", since=world.clock.now() + timedelta(days=1))
    await tell(world, session, faults=[late])
    shown = await world.store.read(runners.show, WORKSPACE, RUNNER)
    assert shown.condition is not None
    assert world.clock.now() == shown.condition.faults[0].since
