"""A gateway for each test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.gateway import GatewayWorld, gateway_world


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[GatewayWorld]:
    """A gateway with an open session to a scripted hub; gives up after one second."""
    async with gateway_world(tmp_path, give_up_s=1.0, look_s=0.3, upload_max_bytes=3_000_000) as made:
        yield made
