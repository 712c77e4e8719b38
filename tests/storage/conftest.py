"""An open store on each engine, with everything it says recorded."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from hub.storage.migrations.run import migrate
from hub.storage.opening import Options, open_store
from hub.storage.store import Store
from hub.storage.transaction import Effect
from tests.support.clock import FakeClock
from tests.support.postgres import PostgresServer

LANE_LIMIT = 64


@dataclass(slots=True)
class Heard:
    """What a store told the outside: effects performed, effects that failed, fatal errors."""

    performed: list[Effect] = field(default_factory=list)
    refused: list[tuple[Effect, Exception]] = field(default_factory=list)
    fatal: list[BaseException] = field(default_factory=list)

    def perform(self, effect: Effect) -> None:
        """Perform an effect; one that is an exception is raised."""
        if isinstance(effect, Exception):
            raise effect
        self.performed.append(effect)

    def options(self) -> Options:
        """Options that record instead of ending the process."""
        return Options(
            on_effect_error=lambda effect, error: self.refused.append((effect, error)),
            on_fatal=self.fatal.append,
            lane_limit=LANE_LIMIT,
        )


@pytest.fixture
def heard() -> Heard:
    """What the store told the outside."""
    return Heard()


@pytest.fixture
def database_url(engine: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of a database with the schema and nothing else; on PostgreSQL a copy of one that was made once."""
    if engine == "sqlite":
        yield f"sqlite:///{tmp_path / 'hub.db'}"
        return
    server: PostgresServer = request.getfixturevalue("postgres_server")
    url = server.new_database(server.template("schema", _make_schema))
    yield url
    server.drop(url)


def _make_schema(url: str) -> None:
    with ThreadPoolExecutor(1) as beside_the_loop:
        beside_the_loop.submit(asyncio.run, migrate(url)).result()


@pytest.fixture
async def store(database_url: str, clock: FakeClock, heard: Heard) -> AsyncIterator[Store]:
    """A store on a fresh database, once for each engine."""
    async with open_store(database_url, clock=clock, perform=heard.perform, options=heard.options()) as opened:
        yield opened
    assert [] == heard.fatal
