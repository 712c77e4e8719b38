"""Tasks that wait for other tasks, on both engines: queued, canceled in turn, held, late, and against an oracle."""

import random
from collections.abc import AsyncIterator, Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from agent.wire.maestro import TaskUpdate
from agent.wire.words import Outcome, Reason, TaskState
from hub.domain.prerequisite import After, When
from hub.domain.task import TaskView
from hub.domain.waiting import WaitingCode
from hub.errors import Invalid
from hub.services import dependents, held, settlement, tasks, waiting
from hub.services.late_dependents import LateDependents
from hub.services.loops import DueClock
from hub.storage.transaction import Done, Transaction
from tests.support.clock import FakeClock
from tests.support.interleaving import UseCase, meetings
from tests.support.work_world import WORKSPACE, WorkWorld, exited, final, report, work_world

ANA = "token:ana"
WORDS = {Outcome.SUCCEEDED: "SUCCESS", Outcome.FAILED: "FAILED", Outcome.PARTIAL: "PARTIALLY_COMPLETED"}


def after(*named: TaskView, when: When = When.SUCCEEDED) -> After:
    return After(tasks=tuple(task.id for task in named), when=when)


async def ends(world: WorkWorld, task: TaskView, outcome: Outcome = Outcome.SUCCEEDED) -> TaskView:
    """A task that has not started ends so."""
    if outcome is Outcome.CANCELED:
        return await world.store.write(tasks.cancel, WORKSPACE, task.id, ANA)
    said = TaskUpdate(finish_status=WORDS[outcome])
    return await world.store.write(tasks.finish_by_person, WORKSPACE, task.id, said, ANA)


async def stand(world: WorkWorld, *several: TaskView) -> list[str]:
    """State, or outcome and reason, of each."""
    found = [await world.show(one) for one in several]
    return [f"{one.outcome}:{one.reason or ''}" if one.outcome else str(one.state) for one in found]


async def why(world: WorkWorld, task: TaskView) -> list[tuple[WaitingCode, str]]:
    found = await world.store.read(waiting.why, WORKSPACE, task.id, {})
    return [(one.code, f"{one.message} {one.remedy}") for one in found]


async def test_a_task_waits_for_the_success_of_all(world: WorkWorld) -> None:
    """Issue 5: `after: all succeeded`; the last one queues it, in the transaction of its own end."""
    one, two = await world.create(), await world.create()
    task = await world.create(after=after(one, two))
    assert TaskState.WAITING == task.state
    assert [(one.number, "queued", None), (two.number, "queued", None)] == [
        (each.number, each.state, each.outcome) for each in task.prerequisites
    ]
    await ends(world, one)
    ((code, told),) = await why(world, task)
    assert (WaitingCode.PREREQUISITE, True) == (code, f"1 of its 2 prerequisites to succeed: {two.number} (" in told)
    assert f"task why {two.number}" in told
    await ends(world, two)
    assert ["queued"] == await stand(world, task)
    (event,) = await world.rows("events", kind="task.queued", task_id=task.id)
    assert ("waiting", "queued", "prerequisite") == (event["old"], event["new"], event["cause"])
    assert WORKSPACE in await world.signals.dispatch.collect(0)


@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.PARTIAL, Outcome.CANCELED])
async def test_one_that_does_not_succeed_cancels_what_waits_for_it_and_what_waits_for_that(
    world: WorkWorld, outcome: Outcome
) -> None:
    """Issue 5: `canceled: prerequisite` at once, though another is open; down the chain, each with its event."""
    one, two = await world.create(), await world.create()
    task = await world.create(after=after(one, two))
    following = await world.create(after=after(task))
    anyway = await world.create(after=after(following, when=When.FINISHED))
    await ends(world, one, outcome)
    assert ["queued", "canceled:prerequisite", "canceled:prerequisite", "queued"] == await stand(
        world, two, task, following, anyway
    )
    shown = await world.show(task)
    assert f"task {one.number} ended {outcome}" in str(shown.message)
    assert shown.ended_at is not None
    settled = await world.rows("events", kind="task.settled", task_id=following.id)
    assert ["prerequisite"] == [one["data"]["reason"] for one in settled]
    assert [False, False, False] == [row["awaited"] for row in await world.rows("tasks", state="finished")]


async def test_any_needs_one_success_and_is_impossible_without(world: WorkWorld) -> None:
    one, two = await world.create(), await world.create()
    lucky, luckless = [await world.create(after=after(one, two, when=When.ANY)) for _ in range(2)]
    other = await world.create(after=after(one, when=When.ANY))
    await ends(world, one, Outcome.FAILED)
    assert ["waiting", "waiting", "canceled:prerequisite"] == await stand(world, lucky, luckless, other)
    await ends(world, luckless, Outcome.SUCCEEDED)
    await ends(world, two)
    assert ["queued", "succeeded:"] == await stand(world, lucky, luckless)


async def test_what_has_finished_already_counts_at_once(world: WorkWorld) -> None:
    """A task is queued, or written and canceled at once; both as any other, with their events."""
    good, bad = await ends(world, await world.create()), await ends(world, await world.create(), Outcome.FAILED)
    made = [await world.create(after=after(good, bad, when=when)) for when in When]
    assert ["canceled:prerequisite", "queued", "queued"] == await stand(world, *made)
    kinds = [row["kind"] for row in await world.rows("events", task_id=made[0].id)]
    assert ["task.created", "task.settled"] == kinds
    assert "has ended" not in str(made[0].message)


async def test_a_slot_that_was_taken_for_a_task_which_waits_goes_back(world: WorkWorld) -> None:
    one = await world.create()
    session = await world.connect()
    world.offer(session)
    await world.create(after=after(one))
    assert world.book.take_any(WORKSPACE) is not None


async def test_a_bot_s_own_end_counts_and_a_try_again_does_not(world: WorkWorld) -> None:
    """A retry is no end of its task (`hub.domain.prerequisite`)."""
    await world.automation(retry={"attempts": 2, "on": ["failed"]})
    task, session, start = await world.running()
    waits = await world.create(after=after(task, when=When.FINISHED))
    await world.say(session, start, exited(1), final(), first=2)
    assert "waiting" in await stand(world, waits)
    assert TaskState.FINISHED != (await world.show(task)).state
    await ends(world, task)
    assert ["queued"] == await stand(world, waits)


async def test_a_bot_that_succeeds_starts_what_waits_for_it(world: WorkWorld) -> None:
    task, session, start = await world.running()
    waits = await world.create(after=after(task))
    await world.say(session, start, report(), exited(0), final(), first=2)
    assert ["succeeded:", "queued"] == await stand(world, task, waits)


async def test_a_restart_of_a_prerequisite_is_another_task(world: WorkWorld) -> None:
    """A canceled dependent is final; run again it runs at once, after nobody; the number means its newest round."""
    one = await world.create()
    task = await world.create(after=after(one))
    await ends(world, one, Outcome.FAILED)
    again = await world.store.write(tasks.restart, WORKSPACE, one.id, ANA)
    assert (2, "canceled:prerequisite") == (again.round, *await stand(world, task))
    restarted = await world.store.write(tasks.restart, WORKSPACE, task.id, ANA)
    assert (TaskState.QUEUED, None, ()) == (restarted.state, restarted.after, restarted.prerequisites)
    newest = await world.create(after=After(tasks=(str(one.number),)))
    first = await world.create(after=After(tasks=(f"{one.number}.1",), when=When.FINISHED))
    assert ["waiting", "queued"] == await stand(world, newest, first)
    assert again.id == newest.prerequisites[0].id


@pytest.mark.parametrize("is_first_due", [True, False])
async def test_a_moment_and_a_prerequisite_are_both_waited_for(world: WorkWorld, is_first_due: bool) -> None:
    """Whichever comes last: neither alone queues it, and `why` names what is still open."""
    one = await world.create()
    task = await world.create(after=after(one), not_before=world.clock.now() + timedelta(minutes=5))
    due = DueClock(world.store, world.signals, world.clock)
    assert [WaitingCode.PREREQUISITE, WaitingCode.NOT_BEFORE] == [code for code, _ in await why(world, task)]
    if is_first_due:
        world.clock.advance(301)
        assert await world.store.write(tasks.queue_due) is None
        assert [WaitingCode.PREREQUISITE] == [code for code, _ in await why(world, task)]
        await ends(world, one)
    else:
        await ends(world, one)
        assert [WaitingCode.NOT_BEFORE] == [code for code, _ in await why(world, task)]
        assert TaskState.WAITING == (await world.show(task)).state
        world.clock.advance(301)
        await due._step()
    assert ["queued"] == await stand(world, task)


async def test_a_waiting_task_ends_by_a_person_like_any_other(world: WorkWorld) -> None:
    """Cancel, kill and a person's word settle it; what its prerequisite does later changes nothing."""
    one = await world.create()
    canceled, killed, said, next_one = [await world.create(after=after(one)) for _ in range(4)]
    on = await world.create(after=after(said))
    await ends(world, canceled, Outcome.CANCELED)
    await world.store.write(tasks.kill, WORKSPACE, killed.id, ANA)
    await ends(world, said)
    assert TaskState.WAITING == (await world.store.write(tasks.restart, WORKSPACE, next_one.id, ANA)).state
    await ends(world, one)
    assert ["canceled:", "canceled:", "succeeded:", "queued", "queued"] == await stand(
        world, canceled, killed, said, next_one, on
    )


async def test_every_fault_is_told_and_nothing_is_written(world: WorkWorld) -> None:
    one = await world.create()
    wrong = After(tasks=(one.id, str(one.number), "tsk_gone", "7", str(one.number + 1)))
    with pytest.raises(Invalid) as refused:
        await world.create(after=wrong)
    fields = [fault["field"] for fault in refused.value.details["errors"]]
    assert ["after.tasks.1", "after.tasks.2", "after.tasks.3", "after.tasks.4"] == fields
    assert 1 == len(await world.rows("tasks"))
    assert [] == await world.rows("prerequisites")
    assert one.number + 1 == (await world.create()).number


async def test_a_held_task_is_not_canceled_before_it_is_released(world: WorkWorld) -> None:
    """R20: since the backup it may have run; what its prerequisite became is decided with its release."""
    one = await world.create()
    task, other, on = [await world.create(after=after(one)) for _ in range(3)]
    following = await world.create(after=after(task))
    await world.store.write(held.hold, "a backup of yesterday")
    await ends(world, one, Outcome.FAILED)
    assert ["waiting", "waiting", "waiting"] == await stand(world, task, other, following)
    assert {WaitingCode.PREREQUISITE, WaitingCode.HELD} == {code for code, _ in await why(world, task)}
    await ends(world, on)
    await world.store.write(held.release, WORKSPACE, task.id, ANA)
    assert ["canceled:prerequisite", "waiting", "waiting"] == await stand(world, task, other, following)
    await world.store.write(held.release_all, WORKSPACE, ANA)
    assert ["canceled:prerequisite", "canceled:prerequisite"] == await stand(world, other, following)


async def test_more_than_one_transaction_tells_are_told_by_the_loop(
    world: WorkWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A chain and a crowd: no transaction tells more than `AT_ONCE`; a dead process's rest is found by another."""
    monkeypatch.setattr(dependents, "AT_ONCE", 3)
    first = await world.create()
    chain = [first]
    for _ in range(8):
        chain.append(await world.create(after=after(chain[-1])))
    crowd = [await world.create(after=after(chain[4], when=When.FINISHED)) for _ in range(8)]
    await ends(world, first, Outcome.FAILED)
    told = await stand(world, *chain[1:])
    assert 3 == told.count("canceled:prerequisite")
    assert ("",) == tuple(await world.signals.dependents.collect(0))
    # a process that died here leaves no ring: the next one's first look goes on
    await LateDependents(world.store, world.signals).look()
    assert {"canceled:prerequisite"} == set(await stand(world, *chain[1:]))
    assert {"queued"} == set(await stand(world, *crowd))
    assert [] == await world.rows("tasks", awaited=True)
    assert not await world.store.write(settlement.tell_late)


# --- at the same time ---


async def _fresh(world: WorkWorld, made: dict[str, TaskView], when: When = When.SUCCEEDED) -> None:
    made["one"], made["two"] = await world.create(), await world.create()
    made["task"] = await world.create(after=after(made["one"], made["two"], when=when))


def _end(made: dict[str, TaskView], name: str, status: Any) -> UseCase:
    def use_case(tx: Transaction) -> Done[TaskView]:
        said = TaskUpdate(finish_status=status)
        return tasks.finish_by_person(tx, WORKSPACE, made[name].id, said, ANA)

    return use_case


@pytest.mark.parametrize(
    ("when", "second", "expected"),
    [
        (When.SUCCEEDED, "SUCCESS", "queued"),
        (When.SUCCEEDED, "FAILED", "canceled:prerequisite"),
        (When.ANY, "FAILED", "queued"),
    ],
)
async def test_two_prerequisites_that_end_at_once_can_not_both_miss_the_last(
    world: WorkWorld, when: When, second: Any, expected: str
) -> None:
    """core.md §5: at every point where the one may stand while the other runs, the dependent is decided, once."""
    made: dict[str, TaskView] = {}
    met = 0
    pair = _end(made, "one", "SUCCESS"), _end(made, "two", second)
    for first, other in (pair, pair[::-1]):
        async for meeting in meetings(world.store, first, other, lambda: _fresh(world, made, when)):
            assert not isinstance(meeting.first, Exception), meeting
            assert not isinstance(meeting.second, Exception), meeting
            assert [expected] == await stand(world, made["task"]), meeting
            decided = [
                row
                for row in await world.rows("events", task_id=made["task"].id)
                if row["kind"] in {"task.queued", "task.settled"}
            ]
            assert 1 == len(decided), meeting
            met += 1
    assert 2 <= met


async def test_a_task_that_begins_to_wait_as_its_prerequisite_ends_does_not_miss_it(world: WorkWorld) -> None:
    """core.md §5: it counts the end, or is told it."""
    made: dict[str, TaskView] = {}

    async def reset() -> None:
        made["one"] = await world.create()

    def begin(tx: Transaction) -> Done[TaskView]:
        wanted = after(made["one"])
        return tasks.create(
            tx, tasks.NewTask(workspace_id=WORKSPACE, automation="invoices", parameters={}, actor=ANA, after=wanted)
        )

    met = 0
    pair = begin, _end(made, "one", "SUCCESS")
    for first, second in (pair, pair[::-1]):
        async for meeting in meetings(world.store, first, second, reset):
            task = meeting.first if first is begin else meeting.second
            assert isinstance(task, TaskView), meeting
            assert ["queued"] == await stand(world, task), meeting
            met += 1
    assert 2 <= met


# --- against an oracle ---


class _Oracle:
    """Says by the definition alone how each task stands, from the ends that people gave."""

    def __init__(self) -> None:
        self.said: dict[str, Outcome] = {}
        self.after: dict[str, tuple[When, list[str]]] = {}

    def stands(self, task_id: str) -> str:
        outcome = self._outcome(task_id)
        if outcome is not None:
            return "ended" if task_id in self.said else "canceled:prerequisite"
        when, named = self.after[task_id]
        return "queued" if not named or self._is_met(when, [self._outcome(one) for one in named]) else "waiting"

    def _outcome(self, task_id: str) -> Outcome | None:
        if task_id in self.said:
            return self.said[task_id]
        when, named = self.after[task_id]
        several = [self._outcome(one) for one in named]
        can = {
            When.SUCCEEDED: all(one in {None, Outcome.SUCCEEDED} for one in several),
            When.FINISHED: True,
            When.ANY: not named or any(one in {None, Outcome.SUCCEEDED} for one in several),
        }
        return None if can[when] else Outcome.CANCELED

    @staticmethod
    def _is_met(when: When, several: Iterable[Outcome | None]) -> bool:
        return {
            When.SUCCEEDED: lambda ends: all(one is Outcome.SUCCEEDED for one in ends),
            When.FINISHED: lambda ends: all(one is not None for one in ends),
            When.ANY: lambda ends: any(one is Outcome.SUCCEEDED for one in ends),
        }[when](list(several))


@pytest.fixture
async def sqlite_world(clock: FakeClock, tmp_path: Path) -> AsyncIterator[WorkWorld]:
    """On SQLite alone: what differs between the engines is tested above."""
    async with work_world(f"sqlite:///{tmp_path / 'hub.db'}", clock) as made:
        yield made


@pytest.mark.parametrize("seed", range(12))
async def test_random_graphs_stand_as_the_definition_says(
    sqlite_world: WorkWorld, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Issue 5, property: tasks are made and ended in random order, and after each step every task is compared.

    A task whose end was said by a person keeps it; what is decided by prerequisites is decided by the oracle anew.
    """
    world, chance = sqlite_world, random.Random(seed)
    monkeypatch.setattr(dependents, "AT_ONCE", chance.choice([1, 2, 200]))
    oracle, made = _Oracle(), list[TaskView]()
    for _ in range(60):
        open_ones = [one for one in made if oracle.stands(one.id) in {"queued", "waiting"}]
        if not open_ones or chance.random() < 0.5:
            named = chance.sample(made[-12:], min(len(made), chance.randint(0, 4)))
            when = chance.choice(list(When))
            task = await world.create(after=after(*named, when=when) if named else None)
            made.append(task)
            oracle.after[task.id] = (when, [one.id for one in named])
        else:
            task = chance.choice(open_ones)
            outcome = chance.choice([Outcome.SUCCEEDED, Outcome.SUCCEEDED, *WORDS, Outcome.CANCELED])
            oracle.said[task.id] = outcome
            await ends(world, task, outcome)
        await LateDependents(world.store, world.signals).look()
        rows = {row["id"]: row for row in await world.rows("tasks")}
        for one in made:
            row, expected = rows[one.id], oracle.stands(one.id)
            found = "ended" if one.id in oracle.said else f"{row['outcome']}:{row['reason']}"
            assert expected == (found if row["outcome"] else row["state"]), (seed, one.number)
            assert one.id not in oracle.said or row["outcome"] == oracle.said[one.id]
            assert Reason.PREREQUISITE != row["reason"] or row["outcome"] == Outcome.CANCELED
