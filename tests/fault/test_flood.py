"""Much output beside busy bots, a share of the campaign's part (`tests/reliability/flood.py`)."""

from pathlib import Path

import pytest

from tests.reliability.flood import MIB, faults, pour

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


async def test_a_flood_beside_busy_bots_stays_within_its_memory(tmp_path: Path) -> None:
    """R31, R35, R36, R37: hub, daemon and shim grow by less than 64 MiB, the link stays, all is whole, no zombie.

    It begins with a line of 10 MB with NUL, broken UTF-8 and escapes; eight bots keep the cores busy.
    """
    found = await pour(tmp_path, 24 * MIB)
    print(found.summary)
    assert [] == faults(found)
    assert {"the hub", "the daemon", "a shim"} == set(found.growth_mib)
    assert found.shown_late_s
