"""An open store on each engine, with everything it says recorded."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from hub.storage.opening import Options, open_store
from hub.storage.store import Store
from hub.storage.transaction import Effect
from tests.support.clock import FakeClock

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
async def store(database_url: str, clock: FakeClock, heard: Heard) -> AsyncIterator[Store]:
    """A store on a fresh database, once for each engine."""
    async with open_store(database_url, clock=clock, perform=heard.perform, options=heard.options()) as opened:
        yield opened
    assert [] == heard.fatal
