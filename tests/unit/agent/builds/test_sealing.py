"""The lock of a shared environment."""

import asyncio
from pathlib import Path

import pytest

from agent.builds.sealing import only_one


@pytest.mark.parametrize("steps", range(6))
async def test_a_preparation_ends_at_whichever_step_it_is_canceled(tmp_path: Path, steps: int) -> None:
    """A cancellation that is swallowed would leave the daemon preparing for ever."""

    async def prepare() -> None:
        async with only_one(tmp_path / "lock"):
            await asyncio.Event().wait()

    preparing = asyncio.create_task(prepare())
    for _ in range(steps):
        await asyncio.sleep(0)
    preparing.cancel()
    ended, _ = await asyncio.wait([preparing], timeout=20)
    assert ended == {preparing}
    assert preparing.cancelled()
