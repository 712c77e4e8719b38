"""CI's share of `python -m tests.reliability --only item-chaos`: the same campaign with few items."""

from pathlib import Path

import pytest

from tests.reliability import item_chaos
from tests.reliability.part import Options, PartResult

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

ITEMS = 160
SIZE = item_chaos.Size(portion=40, at_once=5, slots=2, pace_s=0.05)
"""Four kills with the journal, one of each kind at least."""


async def test_items_are_done_once_whoever_is_killed(tmp_path: Path) -> None:
    """R57-R59: 0 lost, 0 completed twice, 0 effects twice with the journal; without it they are counted."""
    result = PartResult(name="item-chaos", promise="")
    await item_chaos.campaign(result, Options(folder=tmp_path, tries=ITEMS), SIZE)

    assert [] == result.failures
    assert result.tried["items with the journal"] == ITEMS
    assert min(result.tried[f"kills of {what}"] for what in ("the hub", "a daemon", "a bot")) >= 1
