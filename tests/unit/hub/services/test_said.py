"""What bots say beside reports: kept once, by (execution, seq), and decides nothing (bot-packages.md §7; P3)."""

from datetime import timedelta

from agent.wire.facts import Annotation, AnnotationCounts, RowFact, SaidFact
from agent.wire.messages import Progress, Start
from agent.wire.words import AnnotationLevel, Outcome
from hub.domain.retry import RetryPolicy
from hub.services import said, tasks
from hub.storage.said import LogRow, RowFilter
from tests.support.clock import FakeClock
from tests.support.work_world import (
    OTHER_RUNNER,
    WORKSPACE,
    PlayedSession,
    WorkWorld,
    exited,
    final,
    report,
    started,
)

AT = FakeClock().now()
SAID = SaidFact(
    at=AT,
    outputs={"zulu": "1", "a": "2"},
    summary="# ok\0",
    annotations=(Annotation(level=AnnotationLevel.ERROR, title="t", text="x"),),
    counts=AnnotationCounts(error=3),
)


def row(number: int, log: str = "parcels") -> RowFact:
    """A row; its columns are in no order of the alphabet."""
    return RowFact(at=AT, log=log, columns={"number": number, "b": 2.5, "a": True, "none": None})


def progress(start: Start, percent: float | None, text: str = "") -> Progress:
    """How far a bot is."""
    return Progress(execution_id=start.execution_id, fence=start.fence, percent=percent, text=text, at=AT)


async def rows(world: WorkWorld, task_id: str, wanted: RowFilter) -> list[LogRow]:
    """Rows of a task."""
    return await world.store.read(said.rows, WORKSPACE, task_id, wanted)


async def note(world: WorkWorld, session: PlayedSession, *told: Progress) -> None:
    """Progress as it comes over the link."""
    await world.store.write(said.note_progress, WORKSPACE, session.runner_id, session.epoch, told)


async def test_what_was_said_stands_with_its_execution_and_settles_nothing(world: WorkWorld) -> None:
    """core.md §4: outcomes are made of reports and exits; what is said twice by a lost ack is kept once."""
    # given
    task, session, start = await world.running()

    # when the facts come in groups, one of them a second time, after a lost acknowledgement
    await world.say(session, start, row(1), row(2), first=2)
    await world.say(session, start, row(1), row(2), report(), SAID, first=2)
    await world.say(session, start, exited(), final(), first=6)

    # then
    shown = await world.show(task)
    assert Outcome.SUCCEEDED == shown.outcome
    kept = await world.store.read(said.of_execution, WORKSPACE, start.execution_id)
    assert kept is not None
    assert [["zulu", "1"], ["a", "2"]] == kept.outputs
    assert ("# ok\ufffd", {"error": 3, "warning": 0, "notice": 0}) == (kept.summary, kept.counts)
    assert [(2, "parcels"), (3, "parcels")] == [(one.seq, one.log) for one in await rows(world, task.id, RowFilter())]
    assert [["number", 1], ["b", 2.5], ["a", True], ["none", None]] == (await rows(world, task.id, RowFilter()))[
        0
    ].columns
    # and each fact stands in one place, in one unbroken row of numbers
    seqs = [one["seq"] for one in await world.rows("facts", execution_id=start.execution_id)]
    assert [1, 4, 6, 7] == sorted(seqs)
    assert 7 == (await world.rows("executions", id=start.execution_id))[0]["last_fact"]


async def test_rows_are_paged_and_chosen_by_log(world: WorkWorld) -> None:
    """By key: a page costs the same wherever it lies."""
    task, session, start = await world.running()
    await world.say(session, start, *(row(number, "ab"[number % 2]) for number in range(6)), first=2)

    first = await rows(world, task.id, RowFilter(limit=4))
    rest = await rows(world, task.id, RowFilter(after=(first[-1].execution_id, first[-1].seq), limit=4))

    assert [0, 1, 2, 3, 4, 5] == [one.columns[0][1] for one in (*first, *rest)]
    assert [1, 3, 5] == [one.columns[0][1] for one in await rows(world, task.id, RowFilter(log="b"))]
    assert [] == await rows(world, "tsk_" + "0" * 32, RowFilter())


async def test_a_late_execution_keeps_what_it_says_to_itself(world: WorkWorld) -> None:
    """G1: facts of a stale fence are kept and change nothing; what they say belongs to their execution."""
    # given a bot that was given up by force
    task, session, start = await world.running()
    await world.store.write(tasks.cancel, WORKSPACE, task.id, "token:ana")
    await world.store.write(lambda tx: tasks.cancel(tx, WORKSPACE, task.id, "token:ana", force=True))
    before = await world.show(task)

    # when it speaks all the same
    await world.say(session, start, row(9), SAID, first=2)

    # then
    after = await world.show(task)
    assert (before.outcome, before.message) == (after.outcome, after.message)
    assert [9] == [one.columns[0][1] for one in await rows(world, task.id, RowFilter())]
    assert await world.store.read(said.of_execution, WORKSPACE, start.execution_id) is not None


async def test_progress_is_the_newest_word_of_a_live_execution(world: WorkWorld) -> None:
    """P2: written in its runner's own session only, and never after the settlement."""
    # given
    task, session, start = await world.running()
    assert (await world.show(task)).progress is None

    # when
    await note(world, session, progress(start, 10), progress(start, None, "half\0way"))

    # then
    shown = (await world.show(task)).progress
    assert shown is not None
    assert (None, "half\ufffdway", AT) == (shown.percent, shown.text, shown.at)

    # when others say so: another runner, an older session, a stale fence
    stranger = await world.connect(OTHER_RUNNER)
    await note(world, stranger, progress(start, 66))
    old = PlayedSession(runner_id=session.runner_id, epoch=session.epoch - 1)
    await note(world, old, progress(start, 67))
    await note(world, session, progress(start, 68).model_copy(update={"fence": start.fence + 1}))
    # or it comes after the settlement
    await world.say(session, start, report(), exited(), final(), first=2)
    later = progress(start, 99).model_copy(update={"at": AT + timedelta(seconds=9)})
    await note(world, session, later)

    # then nothing has changed
    assert shown == (await world.show(task)).progress


async def test_a_new_attempt_begins_without_progress(world: WorkWorld) -> None:
    """It is the execution's, not the task's."""
    await world.automation(retry=RetryPolicy(attempts=2))
    task, session, start = await world.running()
    await note(world, session, progress(start, 50))
    await world.say(session, start, exited(1), final(), first=2)

    world.offer(session)
    await world.grant()
    again = world.started_order(session)
    await world.say(session, again, started())

    assert again.execution_id != start.execution_id
    assert (await world.show(task)).progress is None
