"""Fixtures for all tests."""

import os
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from tests.support import postgres
from tests.support.clock import FakeClock
from tests.support.leaks import leaked_tasks, no_leaks
from tests.support.waiting import eventually

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A job in the background is started with Ctrl-C ignored, and so would be every process that a test interrupts.
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Folders whose tests start real processes; each of their tests is checked for what it leaves behind.
LEAK_CHECKED = frozenset({"scenario", "fault"})

DatabaseUrl = Callable[[], str]


@pytest.fixture
def clock() -> FakeClock:
    """A clock that stands still until the test turns it."""
    return FakeClock()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[postgres.PostgresServer]:
    """A PostgreSQL server for the whole session; tests that need one skip where there is none."""
    if not postgres.is_available():
        pytest.skip(postgres.MISSING)
    with postgres.run_server() as server:
        yield server


@pytest.fixture
def postgres_url(postgres_server: postgres.PostgresServer) -> Iterator[str]:
    """The address of an empty PostgreSQL database of this test's own."""
    url = postgres_server.new_database()
    yield url
    postgres_server.drop(url)


@pytest.fixture(
    params=[pytest.param("sqlite", marks=pytest.mark.sqlite), pytest.param("postgres", marks=pytest.mark.postgres)]
)
def engine(request: pytest.FixtureRequest) -> str:
    """Each database engine in turn; a test that asks for it is counted under that engine."""
    return str(request.param)


@pytest.fixture
def empty_database_url(engine: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty database of this test's own, once for each engine."""
    if engine == "sqlite":
        return f"sqlite:///{tmp_path / 'hub.db'}"
    return str(request.getfixturevalue("postgres_url"))


@pytest.fixture(autouse=True)
def _nothing_left_behind(request: pytest.FixtureRequest) -> Iterator[None]:
    """After each scenario: no process, descriptor, thread or asyncio task is left (style.md 2.10)."""
    if LEAK_CHECKED.isdisjoint(request.path.parts):
        yield
        return
    if request.node.get_closest_marker("asyncio"):
        request.getfixturevalue("_no_task_left_behind")
    with no_leaks():
        yield


@pytest.fixture
async def _no_task_left_behind() -> AsyncIterator[None]:
    yield
    await eventually(lambda: not leaked_tasks(), within=2, saying=f"no asyncio task is left: {leaked_tasks()}")


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No variable of the person who runs the tests reaches the code under test."""
    for name in os.environ:
        if name.startswith("BOTYARD_") and not name.startswith("BOTYARD_TEST_"):
            monkeypatch.delenv(name)
