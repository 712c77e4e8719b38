"""Services' world with tasks that share: many slots, many tasks, one ring of the dispatch loop."""

from typing import Any

from agent.wire.messages import Start
from hub.services import tasks, waiting
from hub.services.loops import Dispatcher
from tests.support.work_world import RUNNER, WORKSPACE, PlayedSession, WorkWorld, exited, final, report, started


async def shared(world: WorkWorld, **members: Any) -> None:
    """The automation `invoices` shares so from now on."""
    await world.automation(sharing=members)


async def serve(world: WorkWorld) -> None:
    """What the dispatch loop does at a ring."""
    await Dispatcher(world.store, world.book, world.signals, sweep_s=5.0).serve(WORKSPACE)


async def slots(world: WorkWorld, count: int, runner: str = RUNNER) -> PlayedSession:
    """A runner with so many free slots."""
    session = await world.connect(runner)
    for slot in range(count):
        world.offer(session, slot)
    return session


async def create(world: WorkWorld, **parameters: Any) -> str:
    """A task with parameters, without the fast path."""
    new = tasks.NewTask(workspace_id=WORKSPACE, automation="invoices", parameters=parameters, actor="token:ana")
    return (await world.store.write(tasks.create, new)).id


async def running(world: WorkWorld) -> int:
    """How many tasks run."""
    return len(await world.rows("tasks", state="running"))


def orders(session: PlayedSession) -> list[Start]:
    """What the runner was told to start."""
    return [one for one in session.sent if isinstance(one, Start)]


async def end(world: WorkWorld, session: PlayedSession, start: Start) -> None:
    """The bot of an order ends well."""
    await world.say(session, start, started(), report(), exited(), final())


async def why(world: WorkWorld, task_id: str) -> list[tuple[str, str, str]]:
    """(code, message, remedy) of each reason."""
    offers = world.book.offers(WORKSPACE)
    found = await world.store.read(lambda tx: waiting.why(tx, WORKSPACE, task_id, offers))
    return [(one.code, one.message, one.remedy) for one in found]
