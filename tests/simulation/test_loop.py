"""The simulator's own loop: virtual time, seeded order, processes that die (reliability.md T1)."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest

from tests.simulation.chance import Chance
from tests.simulation.clock import HostClock
from tests.simulation.loop import BusyLoop, Deadlock, SimLoop
from tests.simulation.process import Host

ROOT = Path(__file__).resolve().parents[2]


def run(main: Coroutine[Any, Any, Any], seed: int = 1) -> SimLoop:
    """Run a coroutine in a fresh world's loop."""
    loop = SimLoop(Chance(seed).stream("order"))
    try:
        loop.run_until_complete(main)
    finally:
        loop.dispose()
        loop.close()
    return loop


async def crowd(seen: list[str]) -> None:
    """Some tasks that meet each other at random; what they say of themselves stands in sets."""

    async def one(name: str) -> None:
        for _ in range(5):
            await asyncio.sleep(0)
            seen.append(name)
            await asyncio.to_thread(seen.append, f"thread of {name}")
        await asyncio.sleep(3600.0)

    async with asyncio.TaskGroup() as group:
        tasks = {group.create_task(one(name)) for name in "abcdef"}
        await asyncio.sleep(1.0)
        for task in tasks:
            task.cancel()


def test_time_jumps_to_the_next_timer() -> None:
    """T1: a day of sleep costs one turn, and no time of ours."""
    loop = run(asyncio.sleep(86_400.0))
    assert loop.now == pytest.approx(86_400.0)
    assert loop.steps < 10


def test_the_seed_decides_the_order_and_nothing_else() -> None:
    """T1: same seed, same trace; another seed, another order of the same things."""
    first: list[str] = []
    again: list[str] = []
    other: list[str] = []
    assert run(crowd(first)).digest == run(crowd(again)).digest
    assert run(crowd(other), seed=2).digest != run(crowd([])).digest
    assert first == again != other
    assert sorted(first) == sorted(other)


@pytest.mark.parametrize("hash_seed", ["0", "1", "4711"])
def test_the_trace_does_not_depend_on_the_hash_seed(hash_seed: str) -> None:
    """T1: neither addresses nor hashes of strings decide anything: cancelling a set of tasks goes the same way."""
    code = "from tests.simulation.test_loop import crowd, run; print(run(crowd([])).digest)"
    env = os.environ | {"PYTHONHASHSEED": hash_seed}
    told = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=env, capture_output=True, text=True, check=True)
    assert told.stdout.strip() == run(crowd([])).digest


def test_callbacks_of_one_process_keep_their_order() -> None:
    """What asyncio promises holds: call_soon is first in, first out."""
    seen: list[int] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        for number in range(20):
            loop.call_soon(seen.append, number)
        await asyncio.sleep(1.0)

    run(main())
    assert seen == list(range(20))


def test_nothing_runs_of_a_killed_process() -> None:
    """After kill -9 nothing of it runs in the world: no `finally`, no `except`."""
    said: list[str] = []

    async def victim() -> None:
        try:
            await asyncio.to_thread(said.append, "before")
            await asyncio.sleep(10.0)
        finally:
            said.append("finally")

    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, SimLoop)
        process = loop.process("victim", Host("h"))
        process.on_death.append(lambda: said.append("the kernel knows"))
        loop.spawn(process, victim(), "victim")
        await asyncio.sleep(1.0)
        loop.kill(process)
        await asyncio.sleep(100.0)
        assert said == ["before", "the kernel knows"]

    run(main())


def test_a_stopped_process_goes_on_where_it_was() -> None:
    """R7: SIGSTOP; what came due meanwhile runs afterwards."""
    woke: list[float] = []

    async def sleeper() -> None:
        await asyncio.sleep(5.0)
        woke.append(asyncio.get_running_loop().time())

    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, SimLoop)
        process = loop.process("sleeper", Host("h"))
        loop.spawn(process, sleeper(), "sleeper")
        await asyncio.sleep(1.0)
        loop.stop_process(process)
        await asyncio.sleep(19.0)
        loop.continue_process(process)
        await asyncio.sleep(1.0)

    run(main())
    assert woke == [pytest.approx(1020.0)]


def test_a_suspended_machine_counts_sleep_by_its_boot_clock_only() -> None:
    """D3, R39: three hours of sleep are nothing to the monotonic clock and its timers, and everything to the others."""
    read: list[tuple[float, float, float]] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, SimLoop)
        host = Host("h")
        clock = HostClock(loop, host)

        async def sleeper() -> None:
            began = clock.monotonic(), clock.boot_ns(), clock.now()
            await asyncio.sleep(10.0)
            wall = (clock.now() - began[2]).total_seconds()
            read.append((clock.monotonic() - began[0], (clock.boot_ns() - began[1]) / 1e9, wall))

        loop.spawn(loop.process("p", host), sleeper(), "sleeper")
        await asyncio.sleep(1.0)
        loop.sleep_host(host, 10_800.0)
        await asyncio.sleep(20_000.0)

    run(main())
    assert [pytest.approx((10.0, 10_810.0, 10_810.0))] == read


def test_nothing_runs_on_a_machine_that_sleeps() -> None:
    """R39: what is started, told to go on, or given another rate meanwhile stands still until the machine wakes."""
    ran: list[tuple[str, float]] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, SimLoop)
        host = Host("h")

        async def note(name: str) -> None:
            ran.append((name, loop.now))
            await asyncio.sleep(10.0)
            ran.append((name, loop.now))

        old = loop.process("old", host)
        loop.spawn(old, note("old"), "old")
        await asyncio.sleep(1.0)
        loop.sleep_host(host, 600.0)
        await asyncio.sleep(1.0)
        loop.spawn(loop.process("young", host), note("young"), "young")
        loop.stop_process(old)
        loop.continue_process(old)
        loop.change_rate(host, 0.5)
        await asyncio.sleep(1000.0)

    run(main())
    told = sorted((name, round(at, 6)) for name, at in ran)
    assert told == [("old", 0.0), ("old", 619.0), ("young", 601.0), ("young", 621.0)]


def test_a_fast_clock_is_fast_in_all_it_says() -> None:
    """R38: a machine whose clock runs 10 % fast waits shorter, and its wall clock goes astray."""
    took: list[float] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, SimLoop)
        host = Host("h", rate=1.1)
        clock = HostClock(loop, host)
        process = loop.process("p", host)
        before = clock.now()
        began = loop.now
        await loop.spawn(process, asyncio.sleep(110.0), "sleeper")
        took.extend([loop.now - began, (clock.now() - before).total_seconds()])

    run(main())
    assert took == [pytest.approx(100.0), pytest.approx(110.0)]


def test_waiting_for_nothing_is_told() -> None:
    """A world in which nothing can happen any more is a failure with a list of who waits."""
    with pytest.raises(Deadlock, match="nothing will ever happen"):
        run(asyncio.Event().wait())


def test_a_busy_loop_is_told() -> None:
    """So is one that turns for ever without letting time pass."""

    async def busy() -> None:
        while True:  # noqa: ASYNC110 - that is the fault
            await asyncio.sleep(0)

    with pytest.raises(BusyLoop, match="busy"):
        run(busy())
