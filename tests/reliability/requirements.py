"""Which requirement is proven by which test: read from the docstrings and names of the tests themselves (T8).

A test that proves a rule says so with its number (`R21`, `core.md D8`, `C4`, `P10`); ranges count (`R42-R44`).
"""

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.reliability.part import Options, PartResult

ROOT = Path(__file__).resolve().parents[2]
_NUMBER = re.compile(r"\b([RCDPT])(\d{1,2})(?:[-–]\1?(\d{1,2}))?\b", re.ASCII)


def _numbers(letter: str, *spans: tuple[int, int]) -> list[str]:
    return [f"{letter}{number}" for first, last in spans for number in range(first, last + 1)]


WANTED: tuple[str, ...] = (
    *_numbers("R", (1, 7), (12, 16), (19, 49), (53, 60), (62, 64), (66, 66), (70, 70)),
    *_numbers("P", (1, 13)),
    *_numbers("T", (1, 6), (8, 8)),
    *_numbers("C", (1, 8), (10, 12)),
    *_numbers("D", (1, 10)),
)
"""What must hold by now: `reliability.md` and the rules of `core.md` §1."""
LATER: Mapping[str, str] = {
    "R8-R10": "several hubs on one database come with a later issue",
    "R11": "as R8: the hub of several on PostgreSQL; R12 and R13 are tested for both databases",
    "R17, R18": "NATS stands between several hubs only",
    "R50-R52, R61, R65, R67-R69": "viewers, TLS rotation, watched folders and workflows have issues of their own",
    "T7": "there are no released versions yet to be mixed",
    "C9, C13, C14": "approvals have an issue of their own; workspaces and reads are tested by the API's own suites",
    "P7, in part": "the lease of a replica's row is about several hubs; the limits of a silent runner are tested",
    "P11, in part": "files and the outbox to NATS come later; creates, facts, triggers and webhooks are tested",
    "P13, in part": "N-1 and N-2 need released versions; ignoring what is unknown is tested",
}
"""What is not judged here, and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """A test and the numbers that it names."""

    test: str
    numbers: frozenset[str]


def run(options: Options) -> PartResult:
    """The table of requirements: each must be named by a test."""
    result = PartResult(name="table", promise="T8: every requirement of the list is named by a test that proves it")
    found = table(proofs())
    result.tried["requirements"] = len(found)
    for number, tests in found.items():
        if not tests:
            result.fail(number, "no test names it")
    result.notes += [f"{number} is not judged: {reason}" for number, reason in LATER.items()]
    options.say(f"table: {sum(bool(tests) for tests in found.values())} of {len(found)} requirements have a test")
    return result


def table(found: Iterable[Proof]) -> dict[str, list[str]]:
    """Each wanted number with its tests."""
    rows: dict[str, list[str]] = {number: [] for number in WANTED}
    for proof in found:
        for number in sorted(proof.numbers & rows.keys()):
            rows[number].append(proof.test)
    return rows


def proofs(folder: Path = ROOT / "tests") -> list[Proof]:
    """Every test below `folder` that names a number."""
    files = sorted(folder.rglob("test_*.py"))
    return [proof for file in files for proof in _of_file(file.relative_to(folder.parent).as_posix(), file.read_text())]


def _of_file(name: str, text: str) -> Iterator[Proof]:
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        rules: list[ast.FunctionDef] = []
        if is_machine := _is_machine(node):
            rules = [part for part in node.body if isinstance(part, ast.FunctionDef)]
        is_test = is_machine or (not isinstance(node, ast.ClassDef) and node.name.startswith("test_"))
        docs = [ast.get_docstring(each) or "" for each in (node, *rules)]
        said = " ".join([node.name.upper().replace("_", " "), *docs])
        if is_test and (numbers := frozenset(named(said))):
            yield Proof(test=f"{name}::{node.name}", numbers=numbers)


def _is_machine(node: ast.AST) -> bool:
    """Whether this is a hypothesis machine: a test whose promises are its own and its rules' docstrings."""
    bases = node.bases if isinstance(node, ast.ClassDef) else []
    return any(isinstance(base, ast.Name) and base.id == "RuleBasedStateMachine" for base in bases)


def named(text: str) -> Iterator[str]:
    """The numbers in a text: `R2, R4-R6` names four."""
    for letter, first, last in _NUMBER.findall(text):
        for number in range(int(first), int(last or first) + 1):
            yield f"{letter}{number}"
