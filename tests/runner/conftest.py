"""A scripted hub and the real daemon: one of each for a file, but for tests that crash it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio

from agent.wire.messages import SlotFree
from agent.wire.task import BuildReference
from agent.wire.words import PreparationState
from tests.support.bots import python_bot
from tests.support.leaks import no_leaks
from tests.support.runner import RunnerProcess
from tests.support.scripted_hub import ScriptedHub
from tests.support.waiting import eventually

Ready = Callable[[str], Awaitable[BuildReference]]


@asynccontextmanager
async def hub_and_runner(folder: Path) -> AsyncIterator[tuple[ScriptedHub, RunnerProcess]]:
    """A hub that listens and a daemon that is enrolled, not started yet."""
    with no_leaks():
        hub = ScriptedHub()
        url = await hub.serve()
        runner = RunnerProcess(folder / "home")
        runner.enrol_by_hand(hub, url)
        try:
            yield hub, runner
        finally:
            runner.close()
            await hub.close()
            if runner.log.exists():
                print(runner.text())
    assert hub.problems == []


async def have_ready(hub: ScriptedHub, runner: RunnerProcess, body: str) -> BuildReference:
    """Start the daemon where it does not run, have a bot prepared, wait for the credit of slot 0."""
    build = hub.add_build(python_bot(body), "bot")
    if runner.process is None:
        runner.start()
    elif hub.is_linked:
        await hub.want()

    def is_prepared() -> bool:
        told = hub.preparations.get(build.build_id)
        return told is not None and told.state is PreparationState.PREPARED

    await eventually(is_prepared, within=30, saying="the build was not prepared")
    await eventually(lambda: 0 in hub.credits, within=20, saying="no credit")
    return build


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[ScriptedHub, RunnerProcess]]:
    """One pair for all tests of a file."""
    async with hub_and_runner(tmp_path_factory.mktemp("runner")) as pair:
        yield pair


@pytest.fixture
def hub(shared: tuple[ScriptedHub, RunnerProcess]) -> ScriptedHub:
    """The hub."""
    return shared[0]


@pytest.fixture
def runner(shared: tuple[ScriptedHub, RunnerProcess]) -> RunnerProcess:
    """The daemon."""
    return shared[1]


@pytest.fixture
def ready(hub: ScriptedHub, runner: RunnerProcess) -> Ready:
    """Have a bot prepared and a slot free."""
    return lambda body: have_ready(hub, runner, body)


async def credit(hub: ScriptedHub, slot: int = 0, after: int = 0) -> SlotFree:
    """The credit of a slot, when one of a generation above `after` comes."""

    def found() -> SlotFree | None:
        held = hub.credits.get(slot)
        return held if held is not None and held.generation > after else None

    given = await eventually(found, within=20)
    assert given is not None
    return given
