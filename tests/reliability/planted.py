"""Planted bugs (T4): patches that each make one classic mistake in the product; the suite must catch every one.

A patch stands in `tests/planted/NAME.patch` and begins with lines that say what it is:

    Bug: the hub acknowledges facts before their COMMIT
    Breaks: G1, R2
    Author: had not read the tests
    Caught by: tests/storage/test_writing.py tests/runners/test_link.py

Then comes what `git apply` takes. Each is put on a copy of the tree, never on the tree itself; the named tests run
there and must fail, and must pass on a copy without it. One that no longer applies is a failure.
"""

import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from tests.reliability.part import Options, PartResult
from tests.reliability.requirements import ROOT

PATCHES = ROOT / "tests" / "planted"
AIM = 25
_HEAD = ("Bug", "Breaks", "Author", "Caught by")
_SUITE_S = 900
_AT_ONCE = 2
"""Copies at work: most of a try is the start of pytest."""
_PASSED, _FAILED = 0, 1


class BadPatchError(ValueError):
    """A patch whose head is not as it must be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Planted:
    """One patch."""

    path: Path
    bug: str
    breaks: str
    is_blind: bool
    """Whether its author had not read the tests."""
    suites: tuple[str, ...]

    @property
    def name(self) -> str:
        """The file's name without its ending."""
        return self.path.stem


def read(path: Path) -> Planted:
    """The patch with its head. Raises BadPatchError."""
    head: dict[str, str] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith(("diff ", "--- ")):
            break
        name, colon, value = line.partition(":")
        if colon and name in _HEAD:
            head[name] = value.strip()
    if missing := [name for name in _HEAD if not head.get(name)]:
        raise BadPatchError(f"{path.name}: say {', '.join(missing)} before the first `diff`")
    return Planted(
        path=path,
        bug=head["Bug"],
        breaks=head["Breaks"],
        is_blind="not read" in head["Author"],
        suites=tuple(head["Caught by"].split()),
    )


def run(options: Options) -> PartResult:
    """Plant every bug in a copy of its own and see that the tests catch it."""
    result = PartResult(name="planted", promise="T4: every planted bug is caught by the suite, at least 25 of them")
    paths = sorted(PATCHES.glob("*.patch"))
    if options.tries is None and len(paths) < AIM:
        result.fail(str(PATCHES.relative_to(ROOT)), f"{len(paths)} patches, at least {AIM} are wanted")
    clean = Copy(options.folder / "planted-clean")
    caught = blind = 0
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        tries = [pool.submit(_try, path, clean, options) for path in paths[: options.count(len(paths))]]
        for path, each in zip(paths, tries, strict=False):
            tried = each.result()
            if tried is None:
                result.notes.append(f"{path.stem} was not planted: time was up")
                continue
            result.tried["bugs planted"] += 1
            if tried.problem:
                result.fail(path.stem, tried.problem)
            caught += not tried.problem
            blind += tried.is_blind
            options.say(f"planted: {caught} of {result.tried['bugs planted']} caught ({path.stem})")
    result.notes.append(f"score: {caught} of {result.tried['bugs planted']} caught, {blind} by a blind author")
    return result


@dataclass(frozen=True, slots=True)
class _Tried:
    """What came of one patch; no problem when it was caught."""

    problem: str = ""
    is_blind: bool = False


def _try(path: Path, clean: "Copy", options: Options) -> _Tried | None:
    """Plant one bug; None when there is no time for it."""
    if options.is_time_up():
        return None
    try:
        planted = read(path)
    except BadPatchError as error:
        return _Tried(str(error))
    problem = why_not_caught(planted, clean, options.folder / f"planted-{path.stem}")
    return _Tried(f"{planted.bug} ({planted.breaks}): {problem}" if problem else "", planted.is_blind)


def why_not_plantable(path: Path) -> str:
    """Empty when the patch says all it must, names tests that exist, and applies to the tree; nothing is run."""
    try:
        planted = read(path)
    except BadPatchError as error:
        return str(error)
    if gone := [suite for suite in planted.suites if not _exists(suite)]:
        return f"{path.name}: no such tests: {' '.join(gone)}"
    said = _git_apply(path, ROOT, "--check")
    return f"{path.name}: the patch does not apply any more: {said}" if said else ""


def _exists(suite: str) -> bool:
    """Whether there is such a test, or file of tests."""
    file, _, name = suite.partition("::")
    if not (ROOT / file).exists():
        return False
    name = name.partition("[")[0]
    return not name or f"def {name}(" in (ROOT / file).read_text(encoding="utf-8")


def _git_apply(patch: Path, folder: Path, *options: str) -> str:
    """Apply a patch in a folder; what git says when it cannot, else nothing."""
    command = ["git", "apply", "--whitespace=nowarn", *options, str(patch)]
    # Outside of a repository `git apply` takes the folder as it is; a parent's repository would confuse it.
    env = {**os.environ, "GIT_CEILING_DIRECTORIES": str(folder.parent)}
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, env=env)
    return done.stderr.strip() if done.returncode else ""


def why_not_caught(planted: Planted, clean: "Copy", folder: Path) -> str:
    """Empty when the bug was caught: the named tests pass without it and fail with it."""
    if not all(_exists(suite) for suite in planted.suites):
        return f"no such tests: {' '.join(planted.suites)}"
    copy = Copy(folder)
    if said := copy.plant(planted.path):
        return f"the patch does not apply any more: {said}"
    code, text = copy.test(planted.suites)
    if code == _PASSED:
        return f"NOT CAUGHT by {' '.join(planted.suites)}"
    if code != _FAILED:
        return f"the tests could not judge it (exit code {code}): {text[-1500:]}"
    code, text = clean.test(planted.suites)
    if code != _PASSED:
        return f"the tests fail without it too (exit code {code}): {text[-1500:]}"
    shutil.rmtree(folder)
    return ""


_MADE = shutil.ignore_patterns(".git", ".venv", "__pycache__", ".mypy_cache", ".ruff_cache", ".hypothesis")


class Copy:
    """A copy of the working tree in which tests run; made when first needed."""

    def __init__(self, folder: Path, source: Path = ROOT) -> None:
        self._folder = folder
        self._source = source
        self._passed: set[str] = set()
        self._lock = Lock()

    def plant(self, patch: Path) -> str:
        """Apply a patch; what git says when it cannot, else nothing."""
        with self._lock:
            self._make()
            return _git_apply(patch, self._folder)

    def test(self, suites: tuple[str, ...]) -> tuple[int, str]:
        """Run these tests until the first failure; pytest's exit code and what it printed.

        A clean copy runs each only once. A suite that hangs is no verdict.
        """
        with self._lock:
            return self._test(suites)

    def _test(self, suites: tuple[str, ...]) -> tuple[int, str]:
        self._make()
        if left := [suite for suite in suites if suite not in self._passed]:
            env = {**os.environ, "PYTHONPATH": str(self._folder)}
            command = [sys.executable, "-m", "pytest", "-x", "-q", "--no-header", *left]
            try:
                done = subprocess.run(
                    command, cwd=self._folder, capture_output=True, text=True, check=False, env=env, timeout=_SUITE_S
                )
            except subprocess.TimeoutExpired:
                return -1, f"not over within {_SUITE_S} s"
            if done.returncode:
                return done.returncode, done.stdout + done.stderr
            self._passed.update(left)
        return _PASSED, ""

    def _make(self) -> None:
        if self._folder.exists():
            return
        shutil.copytree(self._source, self._folder, ignore=self._made, symlinks=True)

    def _made(self, folder: str, names: list[str]) -> set[str]:
        """What tools make: it comes and goes beside us. `packaging/deb/build` is source, a `build` on top is not."""
        on_top = {"build", "dist"} if Path(folder) == self._source else set()
        return on_top | _MADE(folder, names)
