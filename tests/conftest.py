"""Fixtures for all tests."""

import asyncio
import os
import shutil
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import settings

from hub.storage.migrations.run import migrate
from tests.support import postgres
from tests.support.clock import FakeClock
from tests.support.leaks import leaked_tasks, no_leaks
from tests.support.waiting import eventually

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A job in the background is started with Ctrl-C ignored, and so would be every process that a test interrupts.
    signal.signal(signal.SIGINT, signal.default_int_handler)

# How long an example takes says how busy the machine is, and nothing of the code.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

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


@pytest.fixture
def database_url(engine: str, request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of a database with the schema and nothing else, once for each engine: a copy of one made before."""
    if engine == "sqlite":
        yield str(request.getfixturevalue("sqlite_url"))
        return
    server: postgres.PostgresServer = request.getfixturevalue("postgres_server")
    url = server.new_database(server.template("schema", _make_schema))
    yield url
    server.drop(url)


@pytest.fixture
def sqlite_url(_sqlite_with_schema: Path, tmp_path: Path) -> str:
    """The same, on SQLite alone."""
    shutil.copy(_sqlite_with_schema, tmp_path / "hub.db")
    return f"sqlite:///{tmp_path / 'hub.db'}"


@pytest.fixture(scope="session")
def _sqlite_with_schema(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("schema") / "hub.db"
    _make_schema(f"sqlite:///{file}")
    assert not file.with_name("hub.db-wal").exists(), "it is more than one file"
    return file


def _make_schema(url: str) -> None:
    with ThreadPoolExecutor(1) as beside_the_loop:
        beside_the_loop.submit(asyncio.run, migrate(url)).result()


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
