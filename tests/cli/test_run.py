"""`botyard run`: what scripts rely on, followed bytes, parameters as they are declared."""

import asyncio
import signal
from pathlib import Path
from typing import Any

import pytest

from hub.api.task_views import HIDDEN
from tests.support.api_hub import ApiWorld
from tests.support.typed import Typed, process
from tests.support.waiting import eventually, seconds


async def test_run_prints_the_id_first_and_returns(world: ApiWorld, typed: Typed) -> None:
    """design.md §5."""
    answer = await typed("run", "invoices", "-p", "month=2026-03")
    task = await world.get("/tasks/1")
    assert (0, f"{task['id']}\n") == (answer.code, answer.out.decode())
    assert {"month": "2026-03"} == task["parameters"]
    assert "botyard logs -f" in answer.err


@pytest.mark.parametrize(
    ("outcome", "code"), [("succeeded", 0), ("partial", 3), ("failed", 1), ("canceled", 4), ("lost", 6)]
)
async def test_run_follow_shows_the_bytes_and_ends_with_the_outcome(
    world: ApiWorld, typed: Typed, outcome: str, code: int
) -> None:
    """design.md §5: id first, the bytes as the bot wrote them, the outcome's exit code."""
    data = b"one\r\n\xff\x00two\n"
    async with asyncio.TaskGroup() as group:
        follower = group.create_task(typed("run", "invoices", "--follow"))
        task = (await eventually(lambda: _tasks(world)))[0]
        await world.begin(task["id"])
        world.print(data, 0)
        await world.settle(task["id"], outcome=outcome, message="as the bot said", total=3, processed=2, failed=1)
    answer = follower.result()
    assert code == answer.code
    assert f"{task['id']}\n".encode() + data == answer.out
    assert f"{outcome} - as the bot said [3 items: 2 processed, 1 failed]" == answer.err.splitlines()[-1]


async def test_ctrl_c_detaches_and_says_how_to_come_back(world: ApiWorld) -> None:
    """design.md §5: 130 detached; the task goes on."""
    async with process(world, "run", "invoices", "--follow") as child:
        assert child.stdout is not None
        task_id = (await child.stdout.readline()).decode().strip()
        await world.begin(task_id)
        world.print(b"hello\n", 0)
        assert b"hello\n" == await child.stdout.readline()
        child.send_signal(signal.SIGINT)
        async with asyncio.timeout(seconds(20)):
            _, err = await child.communicate()
    assert 130 == child.returncode
    assert f"botyard logs -f {task_id}" in err.decode()
    assert "Traceback" not in err.decode()
    assert "running" == (await world.get(f"/tasks/{task_id}"))["state"]


async def test_parameters_are_typed_as_the_automation_declares_them(world: ApiWorld, typed: Typed) -> None:
    answer = await typed(
        "automation", "create", "typed", "--bot", "invoices", "-p", "count:integer=3", "-p", "name!", "-p", "pin?:text"
    )
    assert 0 == answer.code, answer.err
    await typed("run", "typed", "-p", "count=7", "-p", "name=7", "-p", 'pin=a=b"c')
    task = await world.get("/tasks/1")
    assert {"count": 7, "name": "7"} == {name: task["parameters"][name] for name in ("count", "name")}
    shown = (await typed("automation", "show", "typed")).out.decode()
    assert "count: integer = 3" in shown
    assert "pin: text secret" in shown


async def test_secret_parameters_come_from_a_file(world: ApiWorld, typed: Typed, tmp_path: Path) -> None:
    """S11: what stands on a command line is read by everybody on the machine; `-p` wins where both say something."""
    file = tmp_path / "parameters.json"
    file.write_text('{"month": "3", "pin": "hunter2"}')
    answer = await typed("run", "strict", "--parameters", str(file), "-p", "month=4")
    task = await world.get(f"/tasks/{answer.out.decode().strip()}")
    assert {"month": "4", "pin": HIDDEN} == task["parameters"]
    for text, why in (("[1]", "JSON object"), ("nope", "JSON object"), (None, "can't be read")):
        file.write_text(text) if text is not None else file.unlink()
        refused = await typed("run", "strict", "--parameters", str(file))
        assert 2 == refused.code
        assert why in refused.err
    assert "hunter2" not in answer.err


async def _tasks(world: ApiWorld) -> Any:
    return (await world.get("/tasks"))["items"]
