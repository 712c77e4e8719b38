"""Fixtures of the fault tests."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from agent.cgroups.choice import LimitMode, chosen
from tests.support.limited_bots import NO_GROUPS, Limited, is_removed
from tests.support.shims import ShimHome, shim_home
from tests.support.waiting import eventually


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[ShimHome]:
    """A folder for executions and a zygote with one idle shim ahead."""
    async with shim_home(tmp_path) as made:
        yield made


@pytest.fixture(params=[True, False], ids=["groups", "watched"])
async def limited(request: pytest.FixtureRequest, home: ShimHome) -> AsyncIterator[Limited]:
    """A way to start bots within limits; its groups are gone at the end."""
    if request.param and chosen().mode is LimitMode.RLIMIT:
        pytest.skip(NO_GROUPS)
    made = Limited(home, with_groups=request.param)
    yield made
    await eventually(lambda: all(is_removed(group) for group in made.groups), saying="its groups are removed")


@pytest.fixture
def watched(home: ShimHome) -> Limited:
    """Without control groups."""
    return Limited(home, with_groups=False)
