"""Signs of life: ready once, then alive only while the spool answers."""

import asyncio
from typing import Any

import pytest

from agent.daemon.signs import give_signs, status_line
from agent.ports.notify import Notifier

ANSWER = {"linked": True, "problem": "", "slots": 3, "free": 1}


class Heard(Notifier):
    """A manager that remembers."""

    def __init__(self) -> None:
        super().__init__("/run/n", 0.003)
        self.said: asyncio.Queue[dict[str, str]] = asyncio.Queue()

    def send(self, **fields: str) -> None:
        self.said.put_nowait(fields)


async def status() -> dict[str, Any]:
    return ANSWER


async def test_ready_then_alive_while_the_spool_answers() -> None:
    """Issue 6: a stuck daemon is restarted; what is stuck gives no sign."""
    manager, stuck, probes = Heard(), asyncio.Event(), 0

    async def probe() -> None:
        nonlocal probes
        probes += 1
        if probes > 3:
            stuck.set()
            await asyncio.Event().wait()

    async with asyncio.TaskGroup() as group:
        task = group.create_task(give_signs(manager, status, probe))
        await stuck.wait()
        task.cancel()

    said = [manager.said.get_nowait() for _ in range(manager.said.qsize())]
    assert said[0] == {"READY": "1", "STATUS": "linked; 1 of 3 slots free"}
    assert said[1:] == [{"WATCHDOG": "1", "STATUS": "linked; 1 of 3 slots free"}] * 3


async def test_without_a_manager_it_ends() -> None:
    async def never() -> None:
        pytest.fail("nobody listens")

    await give_signs(Notifier(None, None), status, never)


def test_the_status_says_why_there_is_no_link() -> None:
    """An outage of the hub is told, and is no reason to end."""
    line = status_line({**ANSWER, "linked": False, "problem": "refused"})

    assert line == "not linked: refused; 1 of 3 slots free"
