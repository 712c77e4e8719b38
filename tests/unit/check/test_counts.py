"""The counts that `make test` prints are those of the tests, per engine (issue 2, part 1)."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
SUITE = """
import pytest

@pytest.fixture(params=[pytest.param(name, marks=getattr(pytest.mark, name)) for name in ("sqlite", "postgres")])
def engine(request):
    if request.param == "postgres":
        pytest.skip("no server")
    return request.param

def test_stores(engine): pass

def test_fails(): assert False

@pytest.fixture
def falls_over():
    yield
    raise RuntimeError("left behind")

def test_breaks_after_its_end(falls_over): pass
"""


def test_each_test_is_counted_once_under_its_engine(tmp_path: Path) -> None:
    """A test that passes and then fails in tear-down has failed; a skip in a fixture is a skip of its engine."""
    (tmp_path / "test_suite.py").write_text(SUITE)
    counts = tmp_path / "counts.jsonl"
    options = ["-q", "-p", "tests.support.counts", "--counts-file", str(counts), "-c", str(ROOT / "pyproject.toml")]

    subprocess.run(
        [sys.executable, "-m", "pytest", *options, "--rootdir", str(tmp_path), str(tmp_path)],
        check=False,
        cwd=ROOT,
        capture_output=True,
    )

    results = [json.loads(line) for line in counts.read_text().splitlines()]
    found = [(result["test"].rpartition("::")[2], result["engine"], result["outcome"]) for result in results]
    assert [
        ("test_stores[sqlite]", "sqlite", "passed"),
        ("test_stores[postgres]", "postgres", "skipped"),
        ("test_fails", None, "failed"),
        ("test_breaks_after_its_end", None, "failed"),
    ] == found
    assert "no server" == results[1]["reason"]
