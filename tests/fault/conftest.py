"""Fixtures of the fault tests."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.shims import ShimHome, shim_home


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[ShimHome]:
    """A folder for executions and a zygote with one idle shim ahead."""
    async with shim_home(tmp_path) as made:
        yield made
