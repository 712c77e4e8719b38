"""A runner tells over a real socket how its desktop is: work waits for it, says why, and goes on at the mend."""

from datetime import UTC, datetime

from agent.wire.condition import Condition, ConditionFault, DesktopKind, DesktopState, FaultCode
from agent.wire.messages import Heartbeat, HeartbeatAck, Start
from agent.wire.words import DesktopNeed, TaskState, VoidReason
from hub.domain.waiting import WaitingCode, WaitingReason
from hub.services import automations, runners, tasks, waiting
from hub.services.runners import RunnerView
from tests.runners.conftest import BUILD, LinkWorld
from tests.support.scripted_runner import ScriptedRunner, stamp_now
from tests.support.waiting import eventually
from tests.support.work_world import void


def condition(*codes: str) -> Condition:
    """One desktop, with these faults."""
    since = datetime(2026, 3, 1, tzinfo=UTC)
    faults = tuple(ConditionFault(code=FaultCode(code), message=code, since=since) for code in codes)
    return Condition(desktops=(DesktopState(slot=0, kind=DesktopKind.X11, name=":0", faults=faults),))


async def shown(world: LinkWorld, runner: ScriptedRunner) -> RunnerView:
    return await world.hub.store.read(runners.show, world.caller.workspace_id, runner.id)


async def why(world: LinkWorld, task_id: str) -> list[WaitingReason]:
    offers = world.hub.book.offers(world.caller.workspace_id)
    return list(await world.hub.store.read(waiting.why, world.caller.workspace_id, task_id, offers))


async def codes(world: LinkWorld, runner: ScriptedRunner) -> list[FaultCode]:
    """What is kept of it."""
    known = (await shown(world, runner)).condition
    return [] if known is None else [fault.code for one in known.desktops for fault in one.faults]


async def test_work_waits_for_the_desktop_and_goes_on_at_the_mend(world: LinkWorld) -> None:
    """Without a heartbeat between: a condition is enough, after an order that came back for want of one too."""
    needs = {"on_screen": {"desktop": DesktopNeed.REQUIRED}}
    await world.hub.store.write(automations.edit, world.caller, "invoices", needs)
    runner = await world.runner()
    async with runner.connect(prepared=[BUILD]) as session:
        await session.send(condition("locked"))
        await session.offer()
        task = await world.create()
        await eventually(lambda: codes_are(world, runner, ["locked"]))
        (reason,) = await why(world, task.id)
        assert (WaitingCode.UNFIT, FaultCode.LOCKED) == (reason.code, reason.fault)
        rings = world.hub.signals.fitness.rings

        await session.send(condition())
        start = await session.next(Start)
        assert DesktopNeed.REQUIRED is start.work.desktop
        await eventually(lambda: world.hub.signals.fitness.rings > rings)

        await session.say(start, void(VoidReason.UNFIT))
        await eventually(lambda: is_queued(world, task.id))
        await session.send(condition("popup"))
        await session.offer(generation=2)
        await eventually(lambda: codes_are(world, runner, ["popup"]))
        await session.send(condition())
        again = await session.next(Start)
        assert (task.id, 2) == (again.task_id, again.permit.generation)


async def test_the_newest_counts_and_it_stays_when_the_runner_goes(world: LinkWorld) -> None:
    runner = await world.runner()
    async with runner.connect(prepared=[BUILD]) as session:
        for told in (condition("locked"), condition(), condition("gone"), condition("gone")):
            await session.send(told)
        await session.send(Heartbeat(number=1, stamp=stamp_now()))
        await session.next(HeartbeatAck)
        await eventually(lambda: codes_are(world, runner, ["gone"]))
    await eventually(lambda: is_away(world, runner))
    assert [FaultCode.GONE] == await codes(world, runner)


async def codes_are(world: LinkWorld, runner: ScriptedRunner, expected: list[str]) -> bool:
    return await codes(world, runner) == expected


async def is_queued(world: LinkWorld, task_id: str) -> bool:
    return (await world.hub.store.read(tasks.show, world.caller.workspace_id, task_id)).state is TaskState.QUEUED


async def is_away(world: LinkWorld, runner: ScriptedRunner) -> bool:
    return not (await shown(world, runner)).is_linked
