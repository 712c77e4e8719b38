"""The vendor's own SDK, in a process of its own, against our gateway and our hub (`maestro.md`).

What it needs of us is what it does with our answers: no client of ours stands in between.
"""

import asyncio
import json
import socket
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from agent.gateway import Gateway, GatewaySettings, server_url
from agent.wire.maestro import task_object
from agent.wire.messages import Start
from hub.app import serving
from hub.config import Settings
from tests.support.clock import FakeClock
from tests.support.gateway import (
    SECRET,
    TOKEN,
    FakeDaemon,
    FakeExecution,
    GatewayWorld,
    always,
    cut,
    gateway_world,
    listening_socket,
    snapshot,
)
from tests.support.maestro_hub import TICKET, MaestroWorld, furnish, maestro_world
from tests.support.sdk import AS_BOT, PRELUDE, argv, bot, python
from tests.support.waiting import eventually, seconds


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[GatewayWorld]:
    """A gateway before a scripted hub that knows the task."""
    async with gateway_world(tmp_path, give_up_s=20.0) as world:
        world.hub.answer = always(data=task_object(snapshot()))
        yield world


@pytest.fixture
async def hub(tmp_path: Path, clock: FakeClock) -> AsyncIterator[MaestroWorld]:
    """A hub's /api/v2 on a real store."""
    async with maestro_world(f"sqlite:///{tmp_path / 'hub.db'}", clock) as world:
        yield world


# --- a bot behind the gateway ----------------------------------------------------------------------------------------


async def test_a_bot_learns_its_task(gateway: GatewayWorld) -> None:
    """`from_sys_args` asks for the version, `get_execution` for the task (§3.1, §5)."""
    said = await bot(gateway, "say(id=execution.task_id, parameters=execution.parameters, version=maestro.version)")

    assert said == [{"id": "1042", "parameters": {"month": "2026-03"}, "version": "3.1.0"}]


@pytest.mark.parametrize(
    ("status", "reported"), [("SUCCESS", "succeeded"), ("FAILED", "failed"), ("PARTIALLY_COMPLETED", "partial")]
)
async def test_a_bot_finishes_its_task(gateway: GatewayWorld, status: str, reported: str) -> None:
    """All three statuses, with items; the bot's next look shows them (core.md §6)."""
    finish = f"""
message = maestro.finish_task(task_id=execution.task_id, status=AutomationTaskFinishStatus.{status},
                              message="über {SECRET}", total_items=10, processed_items=7)
say(answered=json.loads(message.payload)["state"], shown=shown(maestro.get_task(execution.task_id)))
"""
    said = await bot(gateway, finish)

    assert said == [{"answered": "FINISHED", "shown": ["FINISHED", status, "über ***", 10, 7, 3]}]
    (report,) = gateway.daemon.reports
    assert (report.status, report.message) == (reported, "über ***")


async def test_a_bot_may_finish_without_items_and_more_than_once(gateway: GatewayWorld) -> None:
    """Older bots report no items; the last report counts (§4)."""
    said = await bot(
        gateway,
        """
for status in (AutomationTaskFinishStatus.SUCCESS, AutomationTaskFinishStatus.FAILED):
    maestro.finish_task(execution.task_id, status, "")
say(shown=shown(maestro.get_task(execution.task_id)))
""",
    )

    assert said == [{"shown": ["FINISHED", "FAILED", "", None, None, None]}]
    assert len(gateway.daemon.reports) == 2


async def test_a_bot_sees_that_it_should_stop(gateway: GatewayWorld) -> None:
    """`is_interrupted()`: asked at the hub, or known here while the hub is away (§4)."""
    code = "say(interrupted=bool(maestro.get_task(execution.task_id).is_interrupted()))"
    assert await bot(gateway, code) == [{"interrupted": False}]

    gateway.hub.answer = always(data=task_object(snapshot(interrupted=True)))
    assert await bot(gateway, code) == [{"interrupted": True}]

    gateway.daemon.close_session()
    gateway.daemon.bot.interrupted = True
    assert await bot(gateway, code) == [{"interrupted": True}]


async def test_finish_needs_no_hub(gateway: GatewayWorld) -> None:
    """Issue, "Shown by": hub dead before finish_task: the call returns within 1 s, the next GET says FINISHED."""
    await gateway.hub.stop()

    said = await bot(
        gateway,
        """
began = time.monotonic()
maestro.finish_task(execution.task_id, AutomationTaskFinishStatus.SUCCESS, "done", 1, 1, 0)
took = time.monotonic() - began
say(took=took, shown=shown(maestro.get_task(execution.task_id)))
""",
    )

    assert said[0]["took"] < seconds(1)
    assert said[0]["shown"][:2] == ["FINISHED", "SUCCESS"]


SHIM = """
import socket, sys
listening, door = int(sys.argv[1]), socket.socket(fileno=int(sys.argv[2]))
door.recv(1)
socket.send_fds(door, [b"s"], [listening])
"""


async def test_a_call_without_a_daemon_waits_in_the_backlog(tmp_path: Path) -> None:
    """core.md §6: a shim holds the socket; a finish_task called meanwhile succeeds when a daemon is back."""
    sock = listening_socket()
    url, port = server_url(sock), sock.getsockname()[1]
    door, shims_door = socket.socketpair()
    shim = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-c", SHIM, str(sock.fileno()), str(shims_door.fileno())),
        pass_fds=(sock.fileno(), shims_door.fileno()),
    )
    sock.close()  # the daemon is gone; the other process still has its copy
    shims_door.close()
    daemon = FakeDaemon()
    gateway = Gateway(daemon, FakeClock(), GatewaySettings(upload_folder=tmp_path))
    finish = "maestro.finish_task(execution.task_id, AutomationTaskFinishStatus.SUCCESS, 'done', 1, 1, 0)"
    with door:
        async with asyncio.TaskGroup() as group:
            running = group.create_task(python("-c", AS_BOT + finish, *argv(url)))
            await eventually(lambda: _connected_to(port), within=20)

            door.send(b"?")
            _, descriptors, _, _ = socket.recv_fds(door, 1, 1)
            await gateway.start(socket.socket(fileno=descriptors[0]))
    await shim.wait()
    await gateway.stop()

    assert running.result().code == 0, running.result().err
    assert [report.status for report in daemon.reports] == ["succeeded"]


def _connected_to(port: int) -> bool:
    """Whether anybody has an established connection to this port of loopback."""
    rows = Path("/proc/net/tcp").read_text().splitlines()[1:]
    return any(row.split()[2].endswith(f":{port:04X}") and row.split()[3] == "01" for row in rows)


# --- the whole way: SDK, gateway, hub ---------------------------------------------------------------------------------


@dataclass(kw_only=True)
class Way:
    """A running task of a real hub, its bot's gateway, and a proxy between the two that can cut."""

    gateway: GatewayWorld
    hub: MaestroWorld
    start: Start
    cuts: int = 0

    async def pass_on(self, request: web.Request, body: bytes) -> web.StreamResponse:
        """Hand a call to the real hub; break the connection after it has answered, as often as `cuts` says."""
        headers = {name: value for name, value in request.headers.items() if name not in {"Host", "Content-Length"}}
        async with (
            aiohttp.ClientSession() as client,
            client.request(request.method, self.hub.url + request.path_qs, data=body, headers=headers) as answer,
        ):
            content = await answer.read()
        if self.cuts and request.method == "POST":
            self.cuts -= 1
            return cut(request)
        return web.Response(status=answer.status, body=content, content_type=answer.content_type)


@pytest.fixture
async def way(gateway: GatewayWorld, hub: MaestroWorld) -> Way:
    """The bot of a task that was granted just now."""
    start = await hub.running_task(parameters={"month": "2026-04"})
    gateway.daemon.bots[TOKEN] = FakeExecution(execution_id=start.execution_id, task=start.work.task)
    gateway.daemon.open_session(gateway.hub.url, epoch=2, ticket=TICKET)
    way = Way(gateway=gateway, hub=hub, start=start)
    gateway.hub.answer = way.pass_on
    return way


async def test_a_forwarded_call_that_was_cut_is_applied_once(way: Way) -> None:
    """core.md §6: the connection is cut after the hub committed, twice; the SDK gets the one task that was made."""
    way.cuts = 2
    number = way.start.work.task.number
    code = """
task = maestro.create_task("invoices", {"from": "bot"}, priority=7)
say(id=task.id, parameters=task.parameters, priority=task.priority)
"""
    ended = await python("-c", AS_BOT + code, *argv(way.gateway.url, number))

    assert ended.code == 0, ended.err
    assert ended.said == [{"id": number + 1, "parameters": {"from": "bot"}, "priority": 7}]
    _, page = await way.hub.call("GET", "/task")
    assert page["totalElements"] == 2
    assert way.cuts == 0


async def test_a_bot_interrupts_another_task(way: Way) -> None:
    """§3.2: what is not the bot's own goes to the hub and changes it there."""
    other = await way.hub.new_task()
    code = f"maestro.interrupt_task({other}); say(seen=maestro.get_task({other}).interrupted, own=execution.parameters)"

    ended = await python("-c", AS_BOT + code, *argv(way.gateway.url, way.start.work.task.number))

    assert ended.said == [{"seen": True, "own": {"month": "2026-04"}}]
    assert (await way.hub.call("GET", f"/task/{other}"))[1]["interrupted"] is True


# --- a developer's machine: the SDK straight at the hub ---------------------------------------------------------------


DEVELOPER = (
    PRELUDE
    + """
import datetime
server, login, key = sys.argv[1:]
maestro = BotMaestroSDK(server, login, key)
maestro.login()
later = datetime.datetime(2131, 1, 1)
task = maestro.create_task("invoices", {"a": [1, None]}, test=True, priority=3, min_execution_date=later)
say(state=task.state, test=task.test, date=task.min_execution_date, parameters=task.parameters)
maestro.interrupt_task(task.id)
say(interrupted=maestro.get_task(str(task.id)).is_interrupted())
maestro.finish_task(str(task.id), AutomationTaskFinishStatus.PARTIALLY_COMPLETED, "so far", 4, 3, 1)
say(shown=shown(maestro.get_task(task.id)))
maestro.restart_task(task.id)
say(shown=shown(maestro.get_task(task.id)))
try:
    maestro.get_task("99")
except ValueError as error:
    say(error=str(error))
"""
)


@pytest.mark.parametrize("kind", ["adapter", "app"])
async def test_a_developer_logs_in_and_works_with_tasks(hub: MaestroWorld, tmp_path: Path, kind: str) -> None:
    """§3.1, §3.2: login, create, look, interrupt, restart, finish, each parsed by the SDK; also on the whole hub."""
    if kind == "adapter":
        ended = await python("-c", DEVELOPER, hub.url + "/", hub.login, hub.operator)
    else:
        settings = Settings(data=tmp_path / "data", port=0)
        (tmp_path / "data").mkdir()
        async with serving(settings) as whole:
            keys = await furnish(whole.store, (settings.data / "admin-token").read_text().strip())
            url = json.loads((settings.data / "hub.json").read_text())["url"]
            ended = await python("-c", DEVELOPER, url, keys.login, keys.operator)

    assert ended.code == 0, ended.err
    made, flag, finished, restarted, missing = ended.said
    assert made == {
        "state": "START",
        "test": True,
        "date": "2131-01-01T00:00:00.000+00:00",
        "parameters": {"a": [1, None]},
    }
    assert flag == {"interrupted": True}
    assert finished == {"shown": ["FINISHED", "PARTIALLY_COMPLETED", "so far", 4, 3, 1]}
    assert restarted == {"shown": ["START", None, None, None, None, None]}
    assert missing["error"].startswith("Error during task get. Server returned 404.")


async def test_a_wrong_key_is_told(hub: MaestroWorld) -> None:
    """§3.1: a 4xx makes the SDK raise with our message."""
    code = PRELUDE + "BotMaestroSDK(*sys.argv[1:]).login()"

    ended = await python("-c", code, hub.url, hub.login, "byk_wrong")

    assert ended.code == 1
    assert "Server returned 401" in ended.err
