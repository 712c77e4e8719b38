"""A gateway with everything around it: the daemon's port as a fake, a hub that answers by script."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aiohttp import ClientSession, web

from agent.gateway import Gateway, GatewaySettings, server_url
from agent.gateway_port import BotExecution, Forward, MasksUnavailableError, TooManyReportsError, TooMuchSaidError
from agent.wire.facts import ReportFact, RowFact
from agent.wire.task import TaskSnapshot
from tests.support.clock import FakeClock
from tests.support.waiting import eventually

TOKEN = "token-of-the-bot"
EXECUTION = "exe_" + "1" * 32
TASK = "tsk_" + "2" * 32
SECRET = "hunter2"


def snapshot(**changes: Any) -> TaskSnapshot:
    """The task as its order carried it."""
    known: dict[str, Any] = {
        "number": 1042,
        "round": 1,
        "workspace": "acme",
        "automation": "invoices",
        "automation_name": "Invoices",
        "bot": "invoice-bot",
        "parameters": {"month": "2026-03"},
        "priority": 5,
        "state": "running",
        "created_at": datetime(2026, 3, 9, 12, tzinfo=UTC),
        "started_at": datetime(2026, 3, 9, 12, 1, tzinfo=UTC),
        "runner": "vm-1",
    }
    return TaskSnapshot(**(known | changes))


@dataclass(kw_only=True)
class FakeExecution:
    """One execution in the daemon's memory."""

    execution_id: str = EXECUTION
    task_id: str = TASK
    fence: int = 1
    task: TaskSnapshot = field(default_factory=snapshot)
    last_fact: int = 1
    report: ReportFact | None = None
    interrupted: bool = False
    reaped: bool = False
    cancelled: bool = False
    secrets: dict[str, Any] = field(default_factory=dict)

    def mask(self, text: str) -> str:
        """Take the one secret out."""
        return text.replace(SECRET, "***")


@dataclass(kw_only=True)
class FakeDaemon:
    """The `GatewayHost` port, with its state in the open."""

    bots: dict[str, FakeExecution] = field(default_factory=lambda: {TOKEN: FakeExecution()})
    reports: list[ReportFact] = field(default_factory=list)
    masks: list[str] = field(default_factory=list)
    rows: list[RowFact] = field(default_factory=list)
    rows_max: int = 1000
    outputs: dict[str, str] = field(default_factory=dict)
    progress: list[tuple[float | None, str]] = field(default_factory=list)
    artifacts: dict[str, bytes] = field(default_factory=dict)
    spoken: int = 0
    adopting: bool = False
    masks_fail: bool = False
    spool_full: bool = False
    reports_max: int = 1000
    session: Forward | None = None
    waits: int = 0
    _opened: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def bot(self) -> FakeExecution:
        """The one execution of most tests."""
        return self.bots[TOKEN]

    def open_session(self, base_url: str, *, epoch: int = 1, ticket: str = "ticket-1") -> None:
        """A session with the hub is open from now on."""
        self.session = Forward(base_url=base_url, ticket=ticket, epoch=epoch, ssl_context=None)
        self._opened.set()
        self._opened = asyncio.Event()

    def close_session(self) -> None:
        """The link is gone."""
        self.session = None

    def execution(self, token: str) -> BotExecution | None:
        """Look a token up."""
        return None if self.adopting else self.bots.get(token)

    async def record_report(self, execution_id: str, report: ReportFact) -> ReportFact:
        """Spool a report."""
        if self.spool_full:
            raise OSError(28, "No space left on device")
        if len(self.reports) >= self.reports_max:
            raise TooManyReportsError
        bot = next(bot for bot in self.bots.values() if bot.execution_id == execution_id)
        recorded = report.model_copy(update={"late": bot.reaped})
        self.reports.append(recorded)
        if not recorded.late:
            bot.report = recorded
        return recorded

    async def reported_to_hub(self, execution_id: str, report: ReportFact) -> None:
        """The hub has it."""
        self.bot.report = report

    async def record_row(self, execution_id: str, row: RowFact) -> None:
        """Spool a row."""
        if len(self.rows) >= self.rows_max:
            raise TooMuchSaidError("no more rows are kept")
        self.rows.append(row)

    async def keep_outputs(self, execution_id: str, outputs: Mapping[str, str]) -> None:
        """Keep outputs."""
        if self.spool_full:
            raise OSError(28, "No space left on device")
        self.outputs |= outputs

    def note_progress(self, execution_id: str, percent: float | None, text: str) -> None:
        """Keep the newest."""
        self.progress.append((percent, text))

    async def take_artifact(self, execution_id: str, draft: Path, name: str) -> None:
        """Take a file."""
        assert draft.stat().st_mode & 0o777 == 0o600
        self.artifacts[name] = draft.read_bytes()
        draft.unlink()

    def spoke(self, execution_id: str) -> None:
        """Count it."""
        self.spoken += 1

    async def add_masks(self, execution_id: str, secrets: Sequence[str]) -> None:
        """Tell the shim."""
        if self.masks_fail:
            raise MasksUnavailableError
        self.masks.extend(secrets)

    def forward(self) -> Forward | None:
        """The open session."""
        return self.session

    async def wait_forward(self, not_epoch: int = 0) -> Forward:
        """Wait for another session."""
        self.waits += 1
        while self.session is None or self.session.epoch == not_epoch:
            await self._opened.wait()
        return self.session


@dataclass(frozen=True, kw_only=True)
class Seen:
    """One request as it reached the scripted hub."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


Answerer = Callable[[web.Request, bytes], Awaitable[web.StreamResponse]]


class ScriptedHub:
    """A hub that notes what it is asked and answers what the test says."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self.answer: Answerer = _hello
        self.port = 0
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        """Where it is, or was."""
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Listen, on the port of the last time if there was one."""
        app = web.Application(client_max_size=1024**3)
        app.router.add_route("*", "/{rest:.*}", self._handle)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Be gone."""
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.seen.append(Seen(method=request.method, target=request.raw_path, headers=headers, body=body))
        return await self.answer(request, body)


async def _hello(request: web.Request, body: bytes) -> web.StreamResponse:
    return web.json_response({"path": request.path, "size": len(body)})


def always(status: int = 200, **answer: Any) -> Answerer:
    """An answerer for `ScriptedHub` that says the same each time: `web.json_response`'s arguments."""

    async def answerer(request: web.Request, body: bytes) -> web.StreamResponse:
        return web.json_response(status=status, **answer)

    return answerer


async def silence(request: web.Request, body: bytes) -> web.StreamResponse:
    """Answer nothing until the other side has had enough."""
    await eventually(lambda: request.transport is None or request.transport.is_closing(), within=60)
    return web.Response()


def cut(request: web.Request) -> web.Response:
    """Break the connection instead of an answer."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


def listening_socket() -> socket.socket:
    """A loopback socket as the daemon binds it."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(("127.0.0.1", 0))
    sock.listen(128)
    return sock


@dataclass(kw_only=True)
class GatewayWorld:
    """What a test of the gateway works with."""

    daemon: FakeDaemon
    hub: ScriptedHub
    gateway: Gateway
    clock: FakeClock
    url: str
    folder: Path
    client: ClientSession

    async def call(self, method: str, path: str, **options: Any) -> tuple[int, Any]:
        """(status, JSON) of a call with the bot's token, or with `headers`."""
        options.setdefault("headers", {"token": TOKEN})
        async with self.client.request(method, self.url + path, **options) as response:
            return response.status, await response.json()


@asynccontextmanager
async def gateway_world(folder: Path, *, linked: bool = True, **limits: Any) -> AsyncIterator[GatewayWorld]:
    """A gateway before a scripted hub; `limits` are fields of `GatewaySettings`."""
    daemon, hub, clock = FakeDaemon(), ScriptedHub(), FakeClock()
    await hub.start()
    if linked:
        daemon.open_session(hub.url)
    settings = GatewaySettings(upload_folder=folder / "uploads", **limits)
    gateway = Gateway(daemon, clock, settings)
    sock = listening_socket()
    url = server_url(sock)
    await gateway.start(sock)
    try:
        async with ClientSession() as client:
            yield GatewayWorld(
                daemon=daemon, hub=hub, gateway=gateway, clock=clock, url=url, folder=folder, client=client
            )
    finally:
        await gateway.stop()
        await hub.stop()
