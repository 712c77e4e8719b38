"""TLS and what stands between: a private authority, certificates that change, proxies on either side (R51, S6, S50)."""

import asyncio
import os
import signal
import ssl
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.certificates import Authority
from tests.support.rig import Rig
from tests.support.waiting import eventually
from tests.support.way import ConnectProxy, ReverseProxy, listening, server_context

BOT = {"main.py": "print('hello')\nopen('result.txt', 'w').write('x' * 100_000)\n"}
SECRET = "s3cr3t-pass"


def tls_rig(folder: Path, authority: Authority, names: tuple[str, ...] = ("127.0.0.1", "localhost")) -> Rig:
    """A hub that speaks https with a certificate of this authority."""
    issued = authority.issue("hub", names)
    options = ("--tls-cert", str(issued.cert), "--tls-key", str(issued.key))
    return Rig(folder, hub_options=options, ca=authority.ca)


async def shown(rig: Rig, name: str) -> dict[str, Any]:
    """`botyard-agent status --json`."""
    where = ["--home", str(rig.home(name)), "--json"]
    answer: dict[str, Any] = (await rig.run(sys.executable, "-m", "agent", "status", *where)).json()
    return answer


async def problem(rig: Rig, name: str, text: str) -> dict[str, Any]:
    """The runner's status once its problem says this."""

    async def look() -> dict[str, Any]:
        status = await shown(rig, name)
        return status if text in status.get("problem", "") else {}

    return await eventually(look, within=40, saying=f"{text!r} was never said")


async def serial(rig: Rig) -> str:
    """The certificate that a new connection is shown."""
    context = ssl.create_default_context(cafile=str(rig.ca))
    _, writer = await asyncio.open_connection("127.0.0.1", rig.port, ssl=context)
    found = writer.get_extra_info("peercert")["serialNumber"]
    writer.close()
    await writer.wait_closed()
    return str(found)


async def test_a_bot_runs_over_tls_of_a_private_authority_through_a_renewal(tmp_path: Path) -> None:
    """S6, R51: enroll --ca; a certificate that is replaced is served without a restart, and the link lives on."""
    authority = Authority(tmp_path / "ca")
    async with tls_rig(tmp_path, authority) as rig:
        # given a runner that trusts the authority from its home alone
        await rig.add_runner("vm1", "--ca", str(authority.ca))
        assert 'ca = "ca.pem"' in (rig.home("vm1") / "agent.toml").read_text()
        await rig.deploy("hello", BOT)
        task = await rig.finished(await rig.submit("hello"))
        assert (task["outcome"], await rig.output(task["id"])) == ("succeeded", b"hello\n")
        async with rig.client() as http, http.get(f"{rig.url}/readyz") as ready:
            assert ready.headers["Strict-Transport-Security"].startswith("max-age=")
            assert await ready.text() == "ready\n"
        # when a certificate takes its place that soon ends
        before, epoch = await serial(rig), (rig.home("vm1") / "epoch").read_text()
        authority.issue("hub", ends=timedelta(days=5))
        # then it is served, its end is told, and the runner never noticed
        await eventually(lambda: _changed(rig, before), within=20)
        async with rig.client() as http, http.get(f"{rig.url}/readyz") as ready:
            assert "expires in 4 days" in await ready.text()
        await eventually(lambda: _told(rig, "expires in 4 days"), within=20)
        task = await rig.finished(await rig.submit("hello"))
        assert task["outcome"] == "succeeded"
        assert epoch == (rig.home("vm1") / "epoch").read_text()
        # and a renewal that goes wrong is one line, with the old pair still served
        now = await serial(rig)
        (tmp_path / "ca" / "hub.key").write_bytes(authority.issue("other").key.read_bytes())
        os.kill(rig.hub.pid, signal.SIGHUP)
        await eventually(lambda: _told(rig, "the old one serves on"), within=20)
        assert now == await serial(rig)
        assert "Traceback" not in rig.hub.tail()


async def _changed(rig: Rig, before: str) -> bool:
    return await serial(rig) != before


async def _told(rig: Rig, text: str) -> bool:
    events = (await rig.get("/api/v1/events?limit=200"))["items"]
    return any(text in (event.get("data") or {}).get("message", "") for event in events)


def _of_another(authority: Authority, folder: Path) -> None:
    other = Authority(folder / "other").issue("hub")
    for ours, theirs in ((authority.folder / "hub.pem", other.cert), (authority.folder / "hub.key", other.key)):
        ours.write_bytes(theirs.read_bytes())


WRONG: list[tuple[str, Callable[[Authority, Path], object], str]] = [
    ("an authority nobody knows", _of_another, "an authority that this machine does not know"),
    ("another name", lambda a, _: a.issue("hub", ("other.example",)), "is for another name than 127.0.0.1"),
]


@pytest.mark.parametrize(("spoil", "says"), [row[1:] for row in WRONG], ids=[row[0] for row in WRONG])
async def test_a_wrong_certificate_is_said_and_the_runner_comes_back_when_it_is_right(
    tmp_path: Path, spoil: Callable[[Authority, Path], object], says: str
) -> None:
    """R51: spools, clear status, keeps trying; no restart on either side of the mending."""
    authority = Authority(tmp_path / "ca")
    async with tls_rig(tmp_path, authority) as rig:
        daemon = await rig.add_runner("vm1", "--ca", str(authority.ca))
        # when the hub comes back with a certificate that is not to be trusted
        await rig.hub.end()
        spoil(authority, tmp_path)
        await rig.hub.start()
        # then the status says so
        status = await problem(rig, "vm1", says)
        assert not status["linked"]
        # and once it is right, the same daemon is linked again
        authority.issue("hub")

        async def linked() -> bool:
            return bool((await shown(rig, "vm1"))["linked"])

        await eventually(linked, within=40)
        assert daemon.alive


async def test_all_ways_lead_through_the_proxy_and_its_password_is_nowhere(tmp_path: Path) -> None:
    """R52, S11: link, builds and uploads by CONNECT with basic authentication; NO_PROXY and loopback go directly."""
    authority = Authority(tmp_path / "ca")
    proxy = ConnectProxy(names={"hub.test": "127.0.0.1"}, credentials=f"ana:{SECRET}")
    async with listening(proxy) as port, tls_rig(tmp_path, authority, ("hub.test", "127.0.0.1")) as rig:
        url = f"https://hub.test:{rig.port}"
        given = {"HTTPS_PROXY": f"http://ana:{SECRET}@127.0.0.1:{port}"}
        # when the proxy is given a wrong password, enrolment says so in one sentence
        token = (await rig.botyard("runner", "token", "--json")).json()["token"]
        (tmp_path / "t").write_text(token)
        enroll = [sys.executable, "-m", "agent", "enroll", url, "--token", str(tmp_path / "t"), "--home"]
        wrong = {"HTTPS_PROXY": f"http://ana:nonsense@127.0.0.1:{port}"}
        refused = await rig.run(*enroll, str(tmp_path / "none"), "--ca", str(authority.ca), env=wrong)
        assert (refused.code, proxy.refused) == (75, 1)
        assert b"407" in refused.err
        assert b"nonsense" not in refused.err
        # and with the right one everything goes that way
        rig.env |= given
        await rig.add_runner("vm1", "--ca", str(authority.ca), url=url)
        await rig.deploy("hello", BOT)
        task = await rig.finished(await rig.submit("hello"))
        assert task["outcome"] == "succeeded"
        assert len(proxy.asked) >= 3, "enrolment, link, build"
        assert set(proxy.asked) == {f"hub.test:{rig.port}"}
        texts = [*tmp_path.glob("*.log"), *rig.home("vm1").glob("*")]
        assert all(SECRET.encode() not in file.read_bytes() for file in texts if file.is_file())
        # when the proxy wants another password, the status says whose fault it is
        proxy.credentials = "ana:changed"
        await rig.runners["vm1"].end()
        await rig.runners["vm1"].start()
        status = await problem(rig, "vm1", "does not take its name and password")
        assert f"127.0.0.1:{port}" in status["problem"]
        assert SECRET not in status["problem"]


async def test_a_proxy_in_front_of_the_hub_is_believed_where_it_is_named(tmp_path: Path) -> None:
    """Design §5: `--tls-cert` or a proxy in front; X-Forwarded-* count from trusted addresses only."""
    authority = Authority(tmp_path / "ca")
    issued = authority.issue("front", ("localhost",))
    context = server_context(str(issued.cert), str(issued.key))
    rig = Rig(tmp_path, hub_options=("--trusted-proxy", "127.0.0.1"))
    front = ReverseProxy(hub_port=rig.port, tls=context)
    async with listening(front, context) as port, rig:
        # given a runner that knows the hub by the proxy's name alone
        url = f"https://localhost:{port}"
        await rig.add_runner("vm1", "--ca", str(authority.ca), url=url)
        await rig.deploy("hello", BOT)
        assert (await rig.finished(await rig.submit("hello")))["outcome"] == "succeeded"
        assert front.served >= 3
        # when the hub no longer trusts it, the name that the runner dialled is not the hub's own
        await rig.hub.end()
        at = rig.hub.command.index("--trusted-proxy")
        rig.hub.command[at + 1] = "192.0.2.1"
        await rig.hub.start()
        await eventually(lambda: not rig.runners["vm1"].alive, within=30)
        assert "public URL" in rig.runners["vm1"].tail()


async def test_up_speaks_https_too(tmp_path: Path) -> None:
    """`botyard up --tls-cert --tls-key --ca`; a certificate for another name is refused before anything starts."""
    authority = Authority(tmp_path / "ca")
    issued, other = authority.issue("up"), authority.issue("other", ("hub.example",))
    rig = Rig(tmp_path)
    up = [sys.executable, "-m", "hub.cli", "up", "--data", str(tmp_path / "up"), "--port", str(rig.port)]
    wrong = await rig.run(*up, "--tls-cert", str(other.cert), "--tls-key", str(other.key))
    assert wrong.code == 2
    assert b"is for hub.example, and `up` speaks on localhost only" in wrong.err
    options = ["--tls-cert", str(issued.cert), "--tls-key", str(issued.key), "--ca", str(authority.ca)]
    pipe = asyncio.subprocess.PIPE
    child = await asyncio.create_subprocess_exec(*up, *options, stderr=pipe, env=rig.env)
    assert child.stderr is not None
    lines = []
    while line := await child.stderr.readline():
        lines.append(line.decode())
        if line.startswith(b"deploy a bot"):
            break
    child.send_signal(signal.SIGINT)
    await child.communicate()
    assert child.returncode == 0, lines
    assert any(f"https://127.0.0.1:{rig.port}" in line for line in lines)
