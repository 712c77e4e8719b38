"""A scripted hub and the real daemon, for each test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.leaks import adopt_orphans
from tests.support.runner import RunnerProcess
from tests.support.scripted_hub import ScriptedHub


@pytest.fixture
async def hub() -> AsyncIterator[ScriptedHub]:
    """A hub that listens."""
    hub = ScriptedHub()
    await hub.serve()
    yield hub
    await hub.close()
    assert hub.problems == []


@pytest.fixture
async def runner(hub: ScriptedHub, tmp_path: Path) -> AsyncIterator[RunnerProcess]:
    """An enrolled daemon, not started yet."""
    adopt_orphans()
    runner = RunnerProcess(tmp_path / "home")
    runner.enrol_by_hand(hub, f"http://127.0.0.1:{hub.port}")
    yield runner
    runner.close()
    if runner.log.exists():
        print(runner.text())
