"""Every limit of an execution, exceeded by a real bot, in each mode that this machine has (S20, R30, R32, R34)."""

import asyncio
import signal
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from agent.cgroups.choice import MEMORY, chosen
from agent.daemon.limiting import make_groups
from agent.process import find_by_execution_id, usage_of
from agent.shim.bounds import Bounds
from agent.shim.client import LiveLimits
from agent.wire.task import Limits
from agent.wire.words import ExitKind, StopCause
from tests.support.limited_bots import NO_GROUPS, Limited, is_removed
from tests.support.shims import CLOCK, Bot, ShimHome, output_of, python
from tests.support.waiting import eventually

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the shim of Linux")
MIB = 2**20
EATS_MEMORY = """
import time
held = []
for _ in range(60):
    held.append(bytearray(b'x') * (4 << 20))
    time.sleep(0.02)
time.sleep(60)
"""
FORKS = """
import os, signal, time
signal.signal(signal.SIGINT, signal.SIG_IGN)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
for _ in range(60):
    try:
        if os.fork() == 0:
            time.sleep(60)
    except BlockingIOError:
        time.sleep(0.05)
time.sleep(60)
"""
BOMB_IN_BACKGROUND = """
import os, time
if os.fork() == 0:
    os.setsid()
    for _ in range(6):
        os.fork()
    while True:
        time.sleep(1)
"""
SPINS = """
import os
if os.fork() == 0:
    while True:
        pass
os.wait()
"""
FILLS = """
import time
for number in range(200):
    with open(f'{number}.bin', 'wb') as file:
        file.write(b'x' * (1 << 20))
    time.sleep(0.02)
time.sleep(60)
"""


def alive_of(record_of: Bot) -> list[int]:
    """Processes of the execution by their environment: the proof that does not ask the shim."""
    return find_by_execution_id(record_of.order.execution_id)


async def test_too_much_memory(limited: Limited) -> None:
    """The kernel ends it (`oom_killed`), or its shim does (`limit`): with what was allowed, and the peak (R30)."""
    record = await limited.run(EATS_MEMORY, Limits(memory_bytes=64 * MIB))
    if limited.with_groups:
        assert (record.how, record.cause) == (ExitKind.OOM_KILLED, None)
        assert record.error == "the memory limit of 64.0 MiB was reached"
        assert 60 * MIB < record.peak_memory_bytes <= 64 * MIB
    else:
        assert (record.how, record.cause) == (ExitKind.SIGNAL, StopCause.LIMIT)
        assert record.error.endswith("of memory, 64.0 MiB are allowed")
        # No upper bound: how far it gets between two looks is the machine's affair.
        assert record.peak_memory_bytes > 64 * MIB
    assert record.signal == signal.SIGKILL


async def test_memory_of_a_child_is_the_bots(limited: Limited) -> None:
    """A small main process whose child eats it all ends too: at once, as half a bot is worth nothing."""
    code = f"import os\nif os.fork() == 0:\n    exec({EATS_MEMORY!r})\nimport time\ntime.sleep(60)"
    record = await limited.run(code, Limits(memory_bytes=64 * MIB))
    assert record.cause is StopCause.LIMIT or record.how is ExitKind.OOM_KILLED
    assert "64.0 MiB" in record.error
    assert record.signal == signal.SIGKILL


async def test_shared_memory_counts_once(watched: Limited) -> None:
    """Ten processes that share 20 MiB since their fork do not use 200."""
    code = """
import os, time
held = bytearray(b'x') * (20 << 20)
for _ in range(9):
    if os.fork() == 0:
        time.sleep(1.5)
        os._exit(0)
for _ in range(9):
    os.wait()
print('fine')
"""
    record = await watched.run(code, Limits(memory_bytes=120 * MIB))
    assert (record.how, record.code, record.cause) == (ExitKind.NORMAL, 0, None)


async def test_too_many_processes(limited: Limited) -> None:
    """A fork bomb is ended at once, whole, whatever it ignores (R32)."""
    bot = await limited.start(FORKS, Limits(processes=20))
    record = await bot.ends()
    assert (record.cause, record.signal) == (StopCause.LIMIT, signal.SIGKILL)
    assert record.error.endswith("processes and threads, 20 are allowed")
    assert (alive_of(bot), record.survivors) == ([], ())


async def test_threads_count(limited: Limited) -> None:
    """Threads are what the kernel counts as well."""
    code = """
import threading, time
for _ in range(40):
    try:
        threading.Thread(target=time.sleep, args=(30,), daemon=True).start()
    except RuntimeError:
        time.sleep(0.1)
time.sleep(30)
"""
    record = await limited.run(code, Limits(processes=10))
    assert (record.cause, record.signal) == (StopCause.LIMIT, signal.SIGKILL)


async def test_what_a_bot_leaves_behind_is_bounded_too(limited: Limited) -> None:
    """The main process ends at once and daemonises a crowd: gone within 10 s, and the bot's own end counts (R32)."""
    bot = await limited.start(BOMB_IN_BACKGROUND, Limits(processes=30))
    record = await bot.ends()
    assert (record.how, record.survivors) == (ExitKind.NORMAL, ())
    assert alive_of(bot) == []


async def test_too_much_cpu_time(limited: Limited) -> None:
    """CPU time of children counts; the bot is asked first, by the ladder."""
    record = await limited.run(SPINS, Limits(cpu_seconds=0.5))
    assert record.cause is StopCause.LIMIT
    assert record.error.endswith("s of CPU time, 0.5 s are allowed")


async def test_cpu_time_of_the_ended_counts(watched: Limited) -> None:
    """Nobody escapes by many short processes, not even by orphans."""
    code = """
import os, time
while True:
    if os.fork() == 0:
        if os.fork() == 0:
            end = time.process_time() + 0.05
            while time.process_time() < end: pass
        os._exit(0)
    os.wait()
    time.sleep(0.05)
"""
    record = await watched.run(code, Limits(cpu_seconds=0.5))
    assert record.cause is StopCause.LIMIT


async def test_more_cores_than_allowed_are_not_given(limited: Limited) -> None:
    """Two busy processes with one core: slower, and not ended."""
    code = """
import os, time
if os.fork() == 0:
    while True: pass
end = time.monotonic() + 1.5
while time.monotonic() < end: pass
print(sum(os.times()[:4]), len(os.sched_getaffinity(0)))
os.kill(0, 9)
"""
    cores = 0.5 if limited.with_groups else 1.0
    bot = await limited.start(code, Limits(cpu_cores=cores))
    await bot.ends()
    used, cpus = output_of(bot.folder).split()
    if limited.with_groups:
        assert float(used) < 1.0
    else:
        assert int(cpus) == 1


async def test_too_much_disk(limited: Limited) -> None:
    """What it adds below its folder; what stood there before is not its own."""
    order_is_full = limited.home.order(python("")).folder
    (Path(order_is_full) / "work" / "given").write_bytes(b"x" * MIB * 20)
    folder = {"folder": order_is_full, "cwd": f"{order_is_full}/work", "execution_id": Path(order_is_full).name}
    record = await limited.run(FILLS, Limits(disk_bytes=10 * MIB), **folder)
    assert record.cause is StopCause.LIMIT
    assert record.error.endswith("to its folder, 10.0 MiB are allowed")
    assert record.error.startswith("it wrote 1")


async def test_too_many_open_files(limited: Limited) -> None:
    """The call that would open one more fails; what the bot makes of it is its own affair."""
    code = "import errno\nfiles = []\ntry:\n    while True: files.append(open('/dev/null'))\n"
    code += "except OSError as error:\n    print(len(files), errno.errorcode[error.errno])"
    bot = await limited.start(code, Limits(open_files=16))
    record = await bot.ends()
    assert record.how is ExitKind.NORMAL
    assert output_of(bot.folder) == b"13 EMFILE\n"


async def test_a_file_too_large(limited: Limited) -> None:
    """By its signal it ends with the limit named; a bot that ignores the signal gets an error instead."""
    grows = "import os\nfile = open('big', 'wb', 0)\nwhile True: file.write(b'x' * 65536)"
    obeys = f"import signal\nsignal.signal(signal.SIGXFSZ, signal.SIG_DFL)\n{grows}"
    record = await limited.run(obeys, Limits(file_bytes=MIB))
    assert record.signal == signal.SIGXFSZ
    assert record.error == "a file would have become larger than the 1.0 MiB that are allowed"
    bot = await limited.start(grows, Limits(file_bytes=MIB))
    record = await bot.ends()
    assert (record.how, record.code) == (ExitKind.NORMAL, 1)
    assert b"File too large" in output_of(bot.folder)


async def test_no_progress_is_silence(watched: Limited) -> None:
    """A bot that prints goes on; one that falls silent is stopped (R34)."""
    code = """
import time
for number in range(8):
    print(number, flush=True)
    time.sleep(0.2)
time.sleep(60)
"""
    bot = await watched.start(code, Limits(no_progress_s=0.8))
    record = await bot.ends()
    assert record.cause is StopCause.NO_PROGRESS
    assert b"\n7\nTraceback" in output_of(bot.folder)


async def test_a_call_of_the_gateway_is_progress(watched: Limited) -> None:
    """What the daemon tells the shim by `touch` counts as output does."""
    bot = await watched.start("import time; time.sleep(1.8)", Limits(no_progress_s=0.9))
    for _ in range(6):
        await asyncio.sleep(0.25)
        await bot.link.touch()
    record = await bot.ends()
    assert (record.cause, record.code) == (None, 0)


async def test_the_clock_of_progress_needs_no_daemon(watched: Limited) -> None:
    """It stands in the shim: the daemon's connection is gone, and the silent bot is stopped all the same."""
    bot = await watched.start("import time; time.sleep(60)", Limits(no_progress_s=0.6))
    bot.link.close()
    bot.client = None
    record = await bot.ends()
    assert record.cause is StopCause.NO_PROGRESS


async def test_limits_change_while_it_runs(limited: Limited) -> None:
    """An operator's new limits count at once: tightened ones end it, loosened ones let it go on."""
    nothing = LiveLimits(run_limit_s=None, no_progress_s=None, bounds=Bounds())
    loosened = await limited.start("import time; time.sleep(1.2)", Limits(run_limit_s=0.7, no_progress_s=0.7))
    await loosened.link.set_limits(nothing)
    await loosened.link.set_limits(nothing)
    record = await loosened.ends()
    assert (record.cause, record.code) == (None, 0)

    tightened = await limited.start(FILLS, Limits())
    await tightened.link.set_limits(replace(nothing, bounds=Bounds(disk_bytes=5 * MIB)))
    record = await tightened.ends()
    assert record.cause is StopCause.LIMIT
    assert "5.0 MiB are allowed" in record.error


async def test_limits_that_are_taken_away_cost_nothing(watched: Limited) -> None:
    """Looked at until then, and then no more."""
    bot = await watched.start("import time; print('up'); time.sleep(600)", Limits(run_limit_s=None, processes=50))
    await bot.prints(b"up")
    await bot.link.set_limits(LiveLimits(run_limit_s=None, no_progress_s=None, bounds=Bounds()))
    await asyncio.sleep(0.3)
    before = _switches(bot)
    await asyncio.sleep(1.2)
    assert _switches(bot) == before
    assert _cpu_s(bot) < 0.5
    await bot.link.stop(StopCause.KILL)
    await bot.ends()


async def test_a_large_folder_is_measured_in_little_time(watched: Limited) -> None:
    """A walk over 20,000 files costs a twentieth of the time, and what is fast is looked at meanwhile."""
    code = """
import os, time
for number in range(20000):
    open(str(number), 'w').close()
print('made', flush=True)
time.sleep(2)
for _ in range(8):
    os.fork()
time.sleep(60)
"""
    bot = await watched.start(code, Limits(disk_bytes=2**40, processes=30))
    await bot.prints(b"made", within=30)
    before = _cpu_s(bot)
    await asyncio.sleep(1.0)
    assert _cpu_s(bot) - before < 0.4
    began = CLOCK.monotonic()
    record = await bot.ends()
    assert record.cause is StopCause.LIMIT
    assert "30 are allowed" in record.error
    assert CLOCK.monotonic() - began < 12


async def test_out_of_memory_where_no_group_tells(watched: Limited, tmp_path: Path) -> None:
    """A container's limit that the runner cannot see: the machine's count of such kills tells it (R30: none)."""
    if MEMORY not in chosen().limits:
        pytest.skip(NO_GROUPS)
    group, _ = make_groups(f"exe_unseen_{tmp_path.name}", Limits(memory_bytes=64 * MIB), chosen())
    enters = f"open('{group.limits[MEMORY]}/cgroup.procs', 'w').write('0')\n{EATS_MEMORY}"
    record = await watched.run(enters, Limits())
    assert (record.how, record.cause, record.error) == (ExitKind.OOM_KILLED, None, "")
    await eventually(lambda: is_removed(group), saying="its group is removed")


async def test_a_kill_by_somebody_is_no_want_of_memory(watched: Limited) -> None:
    """SIGKILL alone proves nothing."""
    record = await watched.run("import os; os.kill(os.getpid(), 9)", Limits())
    assert (record.how, record.signal) == (ExitKind.SIGNAL, signal.SIGKILL)


async def test_a_bot_without_bounds_is_not_looked_at(home: ShimHome) -> None:
    """Defaults cost nothing: the shim's loop sleeps until something happens."""
    bot = await home.start("import time; print('up'); time.sleep(600)", run_limit_s=None)
    await bot.prints(b"up")
    await asyncio.sleep(0.3)
    before = _switches(bot)
    await asyncio.sleep(1.5)
    assert _switches(bot) == before
    await bot.link.stop(StopCause.KILL)
    await bot.ends()


def _cpu_s(bot: Bot) -> float:
    """CPU time of the shim so far."""
    usage = usage_of(bot.link.state.shim)
    return usage.cpu_seconds if usage else 0.0


def _switches(bot: Bot) -> int:
    """How often the shim went to sleep by itself."""
    lines = Path(f"/proc/{bot.link.state.shim}/status").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("voluntary_ctxt_switches"))
