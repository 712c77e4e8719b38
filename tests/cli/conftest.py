"""The command line against the API on a real store: what people type, what they see, and with which code it ends."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.api_hub import ApiWorld, api_world
from tests.support.clock import FakeClock
from tests.support.typed import Typed, typing_in


@pytest.fixture
async def world(sqlite_url: str, clock: FakeClock, tmp_path: Path) -> AsyncIterator[ApiWorld]:
    """A hub with two workspaces, on SQLite."""
    async with api_world(sqlite_url, clock, tmp_path / "data") as made:
        yield made


@pytest.fixture
def typed(
    world: ApiWorld, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> Typed:
    """Type a command as the admin of that hub."""
    monkeypatch.setenv("BOTYARD_URL", world.url)
    monkeypatch.setenv("BOTYARD_TOKEN", world.secrets["admin"])
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("COLUMNS", "120")
    return typing_in(capfdbinary)
