"""Campaigns on a booted machine, and the transcript; each needs root and takes minutes.

python -m tests.packaging transcript > file     install, status, task, restart, upgrade, purge, as they are typed
python -m tests.packaging restarts [N]          N restarts and N kill -9 of the daemon under one living bot each
python -m tests.packaging figures [N]           from service start to linked, median of N; memory of an idle daemon
"""

import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.packaging.machine import booted, why_not
from tests.packaging.world import AGENT, NEWER, LivingBot, World, build_debs, settled

_USUAL = 20


def main(words: list[str]) -> int:
    """Run what the first word says; 0 when all held."""
    count = int(words[1]) if len(words) > 1 else _USUAL
    match words[:1]:
        case ["transcript"]:
            transcript()
        case ["restarts"]:
            restarts(count)
        case ["figures"]:
            figures(count)
        case _:
            sys.stderr.write(__doc__ or "")
            return 2
    return 0


def transcript() -> None:
    """Type what a person types, from the packages to a machine without them; what is printed is all there is."""
    with _machine(print) as (world, folder):
        debs = build_debs(folder / "debs")
        newer = build_debs(folder / "newer", "-v", NEWER, "botyard-agent")["botyard-agent"]
        with settled(world, debs):
            world.type("botyard-agent service status; botyard runner list")
            world.type("botyard-agent run --check-config")
            bot = LivingBot(world, "first")
            main_pid = f"systemctl show -P MainPID {AGENT}"
            world.type(f"{main_pid}; systemctl restart {AGENT}; {main_pid}")
            world.linked()
            bot.lives()
            world.type("botyard task list")
            world.install(newer)
            world.linked()
            bot.lives()
            world.type("botyard runner list")
            bot.finish()
            world.type(f"botyard task show {bot.task}")
            world.type(f"botyard logs {bot.task} | tail -n 3")
            world.type("dpkg --purge botyard-agent botyard-hub 2>&1")
            world.type("ls -d /opt/botyard* /etc/botyard* /var/lib/botyard* /run/botyard*", ok=(2,))


def restarts(count: int) -> None:
    """As many restarts as kills, each series under one bot; each time it is the same process and prints on."""
    with _machine() as (world, folder), settled(world, build_debs(folder / "debs")):
        for name, how in (("restarts", _restart), ("kills", _kill)):
            bot, lived = LivingBot(world, name, code=7), 0
            for _ in range(count):
                before = world.daemon
                how(world)
                world.restarted(before)
                bot.lives()
                lived += 1
            output = bot.finish()["output"]
            print(f"{name}: the bot lived through {lived}/{count}; output {output['says']}, {output['lines']} lines")
            print(f"  groups of the bot: {bot.groups().split()[-1]}", flush=True)


def figures(count: int) -> None:
    """What issue 6 asks for; wall clock, so on a machine with nothing else to do."""
    with _machine() as (world, folder), settled(world, build_debs(folder / "debs")):
        took, cpu = [], []
        for _ in range(count):
            world.machine.run("systemctl", "stop", AGENT)
            begin = time.monotonic()
            world.machine.run("systemctl", "start", "--no-block", AGENT)
            world.linked()
            took.append(time.monotonic() - begin)
            cpu.append(int(world.machine.show(AGENT, "CPUUsageNSec") or 0) / 1e9)
        print(f"start to linked: median {statistics.median(took):.2f} s, from {min(took):.2f} to {max(took):.2f}")
        print(f"CPU of it, zygotes and all: median {statistics.median(cpu):.2f} s")
        for pid in world.machine.shell(f"cat /sys/fs/cgroup/system.slice/{AGENT}/cgroup.procs").split():
            print(_memory(world, pid))


def _memory(world: World, pid: str) -> str:
    sizes = world.machine.shell(f"cat /proc/{pid}/smaps_rollup")
    values = {line.split()[0]: int(line.split()[1]) / 1024 for line in sizes.splitlines()[1:]}
    command = world.machine.shell(f"tr '\\0' ' ' </proc/{pid}/cmdline").strip()
    return f"{values['Rss:']:.0f} MiB RSS, {values['Pss:']:.0f} MiB PSS: {command}"


def _restart(world: World) -> None:
    world.machine.run("systemctl", "restart", AGENT)


def _kill(world: World) -> None:
    world.machine.kill(AGENT, signal.SIGKILL)


@contextmanager
def _machine(told: Callable[[str], None] | None = None) -> Iterator[tuple[World, Path]]:
    reason = why_not()
    if reason is not None:
        sys.exit(reason)
    with tempfile.TemporaryDirectory(prefix="botyard-machine-") as name, booted(Path(name) / "machine") as machine:
        yield World(machine, told), Path(name)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
