"""A real hub in this process, on a port of its own, and what a test needs to bring runners and tasks to it."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from agent.ports import SystemDisk
from hub import data_folder
from hub.app import serving
from hub.config import Settings
from hub.context import Hub
from hub.domain.access import Caller, Role, SecretKind
from hub.domain.automation import Definition
from hub.domain.task import TaskView
from hub.services import access, automations, enrolment, tasks
from hub.services.access import new_secret
from hub.services.enrolment import NewEnrolment
from hub.services.loops import on_doubtful_grant, on_failed_grant
from hub.services.sweeps import Sweeper, Times
from hub.services.tasks import NewTask
from tests.support import work_world
from tests.support.clock import ShiftedClock
from tests.support.scripted_runner import ScriptedRunner

BUILD = work_world.BUILD


@dataclass(slots=True, kw_only=True)
class LinkWorld:
    """A hub that listens, with one released bot `invoices` and its automation."""

    hub: Hub
    url: str
    client: aiohttp.ClientSession
    caller: Caller
    clock: ShiftedClock
    sweeper: Sweeper
    """One of the test's own, whose rounds it makes when it wants; the hub's has its rounds beside it."""

    async def token(self) -> str:
        """A fresh enrolment token."""
        secret = new_secret(SecretKind.ENROLMENT)
        new = NewEnrolment(labels={"site": "north"})
        await self.hub.store.write(enrolment.create, self.caller, new, secret)
        return secret

    async def runner(self, name: str = "vm1") -> ScriptedRunner:
        """An enrolled runner."""
        runner = ScriptedRunner(url=self.url, client=self.client)
        status, answer = await runner.enrol(await self.token(), name)
        assert status == 201, answer
        return runner

    async def create(self, automation: str = "invoices", **members: Any) -> TaskView:
        """A task of `invoices`, by the fast path where a credit counts."""
        new = NewTask(
            workspace_id=self.caller.workspace_id, automation=automation, parameters={}, actor="token:ana", **members
        )
        credit = self.hub.book.take(self.caller.workspace_id, {}, BUILD)
        failure = on_failed_grant(credit) if credit else ()
        doubt = on_doubtful_grant(credit) if credit else ()
        return await self.hub.store.write(tasks.create, new, credit, urgent=True, on_failure=failure, on_doubt=doubt)

    async def show(self, task: TaskView) -> TaskView:
        """The task as it is now."""
        return await self.hub.store.read(tasks.show, self.caller.workspace_id, task.id)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[LinkWorld]:
    """A hub on a fresh folder, and a client."""
    async with link_world(tmp_path) as made:
        yield made


@asynccontextmanager
async def link_world(folder: Path, sweep_s: float = 0.5) -> AsyncIterator[LinkWorld]:
    """A hub that listens while the block runs, by a clock that a test may let go on."""
    settings = Settings(data=folder / "data", port=0, sweep_s=sweep_s)
    disk, clock = SystemDisk(), ShiftedClock()
    with data_folder.held(settings.data, disk):
        async with serving(settings, clock=clock, disk=disk) as hub, aiohttp.ClientSession() as client:
            yield await _seeded(hub, client, clock)


async def _seeded(hub: Hub, client: aiohttp.ClientSession, clock: ShiftedClock) -> LinkWorld:
    secret = (hub.settings.data / data_folder.ADMIN_TOKEN_FILE).read_text().strip()
    caller = await hub.store.read(access.authenticate, secret)
    assert caller is not None
    assert caller.role is Role.ADMIN
    await hub.store.write(lambda tx: work_world.bot(tx, "invoices", BUILD, workspace_id=caller.workspace_id))
    await hub.store.write(automations.create, caller, Definition(label="invoices", bot="invoices"))
    url = hub.disk.read(hub.settings.data / data_folder.ADDRESS_FILE)
    assert url is not None
    times = Times(sweep_s=hub.settings.sweep_s, output_grace_s=hub.settings.output_grace_s)
    sweeper = Sweeper(hub.store, hub.sessions, hub.clock, hub.identity.hub_id, times)
    address = json.loads(url)["url"]
    return LinkWorld(hub=hub, url=address, client=client, caller=caller, clock=clock, sweeper=sweeper)
