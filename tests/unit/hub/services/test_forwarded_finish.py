"""A finish for which its runner had no room comes beside the facts of its execution (core.md §3, §4, R27)."""

import functools

from agent.wire.maestro import TaskUpdate
from agent.wire.messages import Start
from agent.wire.words import Outcome, ReportStatus
from hub.domain.access import Caller, Role
from hub.domain.task import TaskView
from hub.services import numbered
from tests.support.work_world import WORKSPACE, WorkWorld, exited, final, report, stop


def bot(start: Start) -> Caller:
    """The execution's bot, through its runner."""
    name = start.execution_id
    return Caller(
        workspace_id=WORKSPACE, workspace="default", token_id=name, name=name, role=Role.OPERATOR, execution_id=name
    )


async def told(world: WorkWorld, caller: Caller, task: TaskView, after: int, status: str = "FAILED") -> TaskView:
    """A finish that goes to the hub at once."""
    said = {"finishStatus": status, "finishMessage": "no room for this", "botyardAfterFact": after}
    finish = functools.partial(numbered.finish, caller=caller, number=task.number)
    return await world.store.write(lambda tx: finish(tx, report=TaskUpdate.model_validate(said)))


async def test_it_comes_after_the_facts_that_it_overtook(world: WorkWorld) -> None:
    """Core.md §4: "the last report wins": the last that the bot said, not the last that came."""
    task, session, start = await world.running()
    await told(world, bot(start), task, after=3)
    # the reports before it were durable at its runner, and come now
    await world.say(session, start, report(), report(message="again"), first=2)
    shown = (await world.show(task)).report
    assert shown is not None
    assert (shown.status, shown.message) == (ReportStatus.FAILED, "no room for this")
    await world.say(session, start, exited(0), final(), first=4)
    settled = await world.show(task)
    assert (settled.outcome, settled.message) == (Outcome.FAILED, "no room for this")


async def test_a_later_report_of_the_bot_wins(world: WorkWorld) -> None:
    """Core.md §4: once there is room again, what the bot says next is the last."""
    task, session, start = await world.running()
    await told(world, bot(start), task, after=1)
    await world.say(session, start, report(), exited(0), final(), first=2)
    assert (await world.show(task)).outcome is Outcome.SUCCEEDED


async def test_it_stands_before_a_stop_that_came_after_it(world: WorkWorld) -> None:
    """Core.md §4: "report before the stop, any cause: as reported", though the stop's fact was faster."""
    task, session, start = await world.running()
    await world.say(session, start, stop(), first=2)
    await told(world, bot(start), task, after=1, status="SUCCESS")
    await world.say(session, start, exited(130, stopped=True), final(), first=3)
    assert (await world.show(task)).outcome is Outcome.SUCCEEDED


async def test_of_another_task_its_number_means_nothing(world: WorkWorld) -> None:
    """Nobody's word can be put behind all that a bot will ever say: not by another bot, not by a person."""
    task, session, start = await world.running()
    stranger = bot(start.model_copy(update={"execution_id": "exe_" + "7" * 32}))
    await told(world, stranger, task, after=2**31 - 1)
    await world.say(session, start, report(), exited(0), final(), first=2)
    assert (await world.show(task)).outcome is Outcome.SUCCEEDED
