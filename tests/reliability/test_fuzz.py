"""The part `fuzz` counts what hypothesis tried and tells what it found (T8)."""

from pathlib import Path

import pytest

from tests.reliability import fuzz
from tests.reliability.part import Options, PartResult
from tests.reliability.requirements import ROOT

TEST = """
from hypothesis import given, strategies as st

@given(st.integers())
def test_small(number):
    assert number < {limit}
"""


def quiet(line: str) -> None:
    """Say nothing."""


def tried(folder: Path, monkeypatch: pytest.MonkeyPatch, limit: str, tries: int) -> PartResult:
    """Run the part over one test, with the profile of the real ones."""
    (folder / "conftest.py").write_text((ROOT / "tests" / "property" / "conftest.py").read_text())
    (folder / "test_small.py").write_text(TEST.format(limit=limit))
    monkeypatch.setattr(fuzz, "FILES", (str(folder / "test_small.py"),))
    monkeypatch.setattr(fuzz, "BATCH", 300)
    return fuzz.run(Options(folder=folder, tries=tries, say=quiet))


def test_as_many_examples_as_asked_for_are_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """T8: `--seeds` names the examples of each test; batches have seeds of their own."""
    result = tried(tmp_path, monkeypatch, "10**99", 400)

    assert [] == result.failures
    assert {"examples": 400, "tests": 2} == dict(result.tried)


def test_a_found_example_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """T8: a failure names its seed and shows the falsifying example; there is no second batch of it."""
    result = tried(tmp_path, monkeypatch, "100", 900)

    (failure,) = result.failures
    assert "seed 0" == failure.where
    assert "number=100" in failure.what
