"""Which ends somebody will want to see a picture of."""

from datetime import UTC, datetime
from typing import Any

import pytest

from agent.screens.failing import has_failed
from agent.shim.exit_file import ExitRecord
from agent.wire.facts import ReportFact
from agent.wire.messages import StopOrder
from agent.wire.task import Work
from agent.wire.words import ExitKind, Kind, ReportPolicy, ReportStatus, StopCause


def work(kind: Kind = Kind.PYTHON, policy: ReportPolicy = ReportPolicy.OPTIONAL) -> Work:
    """Of a build of this kind."""
    launch = {"kind": kind, "entry": "bot.py"}
    build = {"build_id": "bld_" + "1" * 32, "digest": "2" * 64, "bot": "b", "version": "1", "launch": launch}
    task: dict[str, Any] = {"number": 1, "round": 1, "workspace": "w", "automation": "a", "automation_name": "a"}
    task |= {"bot": "b", "parameters": {}, "priority": 5, "state": "running", "created_at": datetime.now(UTC)}
    return Work.model_validate({"build": build, "task": task, "report": policy})


def ended(code: int | None = 0, how: ExitKind = ExitKind.NORMAL) -> ExitRecord:
    """An exit as a shim saw it."""
    return ExitRecord(
        final=True,
        how=how,
        code=code,
        signal=None,
        error="",
        started_wall_ns=0,
        ended_wall_ns=1,
        cause=None,
        by="",
        last_step=None,
        signaled_by_stop=False,
        peak_memory_bytes=0,
        output_bytes=0,
        output_sha256="",
        streams={},
    )


def said(status: ReportStatus) -> ReportFact:
    """A report."""
    return ReportFact(at=datetime.now(UTC), status=status)


def by(cause: StopCause) -> StopOrder:
    """A stop."""
    return StopOrder(cause=cause)


@pytest.mark.parametrize(
    ("report", "stop", "record", "expected"),
    [
        (None, None, ended(), False),
        (None, None, ended(3), True),
        (None, None, ended(None, ExitKind.SIGNAL), True),
        (None, None, None, True),
        (said(ReportStatus.FAILED), None, ended(), True),
        (said(ReportStatus.SUCCEEDED), None, ended(), False),
        (said(ReportStatus.PARTIAL), None, ended(), False),
        (said(ReportStatus.SUCCEEDED), None, ended(1), True),
        (None, by(StopCause.KILL), ended(), True),
        (None, by(StopCause.TIMEOUT), ended(None, ExitKind.SIGNAL), True),
        (None, by(StopCause.NO_PROGRESS), None, True),
        (None, by(StopCause.CANCEL), ended(None, ExitKind.SIGNAL), False),
        (said(ReportStatus.FAILED), by(StopCause.CANCEL), ended(), True),
    ],
)
def test_how_it_ended(
    report: ReportFact | None, stop: StopOrder | None, record: ExitRecord | None, expected: bool
) -> None:
    """A report of failure, a stop that is nobody's wish, an exit that is not clean, an end that nobody saw."""
    assert has_failed(work(), report, stop, record) is expected


def test_what_its_kind_and_policy_say() -> None:
    """BotCity's bots are believed whatever their code; without the report that is required no end is a success."""
    succeeded = said(ReportStatus.SUCCEEDED)
    assert not has_failed(work(Kind.BOTCITY), succeeded, None, ended(1))
    assert has_failed(work(policy=ReportPolicy.REQUIRED), None, None, ended())
    assert not has_failed(work(policy=ReportPolicy.REQUIRED), succeeded, None, ended())
