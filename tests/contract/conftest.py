"""BotCity's API on each engine."""

from collections.abc import AsyncIterator

import pytest

from tests.support.clock import FakeClock
from tests.support.maestro_hub import MaestroWorld, maestro_world


@pytest.fixture
async def world(database_url: str, clock: FakeClock) -> AsyncIterator[MaestroWorld]:
    """A hub's /api/v2 on a real store, once for each engine."""
    async with maestro_world(database_url, clock) as made:
        yield made
