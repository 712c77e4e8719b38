"""The API over HTTP on a real store, real outputs and real blobs; only runners and the package index are played."""

import base64
import functools
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import sqlalchemy as sa
from aiohttp import ClientResponse, ClientSession, web

from agent.ports import SystemDisk
from agent.wire.codec import Chunk, OutputFrame
from agent.wire.codec import Stream as Channel
from agent.wire.ids import ExecutionId
from agent.wire.messages import Stamp
from agent.wire.task import Launch
from agent.wire.words import Kind
from hub.api import mount
from hub.config import Settings
from hub.context import Hub
from hub.domain.access import Caller, Role, SecretKind
from hub.domain.automation import Definition
from hub.domain.credits import CreditBook
from hub.domain.parameters import Parameter
from hub.identity import load_identity
from hub.install import routes as install
from hub.services import access, automations
from hub.services import artifacts as stored_files
from hub.services.access import NewKey
from hub.services.deployments import Deployments, ResolverLoop
from hub.services.effects import CloseSession, ReturnCredit, SendToRunner
from hub.services.resolve import Locked
from hub.services.signals import Signals
from hub.storage import artifacts, tables
from hub.storage.blobs import FolderBlobs
from hub.storage.opening import open_store
from hub.storage.outputs import Outputs
from hub.storage.store import Store
from hub.storage.transaction import Done, Effect, Transaction
from tests.support.clock import FakeClock

RUNNER = "rnr_" + "3" * 32
BUILD = "bld_" + "4" * 32
EXECUTION = "exe_" + "6" * 32
NEEDED = Parameter(name="month", required=True)
PIN = Parameter(name="pin", secret=True)


@dataclass(kw_only=True)
class ApiWorld:
    """What a test of the API works with: workspace `default` and its keys, a second workspace with an admin."""

    hub: Hub
    store: Store
    clock: FakeClock
    client: ClientSession
    url: str
    admin: Caller
    secrets: dict[str, str]
    """Keys by role of the first workspace; `foreign` is the other workspace's admin, `instance` may make more."""
    effects: list[Effect] = field(default_factory=list)

    def request(self, method: str, path: str, who: str = "admin", **options: Any) -> Any:
        """A call below /api/v1 as this role; use it in an `async with`."""
        headers = {"Authorization": f"Bearer {self.secrets[who]}"} | options.pop("headers", {})
        return self.client.request(method, f"{self.url}/api/v1{path}", headers=headers, **options)

    async def call(self, method: str, path: str, who: str = "admin", **options: Any) -> tuple[int, Any]:
        """(status, JSON) of a call."""
        async with self.request(method, path, who, **options) as response:
            return response.status, await response.json(content_type=None)

    async def get(self, path: str, who: str = "admin") -> Any:
        """The JSON of a GET that works."""
        status, body = await self.call("GET", path, who)
        assert status == 200, body
        return body

    async def new_task(self, label: str = "invoices", **members: Any) -> Any:
        """A new task."""
        status, task = await self.call("POST", "/tasks", json={"automation": label} | members)
        assert status == 201, task
        return task

    async def insert(self, table: str, workspace_id: str | None = None, **values: Any) -> None:
        """One row, in the first workspace unless told otherwise."""
        row = {"workspace_id": workspace_id or self.admin.workspace_id, **values}
        await self.store.write(functools.partial(_insert, table, row))

    async def update(self, table: str, row_id: str, **values: Any) -> None:
        """Change a row behind everybody's back; the feed is told that something happened."""
        made = tables.metadata.tables[table]
        statement = sa.update(made).where(made.c.id == row_id).values(**values)
        await self.store.write(functools.partial(_execute, statement))
        self.store.feed_changed.ring()

    async def begin(self, task_id: str, execution_id: str = EXECUTION, fence: int = 1) -> None:
        """The task runs, as if its runner had said so."""
        now = self.clock.now()
        row: dict[str, Any] = {"task_id": task_id, "runner_id": RUNNER, "home_id": "h", "build_id": BUILD}
        row |= {"build_digest": "5" * 64, "fence": fence, "state": "running", "epoch": 1, "slot": 0, "generation": 1}
        row |= {"on_disconnect": "keep", "lost_after_s": 600, "granted_at": now, "started_at": now}
        await self.insert("executions", id=execution_id, **row)
        await self.update("tasks", task_id, state="running", fence=fence, runner_id=RUNNER, build_id=BUILD)

    async def settle(self, task_id: str, execution_id: str = EXECUTION, **values: Any) -> None:
        """The task has finished, as if its facts had come."""
        now = self.clock.now()
        await self.update("executions", execution_id, state="finished", outcome="succeeded", settled_at=now)
        row: dict[str, Any] = {"state": "finished", "outcome": "succeeded", "settled_at": now, "exit_code": 0}
        await self.update("tasks", task_id, **(row | values))

    async def attach(self, task: Any, name: str, data: bytes, execution_id: str | None = None) -> int:
        """A file of the task, as if its runner had brought it; its number."""
        blob = self.hub.blobs.add([data])
        values = {"task_id": task["id"], "task_number": task["number"], "execution_id": execution_id, "name": name}
        values |= {"sha256": blob.sha256, "content_type": "text/plain"}
        workspace_id = self.admin.workspace_id
        await self.store.write(stored_files.own, workspace_id, blob)
        attached = await self.store.write(lambda tx: Done(artifacts.attach(tx, workspace_id, values)))
        assert attached.id is not None
        return attached.id

    def print(self, data: bytes, start: int, execution_id: str = EXECUTION, channel: Channel = Channel.STDOUT) -> None:
        """The bot printed."""
        chunk = Chunk(stream=channel, time_ms=1_900_000_000_000 + start, data=data)
        frame = OutputFrame(execution_id=ExecutionId(execution_id), start=start, chunks=(chunk,))
        self.hub.outputs.receive(self.admin.workspace_id, frame)

    def offer_slot(self, generation: int = 1) -> None:
        """The runner has a free slot."""
        self.hub.book.slot_free(RUNNER, 1, 0, generation, Stamp(boot_ns=1, wall_ns=1))


@dataclass(frozen=True)
class ServerSent:
    """One event of a stream."""

    name: str
    id: str
    data: Any


async def server_sent(response: ClientResponse) -> AsyncIterator[ServerSent]:
    """Events of a stream, to its end."""
    name, event_id, data = "", "", ""
    async for line in response.content:
        member, _, value = line.decode().rstrip("\n").partition(": ")
        match member:
            case "event":
                name = value
            case "id":
                event_id = value
            case "data":
                data = value
            case "" if data:
                yield ServerSent(name, event_id, json.loads(data))
                name, data = "", ""


def printed(events: list[ServerSent]) -> bytes:
    """The bytes in `output` events with base64."""
    return b"".join(base64.b64decode(event.data["data"]) for event in events if event.name == "output")


@asynccontextmanager
async def api_world(database_url: str, clock: FakeClock, folder: Path) -> AsyncIterator[ApiWorld]:
    """A hub with two workspaces, keys of every role, a released bot, two automations, one connected runner."""
    book = CreditBook(clock.monotonic)
    effects: list[Effect] = []

    def perform(effect: Effect) -> None:
        effects.append(effect)
        if isinstance(effect, ReturnCredit):
            book.put_back(effect.credit)

    disk, outputs = SystemDisk(), Outputs(folder / "outputs", SystemDisk(), on_fatal=_fail)
    await outputs.start()
    async with open_store(database_url, clock=clock, perform=perform) as store, ClientSession() as client:
        secrets, admin = await _people(store)
        await store.write(functools.partial(_seed, admin.workspace_id))
        await store.write(automations.create, admin, Definition(label="invoices", bot="invoices"))
        await store.write(
            automations.create, admin, Definition(label="strict", bot="invoices", parameters=(NEEDED, PIN))
        )
        book.open_session(admin.workspace_id, RUNNER, 1, {})
        book.resumed(RUNNER, 1, [BUILD])
        blobs = FolderBlobs(folder / "blobs", disk)
        resolver = ResolverLoop(store, blobs, cast("Any", PlayedIndex()))
        hub = Hub(
            settings=Settings(data=folder),
            clock=clock,
            disk=disk,
            store=store,
            book=book,
            sessions=cast("Any", None),
            outputs=outputs,
            blobs=blobs,
            deployments=Deployments(store, blobs, clock, resolver),
            identity=load_identity(folder, disk),
            signals=Signals(),
        )
        async with serve(hub) as url:
            yield ApiWorld(
                hub=hub,
                store=store,
                clock=clock,
                client=client,
                url=url,
                admin=admin,
                secrets=secrets,
                effects=effects,
            )
    await outputs.close()


class PlayedIndex:
    """A package index that has everything."""

    async def resolve(self, requirements: str, python_floor: str) -> Locked:
        """The list as it is."""
        return Locked(text=requirements)


@asynccontextmanager
async def serve(hub: Hub) -> AsyncIterator[str]:
    """The API on a port of its own; its address."""
    app = web.Application()
    mount(app, hub)
    install.mount(app, hub)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def _people(store: Store) -> tuple[dict[str, str], Caller]:
    secrets = {name: access.new_secret(SecretKind.KEY) for name in (*Role, "instance", "foreign", "short", "revoked")}
    await store.write(access.bootstrap, secrets["instance"])
    instance = await store.read(access.authenticate, secrets["instance"])
    assert instance is not None
    for role in Role:
        await store.write(access.create_key, instance, NewKey(name=f"the {role}", role=role), secrets[role])
    short = NewKey(name="short", role=Role.ADMIN, life=timedelta(seconds=0))
    await store.write(access.create_key, instance, short, secrets["short"])
    revoked = NewKey(name="revoked", role=Role.ADMIN)
    key = await store.write(access.create_key, instance, revoked, secrets["revoked"])
    await store.write(access.revoke_key, instance, key.id)
    await store.write(access.create_workspace, instance, "foreign", "", secrets["foreign"])
    admin = await store.read(access.authenticate, secrets["admin"])
    assert admin is not None
    return secrets, admin


def _seed(workspace_id: str, tx: Transaction) -> Done[None]:
    launch = Launch(kind=Kind.PYTHON, entry="bot.py").model_dump(mode="json")
    rows: list[tuple[str, dict[str, Any]]] = [
        ("bots", {"id": "bot_1", "name": "invoices"}),
        ("builds", {"id": BUILD, "bot_id": "bot_1", "version": "1", "digest": "5" * 64, "state": "ready"}),
        ("runners", {"id": RUNNER, "name": "desk-1", "session_epoch": 1, "last_epoch": 1, "hub_id": "hub_1"}),
    ]
    rows[1][1].update(launch=launch, kind="python", created_by="test")
    rows[2][1].update(public_key="k", home_id="h", fingerprint="f", labels={}, slots=1, state="enrolled")
    for table, values in rows:
        _insert(table, {"workspace_id": workspace_id, "created_at": tx.now, **values}, tx)
    tx.connection.execute(sa.update(tables.bots).values(released_build_id=BUILD))
    return Done(None)


def _insert(table: str, row: dict[str, Any], tx: Transaction) -> Done[None]:
    tx.connection.execute(sa.insert(tables.metadata.tables[table]).values(**row))
    return Done(None)


def _execute(statement: sa.Executable, tx: Transaction) -> Done[None]:
    tx.connection.execute(statement)
    return Done(None)


def _fail(error: BaseException) -> None:
    raise AssertionError(error)


__all__ = ["ApiWorld", "CloseSession", "SendToRunner", "ServerSent", "api_world", "printed", "serve", "server_sent"]
