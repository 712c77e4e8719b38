"""The judge of planted bugs is judged itself, on a tree of three small files (T4)."""

import datetime as dt
import difflib
import random
from pathlib import Path

import pytest

from tests.reliability import planted
from tests.reliability.part import Options

GOOD = "def double(number: int) -> int:\n    return number * 2\n"
TEST = "from product import double\n\n\ndef test_double() -> None:\n    assert 6 == double(3)\n"
HEAD = "Bug: it trebles\nBreaks: D1\nAuthor: had not read the tests\nCaught by: tests/test_product.py\n\n"


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project of one product file and one test."""
    root = tmp_path / "root"
    (root / "tests" / "planted").mkdir(parents=True)
    (root / "product.py").write_text(GOOD)
    (root / "tests" / "test_product.py").write_text(TEST)
    monkeypatch.setattr(planted, "ROOT", root)
    monkeypatch.setattr(planted, "PATCHES", root / "tests" / "planted")
    monkeypatch.setattr(planted.Copy.__init__, "__defaults__", (root,))
    return root


def plant(tree: Path, bad: str, head: str = HEAD) -> None:
    """A patch that turns the good file into this one."""
    lines = difflib.unified_diff(
        GOOD.splitlines(keepends=True), bad.splitlines(keepends=True), "a/product.py", "b/product.py"
    )
    (tree / "tests" / "planted" / "bug.patch").write_text(head + "".join(lines))


def quiet(line: str) -> None:
    """Say nothing."""


def judged(tree: Path, tmp_path: Path) -> list[str]:
    result = planted.run(Options(folder=tmp_path, tries=5, say=quiet))
    assert 1 == result.tried["bugs planted"]
    return [failure.what for failure in result.failures]


def test_a_bug_that_a_test_sees_is_caught_and_the_tree_stays_as_it_is(tree: Path, tmp_path: Path) -> None:
    """T4: caught is: the tests pass without the patch and fail with it; it is put on a copy."""
    plant(tree, GOOD.replace("* 2", "* 3"))

    assert [] == judged(tree, tmp_path)
    assert GOOD == (tree / "product.py").read_text()


def test_a_bug_that_no_test_sees_is_told(tree: Path, tmp_path: Path) -> None:
    """T4: a survivor is a failure with its name."""
    plant(tree, GOOD.replace("number * 2", "number + 3"))

    (problem,) = judged(tree, tmp_path)
    assert "it trebles (D1): NOT CAUGHT by tests/test_product.py" == problem


def test_a_patch_that_applies_no_more_fails(tree: Path, tmp_path: Path) -> None:
    """T4: a patch of a tree that is gone proves nothing."""
    plant(tree, GOOD.replace("* 2", "* 3"))
    (tree / "product.py").write_text("def double(number):\n    return number + number\n")

    (problem,) = judged(tree, tmp_path)
    assert "does not apply any more" in problem


def test_a_broken_file_is_no_catch(tree: Path, tmp_path: Path) -> None:
    """T4: a patch that only breaks the import is no bug that a test could see."""
    plant(tree, GOOD.replace("def", "fed"))

    (problem,) = judged(tree, tmp_path)
    assert "could not judge it" in problem


def test_a_test_that_fails_anyway_is_no_catch(tree: Path, tmp_path: Path) -> None:
    """T4: where the tests fail without the bug, nobody knows what they caught."""
    plant(tree, GOOD.replace("* 2", "* 3"))
    (tree / "tests" / "test_product.py").write_text(TEST.replace("6", "7"))

    (problem,) = judged(tree, tmp_path)
    assert "fail without it too" in problem


@pytest.mark.parametrize(
    ("head", "said"),
    [("Bug: x\n", "say Breaks, Author, Caught by"), (HEAD.replace("test_product", "test_moth"), "no such tests")],
)
def test_a_head_that_says_too_little_is_refused(head: str, said: str, tree: Path, tmp_path: Path) -> None:
    plant(tree, GOOD.replace("* 2", "* 3"), head)

    (problem,) = judged(tree, tmp_path)
    assert said in problem


def test_fewer_patches_than_wanted_fail(tree: Path, tmp_path: Path) -> None:
    """T4: at least 25."""
    result = planted.run(Options(folder=tmp_path, say=quiet))

    assert ["0 patches, at least 25 are wanted"] == [failure.what for failure in result.failures]


# --- the bugs themselves: CI's share; `python -m tests.reliability --only planted` plants all of them ---

PATCHES = sorted(planted.PATCHES.glob("*.patch"))
QUICK = "tests/unit/agent/"


def test_there_are_enough_and_nearly_half_come_from_one_who_had_not_read_the_tests() -> None:
    """T4: at least 25 of them."""
    assert len(PATCHES) >= planted.AIM
    assert sum(planted.read(path).is_blind for path in PATCHES) >= planted.AIM // 2


@pytest.mark.parametrize("path", PATCHES, ids=lambda path: path.stem)
def test_each_applies_and_names_tests_that_exist(path: Path) -> None:
    """T4: who moves the code that a patch changes, or the test that catches it, moves the patch too."""
    assert "" == planted.why_not_plantable(path)


@pytest.mark.slow
def test_three_of_today_are_caught(tmp_path: Path) -> None:
    """T4: the suite catches them: other three each day, of those that need neither processes nor a database."""
    quick = [path for path in PATCHES if all(suite.startswith(QUICK) for suite in planted.read(path).suites)]
    today = dt.datetime.now(dt.UTC).date().toordinal()
    clean = planted.Copy(tmp_path / "clean")
    for path in random.Random(today).sample(quick, 3):
        assert "" == planted.why_not_caught(planted.read(path), clean, tmp_path / path.stem)
