"""The table of requirements counts what tests say of themselves, and nothing else."""

from pathlib import Path

import pytest

from tests.reliability.requirements import WANTED, Proof, named, proofs, table

TEXT = '''
"""A module that names R99 proves nothing."""
def test_one():
    """core.md D8, R2: the hub is killed; C4 and T1, too. BR7, R100 and D123 are no numbers of ours."""
async def test_r21_in_the_name():
    pass
class Machine(RuleBasedStateMachine):
    """T3 (C2-C7)."""
    def strike(self):
        """R45: and a rule's."""
class Base:
    """R7."""
def helper():
    """R6."""
def test_nothing():
    """No number."""
'''


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("R1", ["R1"]),
        ("R42-R44", ["R42", "R43", "R44"]),
        ("C10-12", ["C10", "C11", "C12"]),
        ("D1–D3, P4", ["D1", "D2", "D3", "P4"]),
        ("r1, R, R1a, XR1, R123", []),
    ],
)
def test_numbers_are_read_with_their_ranges(text: str, numbers: list[str]) -> None:
    """T8: `R42-R44` names three."""
    assert numbers == list(named(text))


def test_only_tests_prove(tmp_path: Path) -> None:
    """T8: docstrings and names of tests count; those of modules and of what a test uses do not."""
    folder = tmp_path / "tests"
    folder.mkdir()
    (folder / "test_some.py").write_text(TEXT)
    (folder / "some.py").write_text(TEXT)

    assert [
        Proof(test="tests/test_some.py::test_one", numbers=frozenset({"D8", "R2", "C4", "T1"})),
        Proof(test="tests/test_some.py::test_r21_in_the_name", numbers=frozenset({"R21"})),
        Proof(test="tests/test_some.py::Machine", numbers=frozenset({f"C{n}" for n in range(2, 8)} | {"T3", "R45"})),
    ] == proofs(folder)


def test_a_requirement_without_a_test_stands_in_the_table(tmp_path: Path) -> None:
    """T8: what nobody proves is told."""
    rows = table([Proof(test="t", numbers=frozenset({"R1", "R99"}))])

    assert ["t"] == rows["R1"]
    assert [] == rows["R2"]
    assert list(WANTED) == list(rows)


def test_every_requirement_has_a_test() -> None:
    """T8: "a requirement without a passing test is not met" (`reliability.md`)."""
    assert [] == [number for number, tests in table(proofs()).items() if not tests]
