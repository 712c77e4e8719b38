"""A hub's runners all come back at once: a share of the campaign's part `herd` (`tests/reliability`)."""

from pathlib import Path

import pytest

from tests.reliability.herd import BACK_MAX_S, come_back, faults

pytestmark = [pytest.mark.slow, pytest.mark.timeout(500)]
_SIZE = 200


async def test_a_herd_comes_back_and_the_api_answers_meanwhile(tmp_path: Path) -> None:
    """R49: real sockets, keys and back-off; the hub is killed and all are let in again, while people are served."""
    found = await come_back(tmp_path, _SIZE)
    assert faults(found, _SIZE) == []
    assert max(found.back_s) <= BACK_MAX_S
