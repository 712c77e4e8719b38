"""The web sample drives a real Chromium, as the vendor's tutorials do."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from agent.wire.task import Totals
from tests.support.gateway import TOKEN, gateway_world, snapshot
from tests.support.waiting import seconds

SAMPLE = Path(__file__).resolve().parents[2] / "samples" / "web"
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


@pytest.mark.browser
@pytest.mark.slow
async def test_it_enters_orders_and_leaves_screenshots(tmp_path: Path) -> None:
    """Four orders entered and confirmed by the page, a picture of each, reported with items."""
    if not os.environ.get("CHROME") and not any(map(shutil.which, NAMES)):
        pytest.skip("no Chromium on this machine")
    async with gateway_world(tmp_path, linked=False) as gateway:
        gateway.daemon.bot.task = snapshot(parameters={})
        code, out = await _run([sys.executable, "-u", "bot.py", gateway.url, "1042", TOKEN, "acme"], tmp_path)

        assert code == 0, out
        lines = out.splitlines()
        assert lines[1] == "Opened: Order portal"
        assert lines[2] == "3 x Keyboard: confirmed as PO-7001"
        assert lines[-1] == "SUCCESS: 4 orders confirmed"
        (report,) = gateway.daemon.reports
        assert (report.status, report.totals) == ("succeeded", Totals(total=4, processed=4, failed=0))
    pictures = sorted(path.name for path in (tmp_path / "artifacts").iterdir())
    assert pictures == ["PO-7001.png", "PO-7002.png", "PO-7003.png", "PO-7004.png"]


async def test_without_a_browser_it_says_so_and_reports_failed(tmp_path: Path) -> None:
    """A machine that cannot do the work is told by the bot, not by a stack trace."""
    async with gateway_world(tmp_path, linked=False) as gateway:
        command = [sys.executable, "-u", "bot.py", gateway.url, "1042", TOKEN, "acme"]
        code, out = await _run(command, tmp_path, PATH=str(tmp_path))

        assert code == 0, out
        assert "No Chromium on this machine" in out
        assert [report.status for report in gateway.daemon.reports] == ["failed"]


async def _run(command: list[str], folder: Path, **env: str) -> tuple[int, str]:
    known = {"PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONIOENCODING": "utf-8"}
    known |= {"BOTYARD_ARTIFACTS": str(folder / "artifacts")}
    if "CHROME" in os.environ and not env:
        known["CHROME"] = os.environ["CHROME"]
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=SAMPLE,
        env=known | env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(seconds(90)):
            out, _ = await process.communicate()
    finally:
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
    return process.returncode or 0, out.decode()
