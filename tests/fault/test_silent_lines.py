"""Lines that fall silent or crawl, in network namespaces: a share of the campaign's parts (`tests/reliability`)."""

from pathlib import Path

import pytest

from tests.reliability.partitions import SILENT_MAX_S, Cut, detect
from tests.reliability.slow_line import LATE_MAX_S, crawl

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


async def test_a_silent_line_is_known_at_both_ends(tmp_path: Path) -> None:
    """R42, R43: half-open and one-way, each known at both ends within 35 s; D9: the bot behind it loses nothing."""
    for found in await detect(tmp_path, [Cut.HALF_OPEN, Cut.DEAF_HUB]):
        assert found.faults() == [], found
        assert max(found.hub_s, found.runner_s) <= SILENT_MAX_S, found


async def test_heartbeats_do_not_stand_behind_output(tmp_path: Path) -> None:
    """R44: 30 % loss, 64 kbit/s, more output than that: heartbeats come, none 10 s late, over one link."""
    found = await crawl(tmp_path, 25.0)
    assert len(found.late_s) >= 2, found
    assert max(found.late_s) < LATE_MAX_S, found
    assert (found.links, found.is_whole) == (1, True), found
