"""The plain sample: no SDK, its exit code is its result (bot-packages.md §6, §7)."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SAMPLES = Path(__file__).resolve().parents[3] / "samples"


def run(folder: Path | None, parameters: dict[str, Any] | None = None) -> subprocess.CompletedProcess[str]:
    """Start the script as a runner does, or by hand when `folder` is None."""
    env = {"PATH": "/usr/bin:/bin", "PYTHONIOENCODING": "utf-8"}
    if folder is not None:
        (folder / "parameters.json").write_text(json.dumps(parameters or {}))
        env |= {"BOTYARD_PARAMETERS": str(folder / "parameters.json"), "BOTYARD_RESULT": str(folder / "result.json")}
        env |= {"BOTYARD_ARTIFACTS": str(folder)}
    command = [sys.executable, "main.py"]
    return subprocess.run(command, cwd=SAMPLES / "plain", env=env, capture_output=True, text=True, check=False)


def test_it_runs_by_hand() -> None:
    """Nothing of ours is needed."""
    ended = run(None)

    assert ended.returncode == 0
    assert ended.stdout.splitlines()[0] == "text 1 of 5: 5 words"
    assert ended.stdout.splitlines()[-1] == "24 words, 16 different"


def test_it_leaves_a_file_and_a_result(tmp_path: Path) -> None:
    """What a runner offers is used: parameters in, a table and a result out."""
    ended = run(tmp_path, {"texts": ["a b", "a"], "pace": 0})

    assert ended.returncode == 0
    assert (tmp_path / "words.csv").read_text().splitlines() == ["word,count", "a,2", "b,1"]
    result = json.loads((tmp_path / "result.json").read_text())
    assert result["totals"] == {"total": 2, "processed": 2, "failed": 0}


def test_it_can_be_asked_to_fail(tmp_path: Path) -> None:
    """Exit code 3 and a line on stderr, no result."""
    ended = run(tmp_path, {"pace": 0, "fail": True})

    assert ended.returncode == 3
    assert ended.stderr == "asked to fail\n"
    assert not (tmp_path / "result.json").exists()


@pytest.mark.parametrize("name", ["invoices", "plain", "web"])
def test_each_sample_says_what_it_is(name: str) -> None:
    """A version and a README, as a deployment wants them; no sample but `plain` knows of us beyond artifacts."""
    folder = SAMPLES / name

    assert (folder / "VERSION").read_text().strip() == "1.0.0"
    assert (folder / "README.md").read_text().startswith(f"# {name}\n")
    if name == "invoices":
        assert "botyard" not in (folder / "bot.py").read_text().lower()
