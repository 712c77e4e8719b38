"""What there is to check, and in which order."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# Known suites, the quick ones first; a folder that is not named here comes after them.
_ORDER = ("unit", "wire", "property", "storage", "simulation", "scenario", "fault", "browser")
_NO_SUITES = frozenset({"support", "check"})
_TYPED = ("agent", "hub")
# These mostly wait for processes and clocks; one job a file lets two of them wait at once.
_BY_FILE = frozenset({"scenario", "fault"})
_NOT_FAST = frozenset({"storage", "simulation", "scenario", "fault", "browser"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One check: a command, and where its results are counted when it is a pytest suite."""

    name: str
    command: tuple[str, ...]
    counts: Path | None = None
    is_fast: bool = True


def all_jobs(results: Path, *, fast: bool) -> list[Job]:
    """Return every job in order of start; `results` is a folder for the counts of the suites."""
    jobs = [*_static_jobs(), *_suites(results, fast=fast)]
    return [job for job in jobs if job.is_fast or not fast]


def _static_jobs() -> Iterator[Job]:
    yield Job(name="ruff check", command=_python("ruff", "check", "--quiet", "."))
    yield Job(name="ruff format", command=_python("ruff", "format", "--check", "--quiet", "."))
    yield _mypy("linux", ())
    # Tests run on POSIX only; the product is typed for each platform it runs on.
    yield _mypy("win32", _TYPED)
    yield _mypy("darwin", _TYPED)


def _mypy(platform: str, folders: tuple[str, ...]) -> Job:
    # A cache of its own for each platform; one shared by all would be thrown away at every change of platform.
    options = ("--strict", "--platform", platform, "--cache-dir", f".mypy_cache/{platform}")
    return Job(name=f"mypy {platform}", command=_python("mypy", *options, *folders), is_fast=platform == "linux")


def _suites(results: Path, *, fast: bool) -> Iterator[Job]:
    tests = ROOT / "tests"
    yield _suite("layers", sorted(f"tests/{file.name}" for file in tests.glob("test_*.py")), results, fast=fast)
    folders = {file.relative_to(tests).parts[0] for file in tests.rglob("test_*.py") if file.parent != tests}
    for name in sorted(folders - _NO_SUITES, key=_rank):
        if name in _BY_FILE:
            files = sorted(file.relative_to(ROOT) for file in (tests / name).rglob("test_*.py"))
            yield from (_suite(f"{name}/{file.stem[5:]}", [str(file)], results, fast=fast) for file in files)
        else:
            yield _suite(name, [f"tests/{name}"], results, fast=fast)


def _suite(name: str, paths: list[str], results: Path, *, fast: bool) -> Job:
    counts = results / f"{name.replace('/', '-')}.jsonl"
    options = ["-q", "--no-header", "-p", "tests.support.counts", "--counts-file", str(counts)]
    chosen = ["-m", "not slow and not browser"] if fast else []
    command = _python("pytest", *options, *chosen, *paths)
    return Job(name=name, command=command, counts=counts, is_fast=name.partition("/")[0] not in _NOT_FAST)


def _rank(name: str) -> tuple[int, str]:
    return (_ORDER.index(name) if name in _ORDER else len(_ORDER), name)


def _python(module: str, *arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-m", module, *arguments)
