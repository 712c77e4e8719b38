"""The link cut between a report and its acknowledgement, again and again: one completion each (R47, core.md D7, D8)."""

import os

from agent.wire.messages import Forget, Resumed, Start
from hub.domain.task import TaskView
from tests.runners.conftest import BUILD, LinkWorld
from tests.support.scripted_runner import ScriptedRunner
from tests.support.work_world import exited, final, held, report, started

CUTS = int(os.environ.get("BOTYARD_TEST_CUTS", "20"))
"""R47 asks for 1000; the usual run has a share."""
BODIES = (started(), report(), exited(), final())


async def test_a_cut_between_report_and_its_acknowledgement_completes_once(world: LinkWorld) -> None:
    """R47: "cut between report and ack, 1000 times: one completion each"; what comes again is acknowledged only."""
    runner = await world.runner()
    tasks = [await _completed(world, runner, round_) for round_ in range(CUTS)]
    for task in tasks:
        shown = await world.show(task)
        assert (shown.outcome, shown.message) == ("succeeded", "done")
    await _told_once(world, tasks)


async def _completed(world: LinkWorld, runner: ScriptedRunner, round_: int) -> TaskView:
    # given a bot that has ended, whose runner told so far as one of its facts, and heard nothing of it
    async with runner.connect(prepared=[BUILD]) as session:
        await session.offer(generation=round_ + 1)
        task = await world.create()
        start = await session.next(Start)
        await session.say(start, *BODIES[: 2 + round_ % 3])
        # without a farewell, and without a look at what the hub said
        connection = session.socket._conn
        assert connection is not None
        assert connection.transport is not None
        connection.transport.abort()
    # when all of it is said again in the next session
    async with runner.connect(held(start, verdict="started", last_fact=len(BODIES)), prepared=[BUILD]) as session:
        if (await session.next(Resumed)).action != "forget":
            await session.say(start, *BODIES)
            await session.next(Forget)
    return task


async def _told_once(world: LinkWorld, tasks: list[TaskView]) -> None:
    headers = {"Authorization": f"Bearer {(world.hub.settings.data / 'admin-token').read_text().strip()}"}
    for task in tasks:
        where = f"{world.url}/api/v1/events?task={task.id}&limit=200"
        async with world.client.get(where, headers=headers) as answer:
            told = [one["kind"] for one in (await answer.json())["items"]]
        assert [told.count(kind) for kind in ("task.reported", "task.settled")] == [1, 1], told
