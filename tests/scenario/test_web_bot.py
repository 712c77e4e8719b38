"""A bot that drives a real browser, started by a real runner in a home of ordinary length."""

import os
import shutil
import tempfile
from pathlib import Path

import pytest

from tests.support.rig import ROOT, Rig

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


@pytest.mark.browser
async def test_the_web_sample_runs_on_a_runner() -> None:
    """Issue "the main job": Selenium drives a real Chromium through the page that the sample itself serves."""
    if not os.environ.get("CHROME") and not any(map(shutil.which, NAMES)):
        pytest.skip("no Chromium on this machine")
    # pytest's own folders are longer than any home; what is tried here is a home as people have them.
    with tempfile.TemporaryDirectory(prefix="botyard-demo-") as folder:
        async with Rig(Path(folder)) as rig:
            await rig.add_runner("runner")
            await rig.botyard("deploy", str(ROOT / "samples" / "web"), "--bot", "web", within=120)
            run = await rig.botyard("run", "web", "--follow", code=None)
            assert (run.code, b"SUCCESS: 4 orders confirmed" in run.out) == (0, True), run.text + run.err.decode()
