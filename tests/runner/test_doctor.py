"""`botyard-agent doctor` on real homes, against a scripted hub: every bad input of issue 6, and what `--fix` mends."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from agent.desktops import DesktopFacts, PowerFacts
from agent.doctor.command import as_lines
from agent.doctor.examine import examine
from agent.doctor.finding import Finding, Verdict
from agent.doctor.fixing import fix
from agent.doctor.ports import Ports
from agent.home import Home
from agent.keys import new_key, public_key
from agent.ports import SystemClock, SystemDisk
from agent.ports.tools import ToolCommand, ToolResult
from agent.wire.messages import Rejected
from tests.runner.conftest import credit
from tests.support.certificates import Authority
from tests.support.leaks import no_leaks
from tests.support.runner import RunnerProcess
from tests.support.scripted_hub import ScriptedHub
from tests.support.way import server_context

DAY = timedelta(days=1)


class OffClock(SystemClock):
    """The machine's, off by some time."""

    def __init__(self, off: timedelta) -> None:
        self._off = off

    def now(self) -> datetime:
        """Return the wall clock's time."""
        return super().now() + self._off


async def programs(command: ToolCommand, on_line: object = None) -> ToolResult:
    """Python and uv as they answer; started for real by one test only."""
    del on_line
    return ToolResult(exit_code=0, output="uv 0.13.9" if command.argv[-1] == "--version" else "3.11.2 True")


async def desktop(*_: object) -> DesktopFacts:
    """None."""
    return DesktopFacts(kind="none", problem="DISPLAY is not set")


async def power(*_: object) -> PowerFacts:
    """It does not sleep."""
    return PowerFacts(can_sleep=False)


PORTS = Ports(environment={}, tool=programs, desktop=desktop, power=power, find_uv=lambda: Path("/usr/bin/uv"))


@pytest.fixture
async def hub() -> AsyncIterator[ScriptedHub]:
    """A hub that listens, for one test."""
    with no_leaks():
        hub = ScriptedHub()
        await hub.serve()
        yield hub
        await hub.close()
    assert hub.problems == []


def enrolled(hub: ScriptedHub, folder: Path, url: str = "") -> RunnerProcess:
    """A home that is a runner of the hub."""
    runner = RunnerProcess(folder / "home")
    runner.enrol_by_hand(hub, url or f"http://127.0.0.1:{hub.port}")
    return runner


async def found(home: Path, ports: Ports = PORTS) -> dict[str, Finding]:
    """What the doctor says, by check."""
    return {one.check: one for one in await examine(home, ports)}


async def test_a_fit_home_without_a_daemon(hub: ScriptedHub, tmp_path: Path) -> None:
    """Everything is tried; the hub lets it in, and the next daemon's join counter is higher still."""
    runner = enrolled(hub, tmp_path)
    before = sorted(path.name for path in runner.home.iterdir())

    said = await found(runner.home)

    bad = [one for one in said.values() if one.verdict in {Verdict.WRONG, Verdict.UNKNOWN}]
    assert [one.check for one in bad] == ["resolution", "lock"], bad
    assert (said["daemon"].verdict, said["daemon"].text) == (Verdict.WARNING, "it does not run")
    assert "lets this runner in" in said["link"].text
    assert said["clock"].verdict is Verdict.FINE
    assert [hello.join for hello in hub.hellos] == [1]
    assert hub.resumes == [], "no inventory: the hub concludes nothing"
    assert sorted(path.name for path in runner.home.iterdir()) == before
    await found(runner.home)
    assert [hello.join for hello in hub.hellos] == [1, 2]


async def test_beside_a_running_daemon_nobody_joins(hub: ScriptedHub, tmp_path: Path) -> None:
    """Its session lives on; status tells since when, its spool, its versions and its desktop."""
    runner = enrolled(hub, tmp_path)
    runner.start()
    try:
        await credit(hub, 0)
        said = await found(runner.home)
        assert (said["daemon"].verdict, said["link"].verdict) == (Verdict.FINE, Verdict.FINE), said
        assert len(hub.hellos) == 1

        line = [sys.executable, "-P", "-m", "agent", "status", "--json", "--home", str(runner.home)]
        done = await asyncio.to_thread(subprocess.run, line, capture_output=True, text=True, timeout=60, check=False)
        status = json.loads(done.stdout)
        assert datetime.fromisoformat(status["running_since"]) <= datetime.fromisoformat(status["linked_since"])
        assert (status["protocol"], status["spool"]["facts"], status["spool"]["output_bytes"]) == (1, 0, 0)
        assert status["spool"]["bytes"] > 0
        assert {"kind", "name", "width", "is_locked"} <= set(status["desktop"])
        text = await asyncio.to_thread(
            subprocess.run, [*line[:5], *line[6:]], capture_output=True, text=True, timeout=60, check=False
        )
        assert f"linked since {status['linked_since']}" in text.stdout
        assert ["version", "spool:", "desktop:"] == [
            row.split()[0] for row in text.stdout.splitlines() if row.split()[0] in {"version", "spool:", "desktop:"}
        ]
    finally:
        runner.close()


async def test_a_killed_daemon_leaves_a_socket_that_fix_removes(hub: ScriptedHub, tmp_path: Path) -> None:
    runner = enrolled(hub, tmp_path)
    runner.start()
    await credit(hub, 0)
    runner.kill()
    runner.close()

    said = await found(runner.home)
    assert (said["daemon"].verdict, "left over" in said["daemon"].text) == (Verdict.WARNING, True)
    assert fix(said.values(), runner.home, SystemDisk()) == [f"removed {runner.home / 'control'}"]
    assert (await found(runner.home))["daemon"].text == "it does not run"


async def test_a_revoked_runner_is_told_so_and_ends_with_78(hub: ScriptedHub, tmp_path: Path) -> None:
    """The doctor's exit code is 1; the daemon's stays 78, which no manager restarts."""
    runner = enrolled(hub, tmp_path)
    hub.rejects = Rejected(code="revoked", message="This runner was revoked.", final=True)
    said = await found(runner.home)
    assert said["link"].verdict is Verdict.WRONG
    assert said["link"].text == "the hub will not let this runner in: This runner was revoked."
    runner.start()
    assert await runner.ended() == 78


async def test_another_hub_than_the_pinned_one_is_never_greeted(hub: ScriptedHub, tmp_path: Path) -> None:
    """A wrong fingerprint."""
    runner = enrolled(hub, tmp_path)
    hub.private_key = new_key()
    hub.key = public_key(hub.private_key)
    said = await found(runner.home)
    assert (said["link"].verdict, "another hub answers" in said["link"].text) == (Verdict.WRONG, True)
    assert hub.hellos == []


async def test_a_wrong_address_is_told_with_its_step(hub: ScriptedHub, tmp_path: Path) -> None:
    """A name that nobody has; a port where nobody listens."""
    runner = enrolled(hub, tmp_path, "https://hub.invalid")
    said = await found(runner.home)
    assert (said["link"].verdict, "has no address" in said["link"].text) == (Verdict.WRONG, True), said["link"]
    assert said["clock"].verdict is Verdict.UNKNOWN

    port = hub.port
    await hub.close()
    other = enrolled(hub, tmp_path / "other", f"http://127.0.0.1:{port}")
    said = await found(other.home)
    assert (said["link"].verdict, "is not reached" in said["link"].text) == (Verdict.WRONG, True), said["link"]


async def test_a_clock_that_is_off_by_a_day_is_told(hub: ScriptedHub, tmp_path: Path) -> None:
    runner = enrolled(hub, tmp_path)
    for off, text in ((DAY, "1.0 days ahead of the hub's"), (-DAY, "1.0 days behind the hub's")):
        said = await found(runner.home, replace(PORTS, clock=OffClock(off)))
        assert (said["clock"].verdict, said["clock"].text) == (Verdict.WRONG, text)


async def test_tls_is_tried_as_the_link_does(tmp_path: Path) -> None:
    """An authority that nobody named, the same named in agent.toml, and a file that is none."""
    authority = Authority(tmp_path / "authority")
    issued = authority.issue()
    with no_leaks():
        hub = ScriptedHub()
        try:
            url = await hub.serve(tls=server_context(str(issued.cert), str(issued.key)))
            runner = enrolled(hub, tmp_path, url)
            said = await found(runner.home)
            assert "an authority that this machine does not know" in said["link"].text, said["link"]

            (runner.home / "agent.toml").write_text(f'ca = "{authority.ca}"\n')
            said = await found(runner.home)
            assert (said["ca"].verdict, said["link"].verdict) == (Verdict.FINE, Verdict.FINE), said
            assert str(authority.ca) in said["ca"].text

            (runner.home / "agent.toml").write_text('ca = "identity.json"\nslot = 1\n')
            said = await found(runner.home)
            verdicts = {name: said[name].verdict for name in ("settings", "ca", "link")}
            assert verdicts == {"settings": Verdict.WRONG, "ca": Verdict.WRONG, "link": Verdict.UNKNOWN}
        finally:
            await hub.close()


async def test_a_proxy_is_used_and_its_password_shown_nowhere(hub: ScriptedHub, tmp_path: Path) -> None:
    """Loopback needs none whatever is set; for another host a proxy that is not there is why nothing is reached."""
    runner = enrolled(hub, tmp_path, "https://hub.invalid")
    (runner.home / "agent.toml").write_text('proxy = "http://me:geheim@127.0.0.1:1"\n')
    findings = await examine(runner.home, PORTS)
    said = {one.check: one for one in findings}
    assert said["proxy"].text == "the proxy 127.0.0.1:1 (the setting proxy)"
    assert "by the proxy 127.0.0.1:1" in said["link"].text
    assert "geheim" not in as_lines(findings, [])


async def test_a_home_that_is_not_there_is_made_by_fix(tmp_path: Path) -> None:
    home = tmp_path / "a" / "home"
    said = await found(home)
    assert (said["home"].verdict, said["disk"].verdict, said["link"].verdict) == (
        *(Verdict.WRONG, Verdict.UNKNOWN, Verdict.UNKNOWN),
    )
    assert fix(said.values(), home, SystemDisk()) == [f"made {home} (0700)"]
    said = await found(home)
    assert "is no runner yet" in said["home"].text
    (tmp_path / "file").write_bytes(b"")
    assert "is a file" in (await found(tmp_path / "file"))["home"].text


async def test_modes_of_a_home_that_others_may_read_are_mended(hub: ScriptedHub, tmp_path: Path) -> None:
    runner = enrolled(hub, tmp_path)
    runner.home.chmod(0o755)
    (runner.home / "key").chmod(0o644)
    said = await found(runner.home)
    assert said["rights"].verdict is Verdict.WRONG
    assert fix(said.values(), runner.home, SystemDisk()) == [
        f"set the mode of {runner.home} to 0700 (was 0755)",
        f"set the mode of {runner.home / 'key'} to 0600 (was 0644)",
    ]
    assert (await found(runner.home))["rights"].verdict is Verdict.FINE


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
async def test_a_home_that_takes_no_writes_is_told(hub: ScriptedHub, tmp_path: Path) -> None:
    runner = enrolled(hub, tmp_path)
    runner.home.chmod(0o500)
    try:
        said = await found(runner.home)
    finally:
        runner.home.chmod(0o700)
    assert (said["disk"].verdict, "takes no writes" in said["disk"].text) == (Verdict.WRONG, True)


async def test_a_disk_that_refuses_is_told(hub: ScriptedHub, tmp_path: Path) -> None:
    """The same for whoever may write anywhere: what the system says is what counts."""

    class Refusing(SystemDisk):
        """Takes no new folders."""

        def make_new_folder(self, path: Path) -> None:
            raise PermissionError(13, "Permission denied", str(path))

    runner = enrolled(hub, tmp_path)
    said = await found(runner.home, replace(PORTS, disk=Refusing()))
    assert said["disk"].text == "the home takes no writes: permission denied"


async def test_another_machines_home_is_not_greeted_with(hub: ScriptedHub, tmp_path: Path) -> None:
    """A copied home: a hello of it would put the runner into quarantine."""
    runner = enrolled(hub, tmp_path)
    body = json.loads((runner.home / "home").read_text())
    (runner.home / "home").write_text(json.dumps(body | {"fingerprint": f"os:{'0' * 32}"}))
    if Home(runner.home, SystemDisk(), None).fingerprint() == body["fingerprint"]:
        pytest.skip("this machine has no fingerprint")
    said = await found(runner.home)
    assert "another machine" in said["home"].text
    assert (said["link"].verdict, hub.hellos) == (Verdict.UNKNOWN, [])


async def test_as_typed_it_says_a_line_each_and_ends_with_1(tmp_path: Path) -> None:
    """With the real Python and uv; the same as JSON."""
    line = [sys.executable, "-P", "-m", "agent", "doctor", "--home", str(tmp_path / "home")]

    def run(*words: str) -> tuple[int, str]:
        done = subprocess.run([*line, *words], capture_output=True, text=True, timeout=60, check=False, cwd="/")
        assert done.stderr == ""
        return done.returncode, done.stdout

    code, text = await asyncio.to_thread(run, "--json")
    said = json.loads(text)
    checks = {one["check"]: one for one in said["checks"]}
    assert (code, said["ok"], said["fixed"]) == (1, False, [])
    assert (checks["home"]["verdict"], checks["home"]["fixable"], checks["python"]["verdict"]) == (
        "wrong",
        True,
        "fine",
    )

    code, text = await asyncio.to_thread(run, "--fix")
    assert (code, text.splitlines()[0]) == (1, f"fixed: made {tmp_path / 'home'} (0700)")
    assert set(checks) | {"rights"} == {row.split()[0] for row in text.splitlines()[1:]}
