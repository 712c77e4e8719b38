"""A pytest plugin that writes down how each test ended, and for which database engine.

Loaded by `python -m tests.check` with `-p tests.support.counts --counts-file FILE`. A test belongs to an engine by its
marker (`sqlite`, `postgres`), which the parameters of the `engine` fixture carry.
"""

import json
from pathlib import Path
from typing import Any

import pytest

ENGINES = ("sqlite", "postgres")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that names the file."""
    parser.addoption("--counts-file", default=None, help="write one JSON line a test: id, engine, outcome, reason")


def pytest_configure(config: pytest.Config) -> None:
    """Count when asked to."""
    name = config.getoption("--counts-file")
    if name:
        config.pluginmanager.register(Counts(Path(name)), "botyard-counts")


class Counts:
    """Collects one result a test; the worst of set-up, call and tear-down is the test's."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._engines: dict[str, str | None] = {}
        self._results: dict[str, dict[str, Any]] = {}

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Remember each test's engine."""
        for item in items:
            engine = next((name for name in ENGINES if item.get_closest_marker(name)), None)
            self._engines[item.nodeid] = engine

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Note a file that could not be collected, or that skipped itself as a whole."""
        if report.failed or report.skipped:
            self._note(report.nodeid, "failed" if report.failed else "skipped", _reason(report))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note how a phase of a test ended."""
        if report.failed or report.skipped:
            self._note(report.nodeid, "failed" if report.failed else "skipped", _reason(report))
        elif report.when == "call":
            self._note(report.nodeid, "passed", "")

    def pytest_sessionfinish(self) -> None:
        """Write the file."""
        self._file.write_text("".join(json.dumps(result) + "\n" for result in self._results.values()))

    def _note(self, test: str, outcome: str, reason: str) -> None:
        known = self._results.get(test)
        if known is None or known["outcome"] != "failed":
            engine = self._engines.get(test)
            self._results[test] = {"test": test, "engine": engine, "outcome": outcome, "reason": reason}


def _reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    if isinstance(report.longrepr, tuple):
        return report.longrepr[2].removeprefix("Skipped: ")
    return "" if report.skipped else str(report.longrepr)[-300:]
