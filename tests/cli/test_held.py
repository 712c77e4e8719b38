"""`botyard task release-held`, `give-up` and `accept-late`: what a person decides, typed (core.md §4, D8, D9)."""

from tests.support.api_hub import EXECUTION, RUNNER, ApiWorld
from tests.support.typed import Typed

REPORT = {
    "kind": "report",
    "at": "2030-01-01T00:00:00Z",
    "status": "succeeded",
    "message": "done after all",
    "totals": {"total": 3, "processed": 2, "failed": 1},
}


async def test_a_held_task_is_released_once(world: ApiWorld, typed: Typed) -> None:
    """D8, R20: it waits with its reason, and an operator's word lets it run; said again it is a clear refusal."""
    task = await world.new_task()
    other = await world.new_task()
    for one in (task, other):
        await world.update("tasks", one["id"], held="restored: it ran on desk-1 after the backup")
    assert b"queued (held: restored" in (await typed("task", "show", "1")).out
    why = (await typed("task", "why", "1")).text
    assert "restored: it ran on desk-1 after the backup" in why
    assert "botyard task release-held 1" in why

    world.offer_slot()
    assert 0 == (await typed("task", "release-held", "1")).code
    assert (await world.get("/tasks/1"))["held"] is None
    told = await typed("task", "release-held", "1")
    assert (1, "botyard: Task 1 is not held; there is nothing to release.\n") == (told.code, told.err)
    assert "1 task released\n" == (await typed("task", "release-held", "--all")).text
    assert {"released": 0} == (await typed("task", "release-held", "--all", "--json")).json()
    for words in ((), ("1", "--all")):
        told = await typed("task", "release-held", *words)
        assert (2, "name a task, or say --all" in told.err) == (told.code, True)
    events = (await world.get("/events?type=task.released"))["items"]
    assert ["token:the admin"] * 2 == [event["actor"] for event in events]


async def test_a_task_of_a_runner_that_is_gone_is_given_up_once(world: ApiWorld, typed: Typed) -> None:
    """D9: `lost` by an operator instead of after 24 h; not of a runner that is here, nor of what does not run."""
    task = await world.new_task()
    told = await typed("task", "give-up", "1")
    assert (1, "botyard: Task 1 does not run; there is nothing to give up.\n") == (told.code, told.err)
    await world.begin(task["id"])
    await world.update("runners", RUNNER, session_epoch=1, home_id="h")
    told = await typed("task", "give-up", "1")
    assert 1 == told.code
    assert "is connected: botyard task cancel 1 ends it for certain" in told.err

    await world.update("runners", RUNNER, session_epoch=None)
    assert "1: lost: link_lost\n" == (await typed("task", "give-up", "1")).text
    shown = await world.get("/tasks/1")
    assert ("finished", "lost", "link_lost") == tuple(shown[n] for n in ("state", "outcome", "reason"))
    (event,) = (await world.get("/events?type=task.given_up"))["items"]
    assert (task["id"], "token:the admin") == (event["subject"], event["actor"])


async def test_a_late_report_is_shown_and_accepted_once(world: ApiWorld, typed: Typed) -> None:
    """core.md §4, G2: an amendment beside the outcome, which stays; evented; a second acceptance is refused."""
    task = await world.new_task()
    told = await typed("task", "accept-late", "1")
    assert (1, "there is no late report of task 1" in told.err) == (told.code, True)
    await world.begin(task["id"])
    await world.settle(task["id"], outcome="lost", reason="link_lost")
    now = world.clock.now()
    await world.insert("late_reports", id="lrp_1", execution_id=EXECUTION, body=REPORT, received_at=now)

    shown = (await typed("task", "show", "1")).text
    assert "late reports" in shown
    assert "done after all" in shown
    listed = (await world.get("/tasks/1/late-reports"))["items"]
    assert [("lrp_1", "succeeded", None)] == [(one["id"], one["status"], one["accepted_at"]) for one in listed]
    status, problem = await world.call("POST", "/tasks/1/late-reports/lrp_9/accept")
    assert (404, "There is no late report 'lrp_9' of this task.") == (status, problem["detail"])

    assert "amended: succeeded" in (await typed("task", "accept-late", "1")).text
    settled = await world.get("/tasks/1")
    assert ("lost", "succeeded") == (settled["outcome"], settled["amendment"]["status"])
    assert 1 == len((await world.get("/events?type=task.amended"))["items"])
    assert 1 == (await typed("task", "accept-late", "1")).code
    told = await typed("task", "accept-late", "1", "lrp_1")
    assert (1, "botyard: This late report of task 1 was accepted already.\n") == (told.code, told.err)
