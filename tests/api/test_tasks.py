"""Tasks over HTTP: asked for, shown, listed, ended, restarted (issue 2, parts 7 and 10)."""

import asyncio
from typing import Any

from hub.api.task_views import HIDDEN
from hub.services.effects import ReturnCredit, SendToRunner
from tests.support.api_hub import RUNNER, ApiWorld


async def test_a_task_is_answered_when_it_is_written_and_waits_for_a_runner(each_world: ApiWorld) -> None:
    """design.md §3: one commit; without a free slot the task is queued and says why it waits."""
    task = await each_world.new_task(parameters={"month": "2026-03"})
    assert ("queued", 1, 1, "token:the admin") == tuple(
        task[name] for name in ("state", "number", "round", "created_by")
    )
    shown = await each_world.get(f"/tasks/{task['id']}")
    assert task.items() <= shown.items()
    assert ({}, None, []) == (shown["outputs"], shown["summary"], shown["annotations"])
    assert shown == await each_world.get("/tasks/1")
    reasons = (await each_world.get("/tasks/1/why"))["reasons"]
    assert ["busy"] == [reason["code"] for reason in reasons]


async def test_a_free_runner_has_the_task_in_the_same_commit(world: ApiWorld) -> None:
    """design.md §3 step 2: granted, with its permit, before the answer goes out; the order is an effect."""
    world.offer_slot()
    task = await world.new_task()
    assert ("running", "desk-1", "granted") == (task["state"], task["runner"], task["execution_state"])
    (sent,) = [effect for effect in world.effects if isinstance(effect, SendToRunner)]
    assert RUNNER == sent.runner_id


async def test_a_refused_task_gives_its_slot_back(world: ApiWorld) -> None:
    """core.md D4: the credit is taken before the transaction and put back when that rolls back."""
    world.offer_slot()
    status, problem = await world.call("POST", "/tasks", json={"automation": "strict"})
    assert (422, "parameters") == (status, problem["code"])
    assert [ReturnCredit] == [type(effect) for effect in world.effects if isinstance(effect, ReturnCredit)]
    assert "running" == (await world.new_task())["state"]


async def test_every_fault_of_the_parameters_is_told_at_once(world: ApiWorld) -> None:
    given = {"pin": 1234, "mnth": "x"}
    status, problem = await world.call("POST", "/tasks", json={"automation": "strict", "parameters": given})
    assert 422 == status
    assert {"parameters.month", "parameters.pin", "parameters.mnth"} == {one["field"] for one in problem["errors"]}
    assert all(one["remedy"] for one in problem["errors"])
    assert "1234" not in str(problem)


async def test_secret_parameters_are_never_shown(world: ApiWorld) -> None:
    """S11, S15: their values leave the hub only towards the shim."""
    task = await world.new_task("strict", parameters={"month": "3", "pin": "hunter2"})
    shown = [task, await world.get("/tasks/1"), await world.get("/tasks"), await world.get("/events?limit=1000")]
    assert {"month": "3", "pin": HIDDEN} == task["parameters"]
    assert "hunter2" not in str(shown)


async def test_tasks_are_listed_newest_first_in_pages_that_do_not_overlap(world: ApiWorld) -> None:
    ids = [(await world.new_task(priority=n % 3))["id"] for n in range(7)]
    seen: list[str] = []
    cursor = ""
    while True:
        page = await world.get(f"/tasks?limit=3&cursor={cursor}")
        seen += [task["id"] for task in page["items"]]
        if page["next"] is None:
            break
        cursor = page["next"]
    assert ids[::-1] == seen
    assert [] == (await world.get("/tasks?state=finished"))["items"]
    assert 7 == len((await world.get("/tasks?automation=invoices&state=queued"))["items"])


async def test_a_task_may_wait_for_its_time(world: ApiWorld) -> None:
    task = await world.new_task(not_before="2031-01-01T00:00:00Z")
    assert "waiting" == task["state"]
    assert ["not_before"] == [reason["code"] for reason in (await world.get("/tasks/1/why"))["reasons"]]


async def test_cancel_before_the_start_is_final_and_repeats(world: ApiWorld) -> None:
    """core.md D6: before a grant a cancel settles at once; again is no error."""
    await world.new_task()
    for _ in range(2):
        status, task = await world.call("POST", "/tasks/1/cancel", json={})
        assert (200, "finished", "canceled") == (status, task["state"], task["outcome"])


async def test_a_finished_task_can_not_be_canceled_but_runs_again_as_the_next_round(world: ApiWorld) -> None:
    """core.md §4, rounds: a restart is a new task of the same number."""
    first = await world.new_task()
    await world.begin(first["id"])
    await world.settle(first["id"])
    status, problem = await world.call("POST", "/tasks/1/cancel", json={})
    assert (409, "finished") == (status, problem["code"])
    status, again = await world.call("POST", "/tasks/1/restart")
    assert (200, 1, 2, first["id"]) == (status, again["number"], again["round"], again["restart_of"])
    assert again["id"] == (await world.get("/tasks/1"))["id"]


async def test_an_idempotency_key_makes_one_task_however_often_it_is_sent(each_world: ApiWorld) -> None:
    """P11: the first answer again, written in the effect's transaction; another request under the key is refused."""
    world = each_world
    world.offer_slot()
    key = {"Idempotency-Key": "monday"}
    sends = [world.call("POST", "/tasks", json={"automation": "invoices"}, headers=key) for _ in range(6)]
    answers = await asyncio.gather(*sends)
    made = [body for status, body in answers if status == 201]
    assert made
    assert 1 == len({body["id"] for body in made})
    assert {201, 409} >= {status for status, _ in answers}
    assert 1 == len((await world.get("/tasks"))["items"])
    async with world.request("POST", "/tasks", json={"automation": "invoices"}, headers=key) as again:
        assert ("true", 201) == (again.headers["Idempotent-Replayed"], again.status)
        assert made[0] == await again.json()
    other: dict[str, Any] = {"automation": "invoices", "priority": 9}
    status, problem = await world.call("POST", "/tasks", json=other, headers=key)
    assert (422, "idempotency_key_reused") == (status, problem["code"])
    world.clock.advance(24 * 3600 + 1)
    status, _ = await world.call("POST", "/tasks", json=other, headers=key)
    assert 201 == status


async def test_an_answer_from_memory_gives_the_slot_back_that_was_taken_for_it(world: ApiWorld) -> None:
    key = {"Idempotency-Key": "k"}
    await world.call("POST", "/tasks", json={"automation": "invoices"}, headers=key)
    world.offer_slot()
    await world.call("POST", "/tasks", json={"automation": "invoices"}, headers=key)
    assert world.hub.book.take_any(world.admin.workspace_id) is not None


async def test_one_tokens_keys_are_not_anothers(world: ApiWorld) -> None:
    """P11, S35: a key belongs to the token that sent it."""
    key = {"Idempotency-Key": "k"}
    one = await world.call("POST", "/tasks", json={"automation": "invoices"}, headers=key)
    two = await world.call("POST", "/tasks", "operator", json={"automation": "invoices"}, headers=key)
    assert one[1]["id"] != two[1]["id"]


async def test_a_task_waits_for_others_and_shows_which(each_world: ApiWorld) -> None:
    """Issue 5, `after`: by number or id; shown with the end of each, in lists too; why names the open ones."""
    world = each_world
    await world.new_task()
    other = await world.new_task()
    wanted = {"automation": "invoices", "after": {"tasks": [1, other["id"]], "when": "finished"}}
    status, task = await world.call("POST", "/tasks", json=wanted)
    assert (201, "waiting", "finished") == (status, task["state"], task["after"]["when"])
    assert [1, 2] == [one["number"] for one in task["after"]["tasks"]]
    await world.call("POST", "/tasks/1/cancel", json={})
    (shown, *_) = (await world.get("/tasks"))["items"]
    assert [("finished", "canceled"), ("queued", None)] == [
        (one["state"], one["outcome"]) for one in shown["after"]["tasks"]
    ]
    ((code, message),) = [(one["code"], one["message"]) for one in (await world.get("/tasks/3/why"))["reasons"]]
    assert ("prerequisite", True) == (code, "1 of its 2 prerequisites to finish: 2 (invoices, queued)" in message)
    await world.call("POST", "/tasks/2/cancel", json={})
    assert "queued" == (await world.get("/tasks/3"))["state"]
    assert (await world.get("/tasks/1"))["after"] is None


async def test_every_fault_of_what_a_task_waits_for_is_told_at_once(world: ApiWorld) -> None:
    await world.new_task()
    for tasks, fields in (
        ([1, "1", "tsk_gone", 2], {"after.tasks.1", "after.tasks.2", "after.tasks.3"}),
        ([], {"after.tasks"}),
        ([f"tsk_{number}" for number in range(30_000)], {f"after.tasks.{n}" for n in range(100)} | {"after.tasks"}),
    ):
        status, problem = await world.call("POST", "/tasks", json={"automation": "invoices", "after": {"tasks": tasks}})
        assert (422, fields) == (status, {one["field"] for one in problem["errors"]})
    for odd in ({"tasks": [True]}, {"tasks": [1], "when": "never"}, {"tasks": 1}, {}):
        status, _ = await world.call("POST", "/tasks", json={"automation": "invoices", "after": odd})
        assert 422 == status
    assert 1 == len((await world.get("/tasks"))["items"])
