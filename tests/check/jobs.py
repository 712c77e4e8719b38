"""What there is to check, and in which order."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# The quick suites first, for who waits; those of one job a file last, so that no long job runs alone at the end.
_FIRST = ("wire", "unit", "property", "storage", "simulation", "runner")
_LAST = ("scenario", "fault", "browser")
_NO_SUITES = frozenset({"support", "check"})
_TYPED = ("agent", "hub")
# These mostly wait for processes and clocks; one job a file lets several of them wait at once.
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
    for number, (name, paths) in enumerate(_suite_paths()):
        counts = results / f"{name.replace('/', '-')}.jsonl"
        options = ["-q", "--no-header", "-p", "tests.support.counts", "--counts-file", str(counts)]
        # A folder of its own, with a short name for the sockets in it: pytest's usual one is tidied up by each of its
        # processes, and two that tidy at once meet on the way.
        options += ["--basetemp", str(results / str(number))]
        chosen = ["-m", "not slow and not browser"] if fast else []
        command = _python("pytest", *options, *chosen, *paths)
        yield Job(name=name, command=command, counts=counts, is_fast=name.partition("/")[0] not in _NOT_FAST)


def _suite_paths() -> Iterator[tuple[str, list[str]]]:
    tests = ROOT / "tests"
    yield "layers", sorted(f"tests/{file.name}" for file in tests.glob("test_*.py"))
    folders = {file.relative_to(tests).parts[0] for file in tests.rglob("test_*.py") if file.parent != tests}
    for name in sorted(folders - _NO_SUITES, key=_rank):
        if name in _BY_FILE:
            files = sorted(file.relative_to(ROOT) for file in (tests / name).rglob("test_*.py"))
            yield from ((f"{name}/{file.stem[5:]}", [str(file)]) for file in files)
        else:
            yield name, [f"tests/{name}"]


def _rank(name: str) -> tuple[int, str]:
    if name in _LAST:
        return (len(_FIRST) + 1 + _LAST.index(name), name)
    return (_FIRST.index(name) if name in _FIRST else len(_FIRST), name)


def _python(module: str, *arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-m", module, *arguments)
