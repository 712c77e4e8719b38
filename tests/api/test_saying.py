"""What bots say beside reports, as clients see it: outputs, summary, remarks, rows, progress (bot-packages.md §7)."""

import asyncio
from functools import partial
from typing import Any

from tests.api.test_output import follow
from tests.support.api_hub import EXECUTION, ApiWorld, ServerSent
from tests.support.waiting import eventually


async def rows(world: ApiWorld, task: Any, *logs: str) -> None:
    """A row of each of these logs, in their order, in the one attempt."""
    for seq, log in enumerate(logs, start=1):
        columns = [["zulu", seq], ["a", None]]
        values: dict[str, Any] = {"execution_id": EXECUTION, "seq": seq, "task_id": task["id"], "columns": columns}
        await world.insert("log_rows", log=log, at=world.clock.now(), **values)


async def test_a_task_shows_what_its_newest_attempt_said(each_world: ApiWorld) -> None:
    """Outputs in the bot's order; empty before it has said anything."""
    world = each_world
    task = await world.new_task()
    await world.begin(task["id"])
    counts = {"error": 0, "warning": 60, "notice": 0}
    annotations = [{"level": "warning", "title": "t", "text": "x"}]
    said: dict[str, Any] = {
        "outputs": [["zulu", "1"], ["a", "2"]],
        "summary": "# ok",
        "summary_cut": True,
        "annotations": annotations,
    }
    await world.insert("said", execution_id=EXECUTION, seq=3, counts=counts, at=world.clock.now(), **said)

    shown = await world.get(f"/tasks/{task['id']}")

    assert [("zulu", "1"), ("a", "2")] == list(shown["outputs"].items())
    assert ("# ok", True) == (shown["summary"], shown["summary_cut"])
    assert (annotations, counts) == (shown["annotations"], shown["annotation_counts"])
    # a listing stays light
    (listed,) = (await world.get("/tasks"))["items"]
    assert "summary" not in listed
    assert listed["progress"] is None


async def test_rows_are_listed_by_page_and_by_log(each_world: ApiWorld) -> None:
    """Oldest first; columns as the bot named them."""
    world = each_world
    task = await world.new_task()
    assert {"items": [], "next": None} == await world.get(f"/tasks/{task['id']}/log")
    await world.begin(task["id"])
    await rows(world, task, "a", "b", "a")

    first = await world.get("/tasks/1/log?limit=2")
    rest = await world.get(f"/tasks/1/log?limit=2&cursor={first['next']}")

    assert ["a", "b", "a"] == [row["log"] for row in (*first["items"], *rest["items"])]
    assert [("zulu", 1), ("a", None)] == list(first["items"][0]["columns"].items())
    assert EXECUTION == first["items"][0]["execution"]
    assert rest["next"] is None
    chosen = await world.get("/tasks/1/log?log=a")
    assert [1, 3] == [row["columns"]["zulu"] for row in chosen["items"]]


async def test_a_cursor_of_elsewhere_is_refused_in_words(world: ApiWorld) -> None:
    """The fault names the field and the remedy."""
    task = await world.new_task()
    for cursor in ("!", "ZXhlXzE6MQ"):
        status, problem = await world.call("GET", f"/tasks/{task['id']}/log?cursor={cursor}")
        assert (400, "cursor") == (status, problem["errors"][0]["field"])
        assert "next" in problem["errors"][0]["remedy"]


async def test_a_follower_is_told_progress_as_it_changes(world: ApiWorld) -> None:
    """An event of its own, once for each word."""
    task = await world.new_task()
    seen: list[ServerSent] = []

    def told() -> list[Any]:
        return [event.data for event in seen if event.name == "progress"]

    def is_told(count: int) -> bool:
        return len(told()) == count

    async with asyncio.TaskGroup() as group:
        group.create_task(follow(world, task["id"], seen))
        await world.begin(task["id"])
        for count, percent in enumerate((10.0, 20.0), start=1):
            word = {"progress_percent": percent, "progress_text": "on its way", "progress_at": world.clock.now()}
            await world.update("executions", EXECUTION, **word)
            await eventually(partial(is_told, count))
        await world.settle(task["id"])
    assert [10.0, 20.0] == [event["percent"] for event in told()]
    assert "on its way" == told()[0]["text"]
