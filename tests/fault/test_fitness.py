"""The fault matrix of `tests/reliability/fitness.py`, many faults at once: named, kept from starting, worked on."""

from pathlib import Path

import pytest

from tests.reliability.fitness import broken_by, fit_machine, row
from tests.reliability.fitness_faults import faults

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

ROUNDS = (
    {"locked", "disconnected", "wrong size", "wrong DPI", "application removed", "browser removed"},
    {"pop-up", "low memory", "clock off", "low disk"},
    {"blank screen"},
    {"X server killed"},
)
"""What can be told side by side: a desktop that is gone has no size, a locked one no window in front."""


async def test_an_unfit_machine_is_named_gets_no_work_and_works_again(tmp_path: Path) -> None:
    """Issue 6, points 7 and 9: on the runner, in the API and in why; nothing starts meanwhile, not even in the moment.

    How long each takes is measured by `python -m tests.reliability --only fitness`; here only the order counts.
    """
    async with fit_machine(tmp_path) as matrix:
        injected = {fault.name: fault for fault in faults(matrix.ground)}
        assert set().union(*ROUNDS) - set(injected) <= {"low disk"}
        for names in ROUNDS:
            await matrix.round([injected[name] for name in injected if name in names], at_once=True)
        await matrix.no_python()
    print("\n".join(map(row, matrix.told)))
    assert len(matrix.told) >= 12
    assert [] == [(one.fault, broken) for one in matrix.told for broken in broken_by(one)]
