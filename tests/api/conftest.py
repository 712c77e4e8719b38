"""The API on both engines where the database matters, else on SQLite."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.api_hub import ApiWorld, api_world
from tests.support.clock import FakeClock


@pytest.fixture
async def world(sqlite_url: str, clock: FakeClock, tmp_path: Path) -> AsyncIterator[ApiWorld]:
    """A hub with two workspaces, on SQLite."""
    async with api_world(sqlite_url, clock, tmp_path / "data") as made:
        yield made


@pytest.fixture
async def each_world(database_url: str, clock: FakeClock, tmp_path: Path) -> AsyncIterator[ApiWorld]:
    """The same, on each engine in turn."""
    async with api_world(database_url, clock, tmp_path / "data") as made:
        yield made
