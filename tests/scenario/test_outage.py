"""An application is down while real bots work at its items: its breaker opens, no item pays for it (R60)."""

from pathlib import Path
from typing import Any

import pytest

from tests.support.bots import CALL
from tests.support.rig import Rig
from tests.support.waiting import eventually

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

ITEMS, BOTS, THRESHOLD = 30, 2, 3
# Its application answers as long as there is a file `up`; it works until somebody says that it is enough.
WORKER = (
    CALL
    + """
import pathlib
folder = pathlib.Path(call("/parameters")["folder"])
while not (folder / "enough").exists():
    for item in call("/queues/payments/take", {"count": 1, "wait_s": 1})["items"]:
        how = {"outcome": "done"}
        if not (folder / "up").exists():
            how = {"outcome": "failed", "error_class": "system", "message": "no answer from sap"}
        call(f"/items/{item['id']}/complete", {"fence": item["fence"], **how})
"""
)


async def test_an_outage_burns_no_attempts_and_ends_slowly(tmp_path: Path) -> None:
    """Opened by three errors, held, probed by one item at a time, closed by probes that passed; nothing spent."""
    async with Rig(tmp_path) as rig:
        await rig.add_runner("desk-1", "--slots", str(BOTS))
        await rig.deploy("worker", {"main.py": WORKER})
        # An item that is tried twice in all would be lost to such an outage, if its tries counted.
        await rig.botyard("queue", "create", "payments", "--target", "sap", "--attempts", "2", "--backoff", "0")
        limits = ("--threshold", str(THRESHOLD), "--probe-after", "1s", "--cap", "1s", "--close-after", "3")
        await rig.botyard("breaker", "edit", "sap", *limits)
        some = [{"payload": {"n": number}} for number in range(ITEMS)]
        await rig.send("POST", "/api/v1/queues/payments/items/bulk", {"items": some})
        wanted = {"automation": "worker", "parameters": {"folder": str(tmp_path)}}
        tasks = [(await rig.send("POST", "/api/v1/tasks", wanted))["id"] for _ in range(BOTS)]

        async def kinds() -> list[str]:
            page = await rig.get("/api/v1/events?limit=500")
            return [one["kind"] for one in page["items"] if one["kind"].startswith("breaker.")]

        async def was_probed_in_vain() -> bool:
            return (await kinds()).count("breaker.opened") >= 3

        await eventually(was_probed_in_vain, within=60, saying="two probes went by the clock, and failed")
        shown = (await rig.botyard("breaker", "show", "sap")).text
        assert "no answer from sap" in shown
        told = [one["kind"] for one in (await rig.get("/api/v1/events?limit=500"))["items"]]
        assert "item.failed" not in told
        (tmp_path / "up").touch()

        async def is_done() -> bool:
            counts: dict[str, int] = (await rig.get("/api/v1/queues/payments"))["counts"]
            return counts == {"done": ITEMS}

        await eventually(is_done, within=90, saying="all items are done")
        (tmp_path / "enough").touch()
        assert {"succeeded"} == {(await rig.finished(task))["outcome"] for task in tasks}
        said = await kinds()
        assert ["breaker.half_open", "breaker.closed"] == said[-2:]
        assert "closed" == (await rig.get("/api/v1/breakers/sap"))["state"]
        _judge(await _attempts(rig), openings=said.count("breaker.opened"))


def _judge(attempts: list[dict[str, Any]], openings: int) -> None:
    """Attempts burnt: 0; and nobody ran against the wall more often than it took to know it."""
    failed = [one for one in attempts if one["outcome"] == "failed"]
    assert [] == [one for one in failed if one["counted"]]
    assert ITEMS == sum(one["outcome"] == "done" for one in attempts)
    # What opened it, what the other bots had in hand just then, and one probe for each time that it stayed open.
    assert THRESHOLD + openings - 1 <= len(failed) <= THRESHOLD + BOTS - 1 + openings - 1


async def _attempts(rig: Rig) -> list[dict[str, Any]]:
    page = await rig.get(f"/api/v1/queues/payments/items?limit={ITEMS}")
    items = [await rig.get(f"/api/v1/items/{one['id']}") for one in page["items"]]
    assert {1} == {one["tries"] for one in items}
    return [attempt for item in items for attempt in item["history"]]
