"""How much of a runner's disk output takes, and how long it stays (core.md §3, P4, R27)."""

from pathlib import Path

import pytest

from agent.config import load_settings
from agent.errors import SetupError
from agent.output_room import GIB, LEAST_SHARE_BYTES, Allowance, KeptOutput, kept_free, share

DAY = 24 * 3600.0


@pytest.mark.parametrize(
    ("slots", "limit", "ended", "cap"),
    [
        (1, GIB, 0, GIB),
        (10, GIB, 0, GIB),
        (20, GIB, 0, GIB // 2),
        (1, 5000, 0, 5000),
        (10, GIB, 5 * GIB, GIB // 2),
        (10, GIB, 11 * GIB, LEAST_SHARE_BYTES),
        (0, 2 * GIB, 0, 2 * GIB),
    ],
)
def test_all_shims_together_keep_the_runners_cap(slots: int, limit: int, ended: int, cap: int) -> None:
    """core.md §3: 1 GiB an execution, 10 GiB a runner, what ended bots left for the hub counts as well."""
    assert share(Allowance(), slots, limit, ended) == cap


def test_a_small_disk_is_not_all_kept_free() -> None:
    """P4: keep 1 GiB of disk free; on one that has hardly more, bots could print nothing at all."""
    assert kept_free(Allowance(), 500 * GIB) == GIB
    assert kept_free(Allowance(), GIB) == GIB // 10


def test_segments_stay_a_day_beside_the_hub() -> None:
    """core.md §3: `safe` lets the runner delete segments, kept 24 h more while the budget allows."""
    kept = KeptOutput(cap_bytes=1000)
    kept.note_safe(100, 0.0)
    kept.note_safe(150, 59.0)
    kept.note_safe(300, 60.0)
    kept.note_safe(900, DAY)

    def removable(available: int, now: float, *, is_short: bool = False) -> int:
        return kept.removable(available, now, DAY, is_short=is_short)

    assert [removable(950, now) for now in (DAY - 1, DAY, DAY + 59, DAY + 60, 2 * DAY)] == [0, 150, 150, 300, 900]
    # the budget: what is kept counts with what the hub does not have
    assert removable(1500, DAY) == 900
    assert KeptOutput(cap_bytes=1000, safe=900).removable(1500, 0.0, DAY, is_short=False) == 500
    assert KeptOutput(cap_bytes=1000, safe=100).removable(1500, 0.0, DAY, is_short=False) == 100
    # a disk that runs short
    assert KeptOutput(cap_bytes=1000, safe=900).removable(900, 0.0, DAY, is_short=True) == 900


def test_an_administrator_says_it_in_the_homes_file(tmp_path: Path) -> None:
    """design.md §5: settings with their units; a size without one is refused by name."""
    assert load_settings(tmp_path, {}, {}).allowance() == Allowance()
    lines = ('keep_free = "200 MiB"', 'output_limit = "2 GiB"', "keep_output_hours = 0.5")
    (tmp_path / "agent.toml").write_text("\n".join(lines))
    found = load_settings(tmp_path, {}, {}).allowance()
    assert found == Allowance(output_bytes=2 * GIB, keep_free_bytes=200 * 1024**2, keep_s=1800)
    (tmp_path / "agent.toml").write_text("keep_free = 5")
    with pytest.raises(SetupError, match=r"keep_free: .*as 20 GiB"):
        load_settings(tmp_path, {}, {})
