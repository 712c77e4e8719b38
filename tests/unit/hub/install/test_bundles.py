"""Which bundles are handed out: nobody's odd file, and nobody's asking, is in the way of the others."""

import os
from pathlib import Path

import pytest

from hub.install.bundles import Bundles, CannotBuild
from tests.support.clock import FakeClock

GOOD = "botyard-agent-1-k.zip"


@pytest.mark.parametrize("name", ["dangling.zip", "botyard-agent-2-k.zip", "botyard-agent-2-other.zip"])
async def test_what_can_not_be_read_hides_nothing_else(tmp_path: Path, name: str) -> None:
    """Neither a link to nowhere nor a folder; also where it would be the newest of its kind."""
    (tmp_path / GOOD).write_bytes(b"x")
    os.utime(tmp_path / GOOD, (1_000_000_000,) * 2)
    bundles = Bundles(tmp_path)
    (tmp_path / name).symlink_to(tmp_path / "nowhere")
    assert [GOOD] == [one.name for one in await bundles.there()]
    (tmp_path / name).unlink()
    (tmp_path / name).mkdir()
    assert [GOOD] == [one.name for one in await bundles.there()]


async def test_a_build_that_failed_is_not_tried_at_each_request(tmp_path: Path) -> None:
    """Anybody may ask: what fails costs the hub one build in some minutes, not one a request."""
    clock, tried = FakeClock(), []

    async def fail(folder: Path) -> str:
        tried.append(folder)
        raise CannotBuild("there is no uv")

    bundles = Bundles(tmp_path, fail, clock.monotonic)
    for _ in range(3):
        await bundles.ready()
    assert 1 == len(tried)
    clock.advance(301)
    await bundles.ready()
    await bundles.ready()
    assert 2 == len(tried)
