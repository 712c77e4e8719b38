"""Both packages under a real systemd: installed, upgraded under a living bot, removed, purged (issue 6).

All of them: BOTYARD_TEST_PACKAGES=all. The long campaigns and the transcript: `python -m tests.packaging --help`.
"""

import os
import signal
from pathlib import Path

import pytest

from tests.packaging.world import AGENT, HOME, HUB, NEWER, LivingBot, World

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
long = pytest.mark.skipif(
    os.environ.get("BOTYARD_TEST_PACKAGES") != "all", reason="a long test of packages: BOTYARD_TEST_PACKAGES=all"
)


def test_a_bot_outlives_its_daemon(world: World) -> None:
    """Restart, kill -9, a daemon that stands still: one process, whole output, true code."""
    machine = world.machine
    machine.write(f"/etc/systemd/system/{AGENT}.d/short.conf", "[Service]\nWatchdogSec=6\n")
    machine.run("systemctl", "daemon-reload")
    bot = LivingBot(world, "outlives", code=7)
    before = world.daemon

    machine.run("systemctl", "restart", AGENT)
    before = world.restarted(before)
    bot.lives()
    machine.kill(AGENT, signal.SIGKILL)
    before = world.restarted(before)
    bot.lives()
    machine.kill(AGENT, signal.SIGSTOP)  # the watchdog ends it
    before = world.restarted(before)
    bot.lives()
    assert "Watchdog timeout" in machine.shell(f"journalctl -u {AGENT}")
    bot.finish()


@long
def test_a_bot_outlives_other_versions(world: World, newer: Path, debs: dict[str, Path]) -> None:
    """Upgrade, downgrade, drain: one process, whole output, true code, and what a person wrote in /etc stays."""
    machine = world.machine
    bot = LivingBot(world, "versions", code=7)
    before = world.daemon

    machine.write("/root/own.toml", "# mine\n")
    machine.run("cp", "/root/own.toml", "/etc/botyard-agent/agent.toml")  # a person's own; an upgrade asks nobody
    world.install(newer)
    assert machine.shell("cat /etc/botyard-agent/agent.toml") == "# mine\n"
    before = world.restarted(before)
    bot.lives()
    assert world.asked("runner show robot-1")["agent_version"] == NEWER
    world.install(debs["botyard-agent"])
    before = world.restarted(before)
    bot.lives()
    assert world.asked("runner show robot-1")["agent_version"] != NEWER
    assert machine.shell("ls /opt/botyard-agent/versions").split() != [NEWER]

    machine.run("botyard-agent", "drain")
    bot.lives()
    bot.finish()
    machine.run("botyard-agent", "drain", "--off")


def test_install_twice_and_without_rights(world: World) -> None:
    """Beside a running one nothing is touched; who may not gets a line that says what to type."""
    before = world.daemon
    out = world.type("botyard-agent service install")
    assert "/lib/systemd/system/botyard-agent.service is as it should be\nruns already\n" in out
    assert before == world.daemon
    out = world.type("runuser -u nobody -- botyard-agent service install --mode service", ok=(78,))
    assert "this needs root: sudo botyard-agent service install --mode service" in out
    assert "apt purge botyard-agent" in world.type("botyard-agent service uninstall --purge", ok=(2,))


@long
def test_a_revoked_runner_ends_once(world: World) -> None:
    """78, and no storm of restarts; enrolled anew it works again."""
    world.type("botyard runner revoke robot-1 --yes")
    world.eventually(lambda: world.machine.show(AGENT, "ActiveState") == "failed", "it gave up")
    assert (world.machine.show(AGENT, "ExecMainStatus"), world.machine.show(AGENT, "NRestarts")) == ("78", "0")
    world.enrol("robot-2", again=True)


@long
def test_a_home_that_cannot_be_written(world: World) -> None:
    """As root's commands may leave it: a sentence in the log, and it runs again when that is mended."""
    world.machine.run("systemctl", "stop", AGENT)
    world.machine.run("chown", "root:root", f"{HOME}/spool.db")
    world.machine.run("systemctl", "start", "--no-block", AGENT)
    log = f"journalctl -u {AGENT} -n 30 -o cat"
    world.eventually(lambda: f"{HOME}/spool.db" in world.machine.shell(log), "it says what it cannot write")
    assert "Traceback" not in world.machine.shell(log)
    world.eventually(lambda: world.machine.show(AGENT, "ActiveState") == "failed", "it waits for a person")
    world.type("botyard-agent service start")
    world.linked()


def test_removed_and_installed_again_both_run(world: World, debs: dict[str, Path]) -> None:
    """As for an upgrade, dpkg tells the version that was there; an existing file of settings is closed."""
    machine = world.machine
    packages = list(debs)
    machine.run("chmod", "0644", "/etc/botyard-hub/hub.env")
    world.type(f"dpkg --remove {' '.join(packages)}")
    for package in packages:
        world.install(debs[package])
    assert {"active"} == {machine.show(unit, "ActiveState") for unit in (AGENT, HUB)}
    assert machine.shell("stat -c '%a %U:%G' /etc/botyard-hub/hub.env") == "640 root:root\n"
    world.linked()

    machine.run("systemctl", "disable", AGENT)
    world.type("dpkg --remove botyard-agent")
    world.install(debs["botyard-agent"])
    assert (machine.show(AGENT, "ActiveState"), machine.show(AGENT, "UnitFileState")) == ("inactive", "disabled")
    world.type(f"systemctl enable --now {AGENT}")
    world.linked()


def test_purged_nothing_is_left(world: World) -> None:
    """Every file below /etc, /opt, /usr, /var and /run that came with the packages or after them is gone."""
    machine = world.machine
    bot = LivingBot(world, "purged")
    world.type("dpkg --remove botyard-agent")
    assert not machine.shell(f"cat /proc/{bot.pid}/comm", check=False).startswith("python"), "its bot lives"
    assert "identity.json" in machine.shell(f"ls {HOME}")
    world.type("dpkg --purge botyard-agent")
    world.type("dpkg --purge botyard-hub")
    machine.run("rm", "-rf", f"/etc/systemd/system/{AGENT}.d")  # this test's own
    left = machine.shell(
        "find / -xdev -iname '*botyard*' -not -path '/proc/*' -not -path '/tmp/*' -not -path '/root/*'"
    )
    ours = [line for line in left.splitlines() if (machine.root / line.lstrip("/")).exists()]
    assert [line for line in ours if not Path(line).exists()] == []
    for unit in (AGENT, HUB):
        assert machine.show(unit, "LoadState") == "not-found"
