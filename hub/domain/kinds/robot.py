"""Robot Framework suites (bot-packages.md §2, §5)."""

import re

from agent.wire.words import Kind
from hub.domain.kinds.package import Package, Plan, Rule, python_of
from hub.domain.kinds.python import python_requirements
from hub.domain.package_options import PackageOptions
from hub.domain.requirements import Requirements

_FOLDERS = ("", "tasks/", "tests/")
_ALONE = Requirements(path="", lines=("robotframework",))
# A file without either is a resource: keywords that others use.
_HAS_TASKS = re.compile(r"(?im)^\*+ *(?:tasks?|test cases?) *\**")


def _candidates(package: Package) -> tuple[str, ...] | None:
    suites = tuple(path for path in sorted(package.executable) if _is_suite(package, path))
    return suites or None


def _is_suite(package: Package, path: str) -> bool:
    folder = path[: path.rfind("/") + 1]
    if folder not in _FOLDERS or not path.lower().endswith(".robot"):
        return False
    text = package.text(path)
    return text is None or _HAS_TASKS.search(text) is not None


def _find(package: Package, entry: str) -> str | None:
    if package.has(entry):
        return entry
    return entry if package.has_below(entry.rstrip("/"), ".robot") else None


def _runs(package: Package, entry: str) -> bool:
    return _find(package, entry) is not None and (entry.lower().endswith(".robot") or not package.has(entry))


def _plan(package: Package, entry: str, options: PackageOptions) -> Plan:
    return Plan(entry=entry, python=python_of(package, options), requirements=python_requirements(package) or _ALONE)


ROBOT = Rule(
    kind=Kind.ROBOT,
    looked_for="a *.robot with tasks at the root, in tasks/ or in tests/ (Robot Framework suite)",
    candidates=_candidates,
    plan=_plan,
    runs=_runs,
    find=_find,
    entries='suites ("--entry ." runs all)',
)
