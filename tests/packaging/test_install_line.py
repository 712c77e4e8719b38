"""One pasted line on a machine that has systemd and Debian's Python, and no network: a runner with work (issue 6)."""

import json
import os
import time
from pathlib import Path

import pytest

from tests.packaging.machine import Machine
from tests.packaging.world import AGENT, HUB, LivingBot, World
from tests.support.certificates import Authority

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    # Each run of the check tries the line without systemd: tests/scenario/test_install_line.py.
    pytest.mark.skipif(
        os.environ.get("BOTYARD_TEST_PACKAGES") != "all", reason="a long test of packages: BOTYARD_TEST_PACKAGES=all"
    ),
]
URL = "https://127.0.0.1:8040"
BUNDLES = "/var/lib/botyard-hub/bundles"
LEFT = f"ls -d /opt/botyard-agent /var/lib/botyard-agent /etc/systemd/system/{AGENT} 2>/dev/null"
CURRENT = "readlink /opt/botyard-agent/current"


@pytest.fixture(scope="module")
def world(machine: Machine, debs: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> World:
    """A hub that speaks https by a certificate that nobody else knows, on a machine that is no runner."""
    made = World(machine)
    authority = Authority(tmp_path_factory.mktemp("ca"))
    issued = authority.issue()
    for file, name in ((issued.cert, "hub.pem"), (issued.key, "hub.key"), (authority.ca, "ca.pem")):
        machine.write(f"/etc/botyard-hub/{name}", file.read_text())
    words = (("TLS_CERT", "hub.pem"), ("TLS_KEY", "hub.key"))
    machine.write(
        "/etc/botyard-hub/hub.env", "".join(f"BOTYARD_HUB_{name}=/etc/botyard-hub/{file}\n" for name, file in words)
    )
    machine.run("dpkg", "-i", "--force-confold", machine.put(debs["botyard-hub"]))
    machine.run("chmod", "0644", *(f"/etc/botyard-hub/{name}" for name in ("hub.pem", "hub.key")))
    assert made.type("stat -c '%a %U' /etc/botyard-hub/hub.env") == "640 root\n"
    machine.run("systemctl", "restart", HUB)
    made.type(f"botyard login {URL} --ca /etc/botyard-hub/ca.pem --token-file /var/lib/botyard-hub/admin-token")
    return made


def line(world: World) -> str:
    """A fresh one; as root, so without sudo."""
    return str(json.loads(world.machine.shell("botyard runner token --json"))["install"]["macos"])


def test_from_the_pasted_line_to_a_finished_task_through_an_upgrade(world: World) -> None:
    """Nothing is left of a line that is wrong; one that is right makes a service, again changes nothing."""
    machine = world.machine
    out = world.type(line(world).replace("sha256//", "sha256//AAAA"), ok=(1,))
    assert "public key" in out
    out = world.type(line(world).replace("byt_", "byt_0"), ok=(78,))
    assert "enrolment token" in out
    assert "" == machine.shell(f"{LEFT} || true")

    began = time.monotonic()
    out = world.type(line(world) + " install --name bare --slots 2")
    print(f"{out}from the pasted line to linked and examined: {time.monotonic() - began:.1f} s")
    assert f"linked to {URL}\n" in out
    world.linked()
    assert ["bare"] == [one["name"] for one in world.asked("runner list")["items"]]
    assert "enabled" == machine.shell(f"systemctl is-enabled {AGENT}").strip()

    out = world.type(line(world).replace("byt_", "byt_0") + " install --again", ok=(78,))
    assert "the service runs again, as the runner that it was\n" in out
    world.linked()

    world.deploy_printer()
    bot = LivingBot(world, "line")
    before, version = world.daemon, machine.shell(CURRENT)
    out = world.type(line(world))
    assert "is runner bare already; the token was not used\n" in out
    assert "runs already\n" in out
    assert (before, version) == (world.daemon, machine.shell(CURRENT))
    bot.lives()

    machine.shell(
        f"cd {BUNDLES} && for one in *; do cp $one botyard-agent-0.1.99-${{one#botyard-agent-*-}}; done; chmod 644 *"
    )
    world.type(line(world))
    world.restarted(before)
    assert "versions/0.1.99\n" == machine.shell(CURRENT)
    bot.lives()
    assert "succeeded" == bot.finish()["outcome"]

    out = world.type("botyard-agent service uninstall --purge")
    assert "removed /opt/botyard-agent\n" in out
    assert "" == machine.shell(
        f"ls -d /usr/local/bin/botyard-agent 2>/dev/null; {LEFT}; getent passwd botyard-agent || true"
    )
