"""File triggers on both databases: each file makes one task, whoever tells it again, late, or has no business to."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from agent.wire.watching import FilesFound, FolderTold, FoundFile
from hub.domain.automation import Definition
from hub.domain.file_trigger import read_rule
from hub.domain.parameters import Parameter
from hub.domain.trigger import TriggerKind
from hub.errors import Invalid
from hub.services import automations, file_triggers, triggers
from hub.services.facts import SessionOver
from hub.services.file_triggers import Taken
from hub.services.triggers import NewTrigger
from hub.storage import watched_files
from hub.storage.transaction import Done
from hub.storage.triggers import TriggerRow
from tests.support.clock import FakeClock
from tests.support.trigger_work import history, shown
from tests.support.work_world import (
    ADMIN,
    OTHER_RUNNER,
    RUNNER,
    WORKSPACE,
    PlayedSession,
    WorkWorld,
    key_of,
    work_world,
)

pytestmark = pytest.mark.timeout(120)

DAY = 86400.0
REFUSED = Taken(is_refused=True)


@pytest.fixture
async def world(database_url: str, clock: FakeClock) -> AsyncIterator[WorkWorld]:
    """A hub's services, two runners."""
    async with work_world(database_url, clock) as made:
        yield made


async def define(world: WorkWorld, label: str = "inbox", **definition: Any) -> TriggerRow:
    """A trigger of a folder on vm1."""
    said = {"runner": "vm1", "folder": "/in", "existing": "fire", **definition}
    new = NewTrigger(label=label, automation="invoices", kind=TriggerKind.FILE, definition=said)
    return await world.store.write(triggers.create, ADMIN, new)


def a_file(name: str = "a.csv", **members: Any) -> FoundFile:
    """A file; each name has an inode of its own."""
    values = {"device": 8, "inode": sum(name.encode()), "mtime_ns": 1, "size": 2, **members}
    return FoundFile(path=f"/in/{name}", **values)


def found(row: TriggerRow, *files: FoundFile) -> FilesFound:
    """How the runner tells them."""
    revision = read_rule(row.definition).revision
    return FilesFound(number=1, trigger_id=row.id, revision=revision, files=files)


def looked(row: TriggerRow, device: int | None = 8, **members: Any) -> FolderTold:
    """How the runner tells how a folder is."""
    revision = read_rule(row.definition).revision
    return FolderTold(number=1, trigger_id=row.id, revision=revision, device=device, **members)


async def tell(world: WorkWorld, session: PlayedSession, news: FilesFound) -> Taken:
    """It comes over the link."""
    return await world.store.write(file_triggers.take, key_of(session), news, 0, len(news.files))


async def tell_state(world: WorkWorld, session: PlayedSession, news: FolderTold) -> bool:
    """The same."""
    return await world.store.write(file_triggers.told, key_of(session), news)


async def test_each_file_makes_one_task_where_it_lies_however_often_it_is_told(world: WorkWorld) -> None:
    """R65; and its task carries the path, and goes to the runner that has the file."""
    row, session = await define(world), await world.connect()
    await world.connect(OTHER_RUNNER)
    news = found(row, a_file("a.csv"), a_file("b.csv"))
    for _ in range(3):
        assert await tell(world, session, news) == Taken(again=[])
    made = await world.rows("tasks")
    assert sorted(task["parameters"]["file"] for task in made) == ["/in/a.csv", "/in/b.csv"]
    world.offer(world.sessions.by_runner[OTHER_RUNNER])
    assert await world.grant() is None
    world.offer(session)
    assert await world.grant() is not None
    assert [line.why for line in await history(world, "inbox")] == ["/in/a.csv", "/in/b.csv"]


async def test_told_at_once_by_two_sessions_of_a_runner_it_still_fires_once(world: WorkWorld) -> None:
    """The trigger's row is the lock; the older session is over and changes nothing."""
    row, old = await define(world), await world.connect()
    new = await world.connect()
    with pytest.raises(SessionOver):
        await tell(world, old, found(row, a_file()))
    await asyncio.gather(*(tell(world, new, found(row, a_file())) for _ in range(5)))
    assert len(await world.rows("tasks")) == 1


async def test_a_file_is_what_it_is_whatever_it_is_called_and_another_one_once_it_is_written(world: WorkWorld) -> None:
    """Renamed: the same. New time, size or inode: new. Another number of its device after a start: the same."""
    row, session = await define(world), await world.connect()
    file = a_file()
    renamed = file.model_copy(update={"path": "/in/done.csv"})
    remounted = renamed.model_copy(update={"device": 9})
    for same in (file, renamed, remounted):
        await tell(world, session, found(row, same))
    assert len(await world.rows("tasks")) == 1
    for change in ({"mtime_ns": 2}, {"size": 3}, {"inode": 2**127}, {"device": 10, "path": "/in/other.csv"}):
        await tell(world, session, found(row, remounted.model_copy(update=change)))
    assert len(await world.rows("tasks")) == 5


async def test_nobody_else_and_nothing_late_is_taken(world: WorkWorld) -> None:
    """Another runner, another definition, a paused trigger, one that is gone: refused, and nothing is written."""
    row, session = await define(world), await world.connect()
    foreign = await world.connect(OTHER_RUNNER)
    news = found(row, a_file())
    assert await tell(world, foreign, news) == REFUSED
    assert not await tell_state(world, foreign, looked(row, trouble="forged"))
    await world.store.write(triggers.edit, ADMIN, "inbox", {"definition": {"pattern": "*.xml"}})
    assert await tell(world, session, news) == REFUSED
    row = await shown(world, "inbox")
    await world.store.write(triggers.pause, ADMIN, "inbox")
    assert await tell(world, session, found(row, a_file())) == REFUSED
    await world.store.write(triggers.resume, ADMIN, "inbox")
    assert await tell(world, session, found(row, a_file("a.xml"))) == Taken(again=[])
    await world.store.write(triggers.delete, ADMIN, "inbox")
    assert await tell(world, session, found(row, a_file("b"))) == REFUSED
    assert len(await world.rows("tasks")) == 1
    assert await world.rows("trigger_files") == []


async def test_what_lay_there_before_is_left_alone_and_what_comes_later_is_not(world: WorkWorld) -> None:
    """`existing: ignore` until the first look is told; the runner is told so."""
    row, session = await define(world, existing="ignore"), await world.connect()
    assert [one.leave_existing for one in await world.store.read(file_triggers.folders_of, WORKSPACE, RUNNER)] == [True]
    await tell(world, session, found(row, a_file("old", was_there=True)))
    await tell_state(world, session, looked(row, files=1))
    assert [one.leave_existing for one in await world.store.read(file_triggers.folders_of, WORKSPACE, RUNNER)] == [
        False
    ]
    await tell(world, session, found(row, a_file("old"), a_file("new")))
    assert [task["parameters"]["file"] for task in await world.rows("tasks")] == ["/in/new"]
    assert "1 files lay there before" in (await history(world, "inbox"))[0].why


async def test_a_file_that_makes_no_task_is_told_again_and_makes_it_once_what_was_wrong_is_mended(
    world: WorkWorld,
) -> None:
    """After too many failures the trigger is off; resumed, the runner tells again, and none is lost."""
    row, session = await define(world, off_after=2), await world.connect()
    await world.automation(state="paused")
    news = found(row, a_file("a"), a_file("b"), a_file("c"))
    assert await tell(world, session, news) == Taken(again=[0, 1, 2])
    assert ("off", 2) == ((await shown(world, "inbox")).state, (await shown(world, "inbox")).failed_in_a_row)
    assert await world.store.read(file_triggers.folders_of, WORKSPACE, RUNNER) == []
    await world.automation(state="active")
    await world.store.write(triggers.resume, ADMIN, "inbox")
    assert await tell(world, session, news) == Taken(again=[])
    assert await tell(world, session, news) == Taken(again=[])
    assert len(await world.rows("tasks")) == 3


async def test_a_name_that_is_no_text_makes_a_line_and_renamed_its_task(world: WorkWorld) -> None:
    """No bot could be told it."""
    row, session = await define(world), await world.connect()
    odd = a_file("odd\\xff", inode=7, is_text=False)
    for _ in range(2):
        await tell(world, session, found(row, odd))
    assert ["skipped"] == [line.outcome for line in await history(world, "inbox")]
    await tell(world, session, found(row, odd.model_copy(update={"path": "/in/good", "is_text": True})))
    assert len(await world.rows("tasks")) == 1


@pytest.mark.parametrize("path", ["/etc/shadow", "/in/../etc/shadow", "/in/below/a.csv", "/in/a.txt"])
async def test_no_runner_names_other_files_to_bots_than_it_is_to_watch(world: WorkWorld, path: str) -> None:
    """Least of all to those of other runners; a line of the history says so, once."""
    row, session = await define(world, pattern="*.csv", anywhere=True), await world.connect()
    forged = a_file(inode=7).model_copy(update={"path": path})
    for _ in range(2):
        assert await tell(world, session, found(row, forged, a_file("good.csv"))) == Taken(again=[])
    assert ["/in/good.csv"] == [task["parameters"]["file"] for task in await world.rows("tasks")]
    assert {"fired", "skipped"} == {line.outcome for line in await history(world, "inbox")}
    assert 2 == len(await history(world, "inbox"))


async def test_a_file_that_still_lies_there_does_not_fire_again_though_its_line_is_gone(
    world: WorkWorld, clock: FakeClock
) -> None:
    """The history is kept for 90 days; what the runner still sees is known for ever, what is gone for a month."""
    row, session = await define(world), await world.connect()
    stays, goes = a_file("stays"), a_file("goes")
    await tell(world, session, found(row, stays, goes))
    for _ in range(5):
        clock.advance(20 * DAY)
        await tell(world, session, found(row, stays))
        await tell_state(world, session, looked(row))
    assert await history(world, "inbox") == []
    await tell(world, session, found(row, stays))
    assert ["/in/stays"] == [one["path"] for one in await world.rows("trigger_files")]
    await tell(world, session, found(row, goes))
    assert len(await world.rows("tasks")) == 3


async def test_a_share_that_is_not_mounted_makes_nothing_forgotten(world: WorkWorld, clock: FakeClock) -> None:
    """Its empty mount point is a folder on another device."""
    row, session = await define(world), await world.connect()
    await tell(world, session, found(row, a_file()))
    clock.advance(40 * DAY)
    await tell_state(world, session, looked(row, device=1))
    await tell(world, session, found(row, a_file()))
    assert len(await world.rows("tasks")) == 1


async def test_what_was_answered_before_and_is_not_known_makes_no_task(world: WorkWorld) -> None:
    """A hub that was put back to an older copy does not work a file twice."""
    row, session = await define(world), await world.connect()
    await tell(world, session, found(row, a_file(answered=True)))
    await tell(world, session, found(row, a_file(answered=True)))
    assert await world.rows("tasks") == []
    assert ["skipped"] == [line.outcome for line in await history(world, "inbox")]


async def test_a_trouble_is_an_event_a_line_and_shown_until_it_is_over(world: WorkWorld) -> None:
    """A folder that is not there is no silent nothing; nor is a runner that is not there."""
    row = await define(world)
    assert "not been connected since" in str(await world.store.read(file_triggers.troubles, row))
    session = await world.connect()
    assert "has not looked there yet" in str(await world.store.read(file_triggers.troubles, row))
    why = "/in does not exist"
    for _ in range(2):
        assert await tell_state(world, session, looked(row, None, trouble=why))
    row = await shown(world, "inbox")
    assert f"{why}, on runner vm1" == await world.store.read(file_triggers.troubles, row)
    assert (why, world.clock.now()) == (row.trouble, row.trouble_since)
    assert ["failed"] == [line.outcome for line in await history(world, "inbox")]
    assert 0 == row.failed_in_a_row
    await tell_state(world, session, looked(row))
    row = await shown(world, "inbox")
    assert (None, None) == (await world.store.read(file_triggers.troubles, row), row.trouble_since)
    kinds = [event["kind"] for event in await world.rows("events") if event["kind"].startswith("trigger.")]
    assert ["trigger.created", "trigger.trouble", "trigger.watching", "trigger.watching"] == kinds


async def test_a_trouble_that_changes_on_and_on_is_noted_once_a_minute_and_the_last_text_is_shown(
    world: WorkWorld, clock: FakeClock
) -> None:
    """Neither events nor the history fill up, and a trouble that lasts is noted in the end: the runner tells again."""
    row, session = await define(world), await world.connect()
    clock.advance(60.0 - world.clock.now().second)
    for number in range(20):
        assert await tell_state(world, session, looked(row, None, trouble=f"trouble {number}"))
    assert "trouble 19" == (await shown(world, "inbox")).trouble
    for _ in range(5):
        assert await tell_state(world, session, looked(row))
        assert not await tell_state(world, session, looked(row, None, trouble="once more"))
    assert 1 == len(await history(world, "inbox"))
    clock.advance(60.0)
    assert await tell_state(world, session, looked(row, None, trouble="once more"))
    kinds = Counter(event["kind"] for event in await world.rows("events"))
    # Watched: for the first time, and out of a trouble.
    assert (2, 2, 2) == (kinds["trigger.trouble"], kinds["trigger.watching"], len(await history(world, "inbox")))


async def test_every_fault_of_a_definition_is_told_at_once(world: WorkWorld) -> None:
    """Nothing is made."""
    await world.store.write(
        automations.create, ADMIN, Definition(label="typed", bot="invoices", parameters=(Parameter(name="month"),))
    )
    said = {"runner": "vm9", "folder": "in/box", "pattern": "a/*.csv", "stable_s": -1, "existing": "maybe"}
    said |= {"recursive": 1, "overlap": "skip", "queue": "q"}
    new = NewTrigger(label="x", automation="typed", kind=TriggerKind.FILE, definition=said)
    with pytest.raises(Invalid) as refused:
        await world.store.write(triggers.create, ADMIN, new)
    fields = {fault["field"] for fault in refused.value.details["errors"]}
    assert fields == {*said, "parameters.file"}
    assert await world.rows("triggers") == []


async def test_marks_are_kept_by_trigger(world: WorkWorld) -> None:
    """Two triggers of one folder each make their task."""
    one, two, session = await define(world), await define(world, "other"), await world.connect()
    for row in (one, two, one):
        await tell(world, session, found(row, a_file()))
    assert len(await world.rows("tasks")) == 2
    gone = world.clock.now() + timedelta(days=1)
    assert 1 == await world.store.write(lambda tx: Done(watched_files.forget(tx, one, "8", gone=gone, lost=gone)))
    assert 1 == len(await world.rows("trigger_files"))
