"""The world of the service tests, once on each engine."""

from collections.abc import AsyncIterator

import pytest

from tests.support.clock import FakeClock
from tests.support.work_world import WorkWorld, work_world


@pytest.fixture
async def world(database_url: str, clock: FakeClock) -> AsyncIterator[WorkWorld]:
    """A store with a bot, an automation and two runners; the played runners hear every effect."""
    async with work_world(database_url, clock) as made:
        yield made
