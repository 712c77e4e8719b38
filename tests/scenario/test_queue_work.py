"""Real bots work a queue through their gateway: a producer, consumers, a crash in the middle, effects done once."""

from pathlib import Path
from typing import Any

import pytest

from tests.support.bots import CALL
from tests.support.rig import Rig
from tests.support.waiting import eventually

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

PRODUCER = (
    CALL
    + """
items = [{"payload": {"number": str(n)}, "reference": str(n)} for n in range(40)]
print(call("/queues/invoices/items/bulk", {"items": items})["added"])
"""
)
CONSUMER = (
    CALL
    + """
import pathlib
diary = pathlib.Path(call("/parameters")["folder"])
while True:
    taken = call("/queues/invoices/take", {"count": 1, "wait_s": 2})["items"]
    if not taken:
        break
    item = taken[0]
    lease = {"fence": item["fence"]}
    paid = call(f"/items/{item['id']}/once/pay", lease)
    if paid["answer"] == "go":
        with open(diary / "paid", "a") as file:
            file.write(item["reference"] + "\\n")
        call(f"/items/{item['id']}/once/pay", {**lease, "outcome": "done", "result": {"receipt": item["reference"]}})
    if item["reference"] == "7" and item["crashes"] == 0:
        os._exit(9)
    call(f"/items/{item['id']}/complete", {**lease, "outcome": "done"})
"""
)


async def test_a_producer_and_four_consumers_with_a_crash(tmp_path: Path) -> None:
    """Forty items, each paid once; one whose bot crashed after paying is finished by another, not paid again."""
    async with Rig(tmp_path) as rig:
        for name in ("desk-1", "desk-2"):
            await rig.add_runner(name, "--slots", "2")
        await rig.botyard("queue", "create", "invoices", "--unique-references", "--backoff", "0")
        await rig.deploy("producer", {"main.py": PRODUCER})
        await rig.deploy("consumer", {"main.py": CONSUMER})
        made = await rig.submit("producer")
        assert (await rig.finished(made))["outcome"] == "succeeded"
        tasks = [await rig.submit("consumer", folder=str(tmp_path)) for _ in range(4)]
        ended = [await rig.finished(task) for task in tasks]
        told = [(one["outcome"], one["message"]) for one in ended]
        assert sorted(one["outcome"] for one in ended) == ["failed", "succeeded", "succeeded", "succeeded"], told
        queue: dict[str, Any] = (await rig.botyard("queue", "show", "invoices", "--json")).json()
        # Should the crash have been the last word, its item waits for the next consumer.
        if queue["counts"].get("done") != 40:
            assert (await rig.finished(await rig.submit("consumer", folder=str(tmp_path))))["outcome"] == "succeeded"
            queue = (await rig.botyard("queue", "show", "invoices", "--json")).json()
        assert queue["counts"] == {"done": 40}
        paid = (tmp_path / "paid").read_text().split()
        assert sorted(paid, key=int) == [str(number) for number in range(40)]
        item = (await rig.botyard("item", "show", "invoices/7", "--json")).json()
        assert [one["outcome"] for one in item["history"]] == ["crashed", "done"]
        assert item["effects"][0]["result"] == {"receipt": "7"}


WORKER = (
    CALL
    + """
import time
while True:
    taken = call("/queues/orders/take", {"count": 1})["items"]
    if not taken:
        break
    time.sleep(0.2)
    call(f"/items/{taken[0]['id']}/complete", {"fence": taken[0]["fence"], "outcome": "done"})
"""
)


async def test_a_queue_trigger_scales_up_to_its_maximum_and_down(tmp_path: Path) -> None:
    """Sixty items: three tasks at most, all of it done, and then none: nothing is made for an empty queue."""
    async with Rig(tmp_path) as rig:
        await rig.add_runner("desk-1", "--slots", "4")
        await rig.botyard("queue", "create", "orders")
        await rig.deploy("worker", {"main.py": WORKER})
        made = ("--queue", "orders", "--items-per-task", "10", "--max-tasks", "3")
        await rig.botyard("trigger", "create", "workers", "worker", *made)
        lines = tmp_path / "orders.jsonl"
        lines.write_text("".join(f'{{"n": {number}}}\n' for number in range(60)))
        await rig.botyard("item", "import", "orders", str(lines))

        async def is_done() -> bool:
            is_open = any(one["state"] != "finished" for one in (await rig.get("/api/v1/tasks"))["items"])
            queue = await rig.get("/api/v1/queues/orders")
            return queue["counts"] == {"done": 60} and not is_open

        await eventually(is_done, within=120, saying="all items are done and no task is left")
        assert 3 == _most_at_once((await rig.get("/api/v1/tasks"))["items"])
        history = (await rig.get("/api/v1/triggers/workers/history"))["items"]
        assert all(one["outcome"] == "fired" for one in history)
        # Each task is made for a reason; one more may come for what waited when another one ended.
        assert 3 <= len(history) <= 6


def _most_at_once(tasks: list[dict[str, Any]]) -> int:
    """How many of them were unfinished at the same moment, at most."""
    spans = [(str(one["created_at"]), str(one["settled_at"])) for one in tasks]
    return max(sum(first <= moment < last for first, last in spans) for moment, _ in spans)
