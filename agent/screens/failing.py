"""Whether an execution ended in a way that somebody will want to see (pure): a failure, as the runner knows it.

The hub settles (`core.md` §4) with more knowledge; where the two differ, a picture more or less is kept.
"""

from agent.shim.exit_file import ExitRecord
from agent.wire.facts import ReportFact
from agent.wire.messages import StopOrder
from agent.wire.task import Work
from agent.wire.words import ExitKind, Kind, ReportPolicy, ReportStatus, StopCause

WANTED_BY_PEOPLE = frozenset({StopCause.CANCEL, StopCause.UP_ENDED, StopCause.REVOKED, StopCause.SUPERSEDED})
"""Stops that are no failure of the bot: nobody asks what it showed."""


def has_failed(work: Work, report: ReportFact | None, stop: StopOrder | None, record: ExitRecord | None) -> bool:
    """By its last report, the first stop, and the exit as its shim saw it; None where nobody saw it."""
    if report is not None and report.status is ReportStatus.FAILED:
        return True
    if stop is not None:
        return stop.cause not in WANTED_BY_PEOPLE
    if record is None or record.how is not ExitKind.NORMAL:
        return True
    if report is not None:
        return record.code != 0 and work.build.launch.kind is not Kind.BOTCITY
    return record.code != 0 or work.report is ReportPolicy.REQUIRED
