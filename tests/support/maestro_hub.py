"""BotCity's API on a real store with the real services; only the runner's connection is played."""

import dataclasses
import functools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from aiohttp import ClientSession, web

from agent.ports import SystemDisk
from agent.wire.messages import Stamp, Start, ToRunner
from agent.wire.task import Launch
from agent.wire.words import Kind
from hub.config import Settings
from hub.context import Hub
from hub.domain.access import Role, SecretKind
from hub.domain.automation import Definition
from hub.domain.credits import CreditBook
from hub.domain.parameters import Parameter, ParameterType
from hub.maestro import mount
from hub.services import access, automations
from hub.services.access import NewKey
from hub.services.effects import ByeReason, ReturnCredit, SendToRunner
from hub.services.live import Unclosed
from hub.services.signals import Signals
from hub.storage import tables
from hub.storage.opening import open_store
from hub.storage.store import Store
from hub.storage.transaction import Done, Effect, Transaction
from tests.support.clock import FakeClock

TICKET = "ticket-of-the-runner"
RUNNER = "rnr_" + "3" * 32
BUILD = "bld_" + "4" * 32
DIGEST = "5" * 64


@dataclass(kw_only=True)
class PlayedSession:
    """The runner's open session."""

    workspace_id: str
    workspace: str = "default"
    runner_id: str = RUNNER
    epoch: int = 1
    sent: list[ToRunner] = field(default_factory=list)
    is_resumed: bool = True

    def send(self, message: ToRunner) -> None:
        """Note what the runner was sent."""
        self.sent.append(message)

    def close(self, reason: ByeReason, message: str = "") -> None:
        """Nothing to close."""


@dataclass(kw_only=True)
class PlayedSessions:
    """All sessions: the one."""

    session: PlayedSession

    def find(self, runner_id: str, epoch: int | None = None) -> PlayedSession | None:
        """The one, if it is meant."""
        return self.session if runner_id == RUNNER and epoch in {None, 1} else None

    def runners_of(self, workspace_id: str) -> list[str]:
        """The one, in its workspace."""
        return [RUNNER] if workspace_id == self.session.workspace_id else []

    def by_ticket(self, ticket: str) -> PlayedSession | None:
        """The one, for its ticket."""
        return self.session if ticket == TICKET else None

    def note_unclosed(self, ended: Unclosed) -> None:
        """Nothing fails to be written here."""
        raise AssertionError(ended)

    def take_unclosed(self) -> Unclosed | None:
        """Every end was written."""
        return None

    def silent_s(self, runner_id: str) -> float:
        """It speaks all the time."""
        return 0.0


@dataclass(kw_only=True)
class MaestroWorld:
    """What a test of BotCity's API works with."""

    hub: Hub
    store: Store
    clock: FakeClock
    session: PlayedSession
    client: ClientSession
    url: str
    operator: str
    """Secret of an operator's key, and its login."""
    login: str
    viewer: str
    effects: list[Effect]

    async def call(self, method: str, path: str, **options: Any) -> tuple[int, Any]:
        """(status, JSON) of a call below /api/v2 with the operator's key, or with `headers`."""
        options.setdefault("headers", {"token": self.operator})
        async with self.client.request(method, f"{self.url}/api/v2{path}", **options) as response:
            assert response.content_type == "application/json", await response.text()
            return response.status, await response.json()

    async def new_task(self, **members: Any) -> int:
        """The number of a new task of `invoices`."""
        status, task = await self.call("POST", "/task", json={"activityLabel": "invoices"} | members)
        assert status == 200, task
        return int(task["id"])

    def offer_slot(self, generation: int) -> None:
        """The runner has a free slot."""
        book = self.hub.book
        book.slot_free(RUNNER, 1, 0, generation, Stamp(boot_ns=1, wall_ns=1))

    async def running_task(self, generation: int = 1, **members: Any) -> Start:
        """A task that was granted at once; the order as the runner got it."""
        self.offer_slot(generation)
        await self.new_task(**members)
        start = self.session.sent[-1]
        assert isinstance(start, Start)
        return start

    def as_bot(self, execution_id: str, key: str | None = None) -> dict[str, str]:
        """Headers of a call that the gateway forwards."""
        headers = {"Authorization": f"Bearer {TICKET}", "Botyard-Execution": execution_id}
        return headers if key is None else headers | {"Idempotency-Key": key}

    async def sql(self, statement: sa.Executable) -> None:
        """Change a row behind everybody's back."""
        await self.store.write(functools.partial(_execute, statement))


@asynccontextmanager
async def maestro_world(database_url: str, clock: FakeClock) -> AsyncIterator[MaestroWorld]:
    """A hub with a workspace, two keys, a released bot, the automation `invoices`, one enrolled runner."""
    book = CreditBook(clock.monotonic)
    session = PlayedSession(workspace_id="")
    effects: list[Effect] = []

    def perform(effect: Effect) -> None:
        effects.append(effect)
        match effect:
            case ReturnCredit(credit=credit):
                book.put_back(credit)
            case SendToRunner(message=message):
                session.send(message)

    async with open_store(database_url, clock=clock, perform=perform) as store, ClientSession() as client:
        secret = access.new_secret(SecretKind.KEY)
        await store.write(access.bootstrap, secret)
        keys = await furnish(store, secret)
        session.workspace_id = keys.workspace_id
        book.open_session(keys.workspace_id, RUNNER, 1, {})
        book.resumed(RUNNER, 1, [BUILD])
        fields = [
            part.name for part in dataclasses.fields(Hub) if part.init and part.default_factory is dataclasses.MISSING
        ]
        parts: dict[str, Any] = dict.fromkeys(fields)  # what no call here touches
        parts |= {"settings": Settings(data=Path("/nowhere")), "clock": clock, "disk": SystemDisk(), "store": store}
        parts |= {"book": book, "sessions": PlayedSessions(session=session), "signals": Signals()}
        hub = Hub(**parts)
        async with _served(hub) as url:
            yield MaestroWorld(
                hub=hub,
                store=store,
                clock=clock,
                session=session,
                client=client,
                url=url,
                operator=keys.operator,
                login=keys.login,
                viewer=keys.viewer,
                effects=effects,
            )


@dataclass(frozen=True, kw_only=True)
class Keys:
    """Who may come in."""

    workspace_id: str
    operator: str
    login: str
    viewer: str


async def furnish(store: Store, admin_secret: str) -> Keys:
    """Give the workspace of that admin two keys, a released bot, two automations and an enrolled runner."""
    admin = await store.read(access.authenticate, admin_secret)
    assert admin is not None
    operator, viewer = access.new_secret(SecretKind.KEY), access.new_secret(SecretKind.KEY)
    robot = await store.write(access.create_key, admin, NewKey(name="robot", role=Role.OPERATOR), operator)
    await store.write(access.create_key, admin, NewKey(name="looker", role=Role.VIEWER), viewer)
    await store.write(functools.partial(_seed, admin.workspace_id))
    await store.write(automations.create, admin, _INVOICES)
    await store.write(automations.create, admin, Definition(label="strict", bot="invoice-bot", parameters=_STRICT))
    return Keys(workspace_id=admin.workspace_id, operator=operator, login=robot.login, viewer=viewer)


_INVOICES = Definition(label="invoices", name="Invoices", bot="invoice-bot")
_STRICT = (Parameter(name="month", required=True), Parameter(name="pin", type=ParameterType.TEXT, secret=True))


@asynccontextmanager
async def _served(hub: Hub) -> AsyncIterator[str]:
    app = web.Application()
    mount(app, hub)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def _seed(workspace_id: str, tx: Transaction) -> Done[None]:
    def insert(table: sa.Table, **values: Any) -> None:
        tx.connection.execute(sa.insert(table).values(workspace_id=workspace_id, created_at=tx.now, **values))

    launch = Launch(kind=Kind.BOTCITY, entry="bot.py").model_dump(mode="json")
    insert(tables.bots, id="bot_1", name="invoice-bot")
    build = {"version": "1", "digest": DIGEST, "state": "ready", "kind": "botcity", "created_by": "test"}
    insert(tables.builds, id=BUILD, bot_id="bot_1", launch=launch, **build)
    tx.connection.execute(sa.update(tables.bots).values(released_build_id=BUILD))
    machine = {"public_key": "k", "home_id": "h", "fingerprint": "f", "labels": {}, "slots": 1, "state": "enrolled"}
    insert(tables.runners, id=RUNNER, name="vm-1", session_epoch=1, last_epoch=1, hub_id="hub_1", **machine)
    return Done(None)


def _execute(statement: sa.Executable, tx: Transaction) -> Done[None]:
    tx.connection.execute(statement)
    return Done(None)
