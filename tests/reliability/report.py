"""The report of a campaign (T8): promises, what was tried, failures, measured times, skips, and the table."""

import json
import os
import platform
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass

from tests.reliability.part import PartResult, Times
from tests.reliability.requirements import LATER, ROOT

_TESTS_SHOWN = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A whole campaign."""

    seed: int
    parts: Sequence[PartResult]
    table: Mapping[str, Sequence[str]]
    """Requirement: its tests."""
    took_s: float
    not_begun: Sequence[str] = ()
    """Parts for which there was no time left."""

    @property
    def is_good(self) -> bool:
        """Whether every part that was begun is good, and all were begun."""
        return all(part.is_good for part in self.parts) and not self.not_begun


def markdown(report: Report) -> str:
    """The report for people."""
    return "\n".join(_markdown(report)) + "\n"


def plain(report: Report) -> str:
    """The report for programs: one JSON object."""
    value = {
        "commit": _commit(),
        "machine": _machine(),
        "seed": report.seed,
        "took_s": round(report.took_s, 1),
        "good": report.is_good,
        "not_begun": list(report.not_begun),
        "parts": [_part(part) for part in report.parts],
        "requirements": {number: list(tests) for number, tests in report.table.items()},
        "later": dict(LATER),
    }
    return json.dumps(value, indent=1)


def summary(part: PartResult) -> str:
    """One line: what was tried, and how it went."""
    tried = ", ".join(f"{count:,} {what}" for what, count in part.tried.items()) or "nothing"
    skipped = f", {len(part.skips)} skipped" if part.skips else ""
    return f"{verdict(part):<6} {part.name:<14} {part.took_s:7.1f} s  {tried}; {len(part.failures)} failures{skipped}"


def verdict(part: PartResult) -> str:
    """`good`, `FAILED`, or `skipped` when the machine could do none of it."""
    if not part.is_good:
        return "FAILED"
    return "good" if sum(part.tried.values()) else "skipped"


def _markdown(report: Report) -> Iterator[str]:
    yield f"# Reliability: {'all promises kept' if report.is_good else 'NOT all promises kept'}"
    yield ""
    yield f"Commit {_commit()}, {_machine()}, seed {report.seed}, {report.took_s / 60:.0f} minutes."
    yield from _parts(report)
    yield from _times([(part.name, times) for part in report.parts for times in part.times if times.samples])
    yield from _failures(report.parts)
    skips = [f"- {part.name}: {skip.what}: {skip.reason}" for part in report.parts for skip in part.skips]
    yield from ("", f"## Skipped: {len(skips)}", "", *(skips or ["Nothing."]))
    yield from _table(report)


def _parts(report: Report) -> Iterator[str]:
    yield from ("", "| part | promise | tried | judged by the history checker | failures |", "|---|---|---|---|---|")
    for part in report.parts:
        tried = ", ".join(f"{count:,} {what}" for what, count in part.tried.items())
        judged = ", ".join(f"{rule} {count:,}" for rule, count in sorted(part.judged.items()))
        yield f"| {part.name}: {verdict(part)} | {_cell(part.promise)} | {tried} | {judged} | {len(part.failures)} |"
    for name in report.not_begun:
        yield f"| {name}: not begun | there was no time left | | | |"
    notes = [f"- {part.name}: {note}" for part in report.parts for note in part.notes]
    yield from ("", *notes) if notes else ()


def _times(measured: Sequence[tuple[str, Times]]) -> Iterator[str]:
    yield from ("", "## Times", "", "| part | what | samples | median | p99 | longest | limit |")
    yield "|---|---|---|---|---|---|---|"
    for name, times in measured:
        limit = "" if times.limit_s is None else f"{times.limit_s:g} s{'' if times.is_kept else ' EXCEEDED'}"
        figures = " | ".join(f"{value:.2f} s" for value in (times.median, times.p99, times.longest))
        yield f"| {name} | {times.what} | {len(times.samples)} | {figures} | {limit} |"


def _failures(parts: Sequence[PartResult]) -> Iterator[str]:
    failures = [(part.name, failure) for part in parts for failure in part.failures]
    yield from ("", f"## Failures: {len(failures)}", "")
    for name, failure in failures:
        yield from (f"- **{name}, {failure.where}**", "", *(f"      {line}" for line in failure.what.splitlines()), "")
    if not failures:
        yield "None."


def _table(report: Report) -> Iterator[str]:
    without = [number for number, tests in report.table.items() if not tests]
    yield from ("", f"## Requirements: {len(report.table)}, {len(without)} without a test", "")
    yield from ("| number | tests | such as |", "|---|---|---|")
    for number, tests in report.table.items():
        yield f"| {number} | {len(tests)} | {', '.join(f'`{test}`' for test in tests[:_TESTS_SHOWN])} |"
    yield from ("", "Not judged:", "", *(f"- {number}: {reason}" for number, reason in LATER.items()))


def _part(part: PartResult) -> dict[str, object]:
    times = [
        {"what": one.what, "samples": len(one.samples), "limit_s": one.limit_s, "kept": one.is_kept}
        | ({"median_s": one.median, "p99_s": one.p99, "max_s": one.longest} if one.samples else {})
        for one in part.times
    ]
    # `asdict` makes of a Counter one that counts its pairs.
    counts = {"tried": dict(part.tried), "judged": dict(part.judged)}
    return {**asdict(part), **counts, "times": times, "verdict": verdict(part)}


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _machine() -> str:
    return f"{platform.system()} {platform.release()}, {os.cpu_count()} cores, Python {platform.python_version()}"


def _commit() -> str:
    asked = ["git", "-C", str(ROOT), "describe", "--always", "--dirty"]
    done = subprocess.run(asked, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown (not a checkout)"
