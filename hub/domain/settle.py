"""Settling: what became of an execution, from all that is known of it (core.md §4).

`settle` is the table of core.md §4 as code; the first line that matches wins. It is asked once, when all that can
be known is known (`final` with its output, or the end of `output_grace`, or one of D9's conclusions).
"""

from dataclasses import dataclass, replace
from enum import StrEnum

from agent.wire.task import Totals
from agent.wire.words import ExitKind, Kind, Outcome, Reason, ReportPolicy, ReportStatus, StopCause
from hub.domain.error_line import error_line
from hub.domain.quantities import duration_text, size_text


class Flag(StrEnum):
    """Stands beside an outcome that it does not change."""

    TIMED_OUT = "timed_out"
    LINK_LOST = "link_lost"
    OOM_KILLED = "oom_killed"
    SUPERVISOR_LOST = "supervisor_lost"
    HOST_RESTARTED = "host_restarted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One report, at its place in the execution's stream of facts.

    A person's report has the number of the last fact before it, and `by` says who it was.
    """

    seq: int
    status: ReportStatus
    message: str | None = None
    totals: Totals | None = None
    by: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StopMade:
    """The first durable stop, before its first signal; a later cause only shortens the ladder."""

    seq: int
    cause: StopCause
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How the main process ended, as its shim saw it."""

    how: ExitKind
    code: int | None = None
    signal: int | None = None
    error: str = ""
    """Why it could not be started, or the limit that it exceeded."""
    last_errors: str = ""
    """The end of its stderr."""
    signaled_by_stop: bool = False
    peak_memory_bytes: int | None = None
    survivors: tuple[str, ...] = ()
    """Pid and command line of what could not be killed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Knowledge:
    """All that the hub knows of one execution when it settles."""

    kind: Kind
    report_policy: ReportPolicy
    reports: tuple[Report, ...] = ()
    """In their order; late ones are not among them."""
    stop: StopMade | None = None
    ending: Ending | None = None
    """None where nobody saw the end."""
    is_void: bool = False
    is_lost: bool = False
    """The link is gone past its limit, or the runner holds nothing of a started execution any more."""
    run_limit_s: float | None = 86400
    """What it was allowed in the end."""
    no_progress_s: float | None = None
    cancel_asked: bool = False
    forced_cancel: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """What a task becomes. Written once; what comes later is a late report or an amendment."""

    outcome: Outcome
    reason: Reason | None = None
    message: str | None = None
    totals: Totals | None = None
    flags: tuple[Flag, ...] = ()
    exit_code: int | None = None


_BROKEN = {
    ExitKind.OOM_KILLED: (Reason.OOM_KILLED, Flag.OOM_KILLED, "the system killed it for want of memory"),
    ExitKind.SUPERVISOR_LOST: (Reason.SUPERVISOR_LOST, Flag.SUPERVISOR_LOST, "its supervisor on the runner was lost"),
    ExitKind.HOST_RESTARTED: (Reason.HOST_RESTARTED, Flag.HOST_RESTARTED, "the runner's machine restarted"),
}
_ROBOT_TASKS_MAX = 250
_SURVIVORS_SHOWN = 5
_ROBOT_CODES = {
    252: "set-up: Robot Framework could not read the suite or an option (exit code 252)",
    253: "Robot Framework was stopped (exit code 253)",
    255: "set-up: Robot Framework failed itself (exit code 255)",
}
_REPORTED = {
    ReportStatus.SUCCEEDED: Outcome.SUCCEEDED,
    ReportStatus.PARTIAL: Outcome.PARTIAL,
    ReportStatus.FAILED: Outcome.FAILED,
}


def settle(known: Knowledge) -> Settlement:
    """The settlement of an execution: core.md §4, the first matching line. Survivors are named in its message (R70)."""
    settled = _first_line(known)
    left = known.ending.survivors if known.ending is not None else ()
    if not left:
        return settled
    shown = "; ".join(left[:_SURVIVORS_SHOWN]) + ("; …" if len(left) > _SURVIVORS_SHOWN else "")
    named = f"{_count(len(left))} could not be killed: {shown}"
    return replace(settled, message=f"{settled.message} ({named})" if settled.message else named)


def _count(processes: int) -> str:
    return "1 process" if processes == 1 else f"{processes} processes"


def _first_line(known: Knowledge) -> Settlement:
    last = known.reports[-1] if known.reports else None
    if known.forced_cancel:
        message = "canceled by force; whether it has ended is not confirmed"
        return _kept(Settlement(outcome=Outcome.CANCELED, reason=Reason.UNCONFIRMED, message=message), last)
    if known.is_lost:
        return _of_lost(known, last)
    if known.is_void:
        return _of_void(known, last)
    if known.ending is not None and known.ending.how is ExitKind.EXEC_FAILED:
        message = f"could not be started: {known.ending.error or 'the runner gave no reason'}"
        return Settlement(outcome=Outcome.FAILED, reason=Reason.ENVIRONMENT, message=message)
    stop = _effective_stop(known)
    if stop is None:
        return _by_itself(known, last)
    before = [report for report in known.reports if report.seq < stop.seq]
    if before:
        return _as_reported(before[-1])
    settled = _of_stop(known, stop, last)
    # Without a report the end is shown as it was, also where the bot met our stop with an exit code of its own.
    return settled if last else _with_code(settled, known)


def _effective_stop(known: Knowledge) -> StopMade | None:
    """The stop, unless the bot had ended before any signal: then no stop happened."""
    if known.ending is not None and not known.ending.signaled_by_stop:
        return None
    return known.stop


def _of_lost(known: Knowledge, report: Report | None) -> Settlement:
    if report is not None:
        return _as_reported(report, reason=Reason.EXIT_UNSEEN)
    if known.cancel_asked:
        return Settlement(outcome=Outcome.CANCELED, message="canceled; its runner was lost meanwhile")
    return Settlement(outcome=Outcome.LOST, reason=Reason.LINK_LOST, message="runner lost")


def _of_void(known: Knowledge, report: Report | None) -> Settlement:
    """Void settles only what need not be granted again: a person reported it, or somebody canceled it."""
    if report is not None:
        return _as_reported(report)
    if not known.cancel_asked:
        raise ValueError("a void order without cancel is granted again, not settled")
    return Settlement(outcome=Outcome.CANCELED, message="canceled before it started")


def _of_stop(known: Knowledge, stop: StopMade, after: Report | None) -> Settlement:
    """A stop ended it and no report was there before: the stop's cause decides what a report after it is worth."""
    by = f" by {stop.by}" if stop.by else ""
    match stop.cause:
        case StopCause.CANCEL:
            message = after.message if after and after.message else f"canceled{by}"
            return _kept(Settlement(outcome=Outcome.CANCELED, message=message), after)
        case StopCause.KILL:
            message = f"terminated on request{by}"
            killed = Settlement(outcome=Outcome.FAILED, reason=Reason.KILLED, message=message)
            return _with_code(killed, known)
        case StopCause.TIMEOUT:
            message = f"timed out: it ran for more than {_allowed(known.run_limit_s)}"
            silent = Settlement(outcome=Outcome.TIMED_OUT, message=message)
            return _as_reported(after, flag=Flag.TIMED_OUT) if after else silent
        case StopCause.NO_PROGRESS:
            message = f"timed out: no progress for {_allowed(known.no_progress_s)}"
            silent = Settlement(outcome=Outcome.TIMED_OUT, reason=Reason.NO_PROGRESS, message=message)
            return _as_reported(after, flag=Flag.TIMED_OUT) if after else silent
        case StopCause.DEAD_MAN:
            message = "stopped by its runner, which had lost the hub"
            silent = Settlement(outcome=Outcome.LOST, reason=Reason.LINK_LOST, message=message)
            return _as_reported(after, flag=Flag.LINK_LOST) if after else silent
        case _:
            return _as_reported(after) if after else _silent(stop.cause, by, known.ending)


def _allowed(seconds: float | None) -> str:
    """How long was allowed; a limit that was taken away after it had passed says no figure any more."""
    return "it was allowed" if seconds is None else duration_text(seconds)


def _silent(cause: StopCause, by: str, ending: Ending | None) -> Settlement:
    """Stopped for a reason outside the bot, and it said nothing."""
    match cause:
        case StopCause.SHUTDOWN:
            message = "the runner's machine was shut down"
            return Settlement(outcome=Outcome.FAILED, reason=Reason.HOST_RESTARTED, message=message)
        case StopCause.LIMIT:
            message = f"stopped: {(ending and ending.error) or 'a limit was exceeded'}"
            return Settlement(outcome=Outcome.FAILED, reason=Reason.LIMIT, message=message)
        case StopCause.REVOKED:
            return Settlement(outcome=Outcome.CANCELED, message="canceled: its runner was revoked")
        case StopCause.UP_ENDED:
            return Settlement(outcome=Outcome.CANCELED, message="canceled: botyard was ended")
        case _:
            return Settlement(outcome=Outcome.CANCELED, message=f"canceled{by}")


def _by_itself(known: Knowledge, report: Report | None) -> Settlement:
    """No stop of ours: report and exit tell all. BotCity's bots are believed whatever their exit code."""
    ending = known.ending
    is_clean = ending is not None and ending.how is ExitKind.NORMAL and ending.code == 0
    if report is None:
        return _without_report(known, is_clean=is_clean)
    is_believed = known.kind is Kind.BOTCITY or report.by is not None
    if is_believed or is_clean or report.status is ReportStatus.FAILED:
        # Without an exit code, a flag says why there is none: of a failed report too.
        broken = _BROKEN.get(ending.how) if ending else None
        settled = _as_reported(report, flag=broken[1] if broken else None)
    else:
        reason, message = _why_it_broke(ending, known.kind)
        settled = Settlement(
            outcome=Outcome.FAILED, reason=reason, message=report.message or message, totals=report.totals
        )
    return _with_code(settled, known)


def _without_report(known: Knowledge, *, is_clean: bool) -> Settlement:
    if is_clean and known.report_policy is ReportPolicy.OPTIONAL:
        return Settlement(outcome=Outcome.SUCCEEDED, exit_code=0)
    if is_clean:
        message = "ended without a report"
        return Settlement(outcome=Outcome.FAILED, reason=Reason.NO_REPORT, message=message, exit_code=0)
    reason, message = _why_it_broke(known.ending, known.kind)
    return _with_code(Settlement(outcome=Outcome.FAILED, reason=reason, message=message), known)


def _why_it_broke(ending: Ending | None, kind: Kind) -> tuple[Reason, str]:
    """The reason of an end that is not exit code 0; an end that nobody saw counts as a lost supervisor."""
    if ending is None:
        return Reason.SUPERVISOR_LOST, "nobody saw how it ended"
    if ending.how in _BROKEN:
        reason, _, message = _BROKEN[ending.how]
        return reason, f"ended: {message}{_memory(ending)}"
    if ending.error:
        return Reason.LIMIT, f"ended: {ending.error}"
    why = error_line(ending.last_errors)
    said = f": {why}" if why else ""
    if ending.how is ExitKind.SIGNAL:
        return Reason.SIGNAL, f"ended by signal {ending.signal}{said}"
    meaning = _robot_meaning(ending.code or 0) if kind is Kind.ROBOT else ""
    return Reason.EXIT_CODE, meaning or f"ended with exit code {ending.code}{said}"


def _robot_meaning(code: int) -> str:
    """What an exit code of Robot Framework says (`bot-packages.md` §5, §6); empty where it says nothing."""
    if 1 <= code <= _ROBOT_TASKS_MAX:
        more = " or more" if code == _ROBOT_TASKS_MAX else ""
        return f"{code} {'task' if code == 1 else 'tasks'}{more} failed"
    return _ROBOT_CODES.get(code, "")


def _memory(ending: Ending) -> str:
    """What is known of its memory, behind the sentence that it was too much (R30)."""
    if ending.how is not ExitKind.OOM_KILLED:
        return ""
    why = f": {ending.error}" if ending.error else ""
    return f"{why} (peak {size_text(ending.peak_memory_bytes)})" if ending.peak_memory_bytes else why


def _as_reported(report: Report, *, reason: Reason | None = None, flag: Flag | None = None) -> Settlement:
    return Settlement(
        outcome=_REPORTED[report.status],
        reason=reason,
        message=report.message,
        totals=report.totals,
        flags=() if flag is None else (flag,),
    )


def _kept(settled: Settlement, report: Report | None) -> Settlement:
    """The outcome stands; a report's totals are kept beside it, its text stands in the late reports."""
    if report is None:
        return settled
    return Settlement(outcome=settled.outcome, reason=settled.reason, message=settled.message, totals=report.totals)


def _with_code(settled: Settlement, known: Knowledge) -> Settlement:
    return Settlement(
        outcome=settled.outcome,
        reason=settled.reason,
        message=settled.message,
        totals=settled.totals,
        flags=settled.flags,
        exit_code=_code(known),
    )


def _code(known: Knowledge) -> int | None:
    return known.ending.code if known.ending is not None else None
