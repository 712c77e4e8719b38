"""The table of core.md §4, row by row: each case quotes the row it proves."""
# ruff: noqa: E501 - one row of the table on one line

from dataclasses import replace

import pytest

from agent.wire.task import Totals
from agent.wire.words import ExitKind, Kind, Outcome, Reason, ReportPolicy, ReportStatus, StopCause
from hub.domain.settle import Ending, Flag, Knowledge, Report, Settlement, StopMade, settle

TOTALS = Totals(total=3, processed=2, failed=1)
OK = Report(seq=2, status=ReportStatus.SUCCEEDED, message="all done", totals=TOTALS)
PART = Report(seq=2, status=ReportStatus.PARTIAL, message="some", totals=TOTALS)
BAD = Report(seq=2, status=ReportStatus.FAILED, message="no access", totals=TOTALS)
LATER = Report(seq=5, status=ReportStatus.SUCCEEDED, message="after all", totals=TOTALS)
PERSON = Report(seq=1, status=ReportStatus.SUCCEEDED, message="by hand", by="token:ana")

EXIT_0 = Ending(how=ExitKind.NORMAL, code=0)
EXIT_7 = Ending(how=ExitKind.NORMAL, code=7)
SIGNAL = Ending(how=ExitKind.SIGNAL, signal=11)
OOM = Ending(how=ExitKind.OOM_KILLED, signal=9)
SHIM_LOST = Ending(how=ExitKind.SUPERVISOR_LOST)
REBOOT = Ending(how=ExitKind.HOST_RESTARTED)
NO_EXEC = Ending(how=ExitKind.EXEC_FAILED, error="no such file: bot.py")
STOPPED = Ending(how=ExitKind.SIGNAL, signal=2, signaled_by_stop=True)
STOPPED_130 = Ending(how=ExitKind.NORMAL, code=130, signaled_by_stop=True)


def stop(cause: StopCause, seq: int = 3, by: str = "") -> StopMade:
    return StopMade(seq=seq, cause=cause, by=by)


def known(
    kind: Kind = Kind.PYTHON,
    *reports: Report,
    ending: Ending | None = None,
    policy: ReportPolicy | None = None,
    **rest: object,
) -> Knowledge:
    usual = ReportPolicy.REQUIRED if kind is Kind.BOTCITY else ReportPolicy.OPTIONAL
    return Knowledge(
        kind=kind,
        report_policy=policy or usual,
        reports=reports,
        ending=ending,
        **rest,  # type: ignore[arg-type]  # the fields that a case names
    )


def brief(settled: Settlement) -> str:
    """``outcome: reason +flag`` as core.md writes it."""
    reason = f": {settled.reason}" if settled.reason else ""
    return f"{settled.outcome}{reason}{''.join(f' +{flag}' for flag in settled.flags)}"


BOTCITY, PYTHON, SHELL = Kind.BOTCITY, Kind.PYTHON, Kind.SHELL
REQUIRED, OPTIONAL = ReportPolicy.REQUIRED, ReportPolicy.OPTIONAL

# fmt: off
ROWS: list[tuple[str, Knowledge, str]] = [
    # row of core.md §4, what is known, outcome
    ("forced cancel", known(PYTHON, forced_cancel=True), "canceled: unconfirmed"),
    ("forced cancel, a report is kept", known(BOTCITY, OK, forced_cancel=True), "canceled: unconfirmed"),
    ("forced cancel before lost and void", known(forced_cancel=True, is_lost=True, is_void=True), "canceled: unconfirmed"),
    ("link lost past its limit: report came", known(PYTHON, PART, is_lost=True), "partial: exit_unseen"),
    ("link lost: report came and cancel asked", known(PYTHON, OK, is_lost=True, cancel_asked=True), "succeeded: exit_unseen"),
    ("link lost past its limit: cancel asked", known(is_lost=True, cancel_asked=True), "canceled"),
    ("link lost past its limit: neither", known(BOTCITY, is_lost=True), "lost: link_lost"),
    ("void and cancel asked", known(is_void=True, cancel_asked=True), "canceled"),
    ("void, and a person has reported", known(PYTHON, PERSON, is_void=True), "succeeded"),
    ("exec failed after started", known(BOTCITY, ending=NO_EXEC), "failed: environment"),
    ("exec failed after started, stop asked", known(ending=NO_EXEC, stop=stop(StopCause.CANCEL)), "failed: environment"),
    # report before the stop, any cause: as reported (an exit code that our own stop caused is ignored)
    *[
        (f"report before the stop, {cause}", known(PYTHON, OK, ending=STOPPED, stop=stop(cause)), "succeeded")
        for cause in StopCause
    ],
    ("report before the stop: exit code ignored", known(SHELL, PART, ending=STOPPED_130, stop=stop(StopCause.KILL)), "partial"),
    ("reports before and after: the one before", known(PYTHON, BAD, LATER, ending=STOPPED, stop=stop(StopCause.KILL)), "failed"),
    # stop asked, but the bot ended before any signal: no stop happened
    ("ended before any signal: BotCity, report after", known(BOTCITY, LATER, ending=EXIT_7, stop=stop(StopCause.CANCEL)), "succeeded"),
    ("ended before any signal: exit 0", known(ending=EXIT_0, stop=stop(StopCause.KILL)), "succeeded"),
    ("ended before any signal: exit 7", known(ending=EXIT_7, stop=stop(StopCause.TIMEOUT)), "failed: exit_code"),
    ("ended before any signal, cancel asked", known(ending=EXIT_0, stop=stop(StopCause.CANCEL), cancel_asked=True), "succeeded"),
    ("cancel asked, no stop was made", known(ending=EXIT_0, cancel_asked=True), "succeeded"),
    # timeout or no_progress: report after the stop / none
    ("timeout: report after", known(BOTCITY, LATER, ending=STOPPED, stop=stop(StopCause.TIMEOUT)), "succeeded +timed_out"),
    ("timeout: none", known(BOTCITY, ending=STOPPED, stop=stop(StopCause.TIMEOUT)), "timed_out"),
    ("no_progress: report after", known(PYTHON, LATER, ending=STOPPED, stop=stop(StopCause.NO_PROGRESS)), "succeeded +timed_out"),
    ("no_progress: none", known(PYTHON, ending=STOPPED, stop=stop(StopCause.NO_PROGRESS)), "timed_out: no_progress"),
    # cancel, kill
    ("cancel: no report before it", known(ending=STOPPED, stop=stop(StopCause.CANCEL)), "canceled"),
    ("cancel: a later report is kept", known(BOTCITY, LATER, ending=STOPPED, stop=stop(StopCause.CANCEL)), "canceled"),
    ("kill: none before it", known(BOTCITY, ending=STOPPED, stop=stop(StopCause.KILL)), "failed: killed"),
    ("kill: a later report is a late report", known(BOTCITY, LATER, ending=STOPPED, stop=stop(StopCause.KILL)), "failed: killed"),
    ("stop, and nobody saw the end", known(stop=stop(StopCause.CANCEL)), "canceled"),
    # dead-man stop
    ("dead-man: report as for timeout", known(PYTHON, LATER, ending=STOPPED, stop=stop(StopCause.DEAD_MAN)), "succeeded +link_lost"),
    ("dead-man: none", known(PYTHON, ending=STOPPED, stop=stop(StopCause.DEAD_MAN)), "lost: link_lost"),
    # machine shut down / up ended / runner revoked / limit exceeded
    ("machine shut down: report", known(BOTCITY, LATER, ending=STOPPED, stop=stop(StopCause.SHUTDOWN)), "succeeded"),
    ("machine shut down", known(ending=STOPPED, stop=stop(StopCause.SHUTDOWN)), "failed: host_restarted"),
    ("up ended: report", known(BOTCITY, LATER, ending=STOPPED, stop=stop(StopCause.UP_ENDED)), "succeeded"),
    ("up ended", known(ending=STOPPED, stop=stop(StopCause.UP_ENDED)), "canceled"),
    ("runner revoked: report", known(BOTCITY, LATER, ending=STOPPED, stop=stop(StopCause.REVOKED)), "succeeded"),
    ("runner revoked", known(ending=STOPPED, stop=stop(StopCause.REVOKED)), "canceled"),
    ("limit exceeded: report", known(BOTCITY, LATER, ending=STOPPED, stop=stop(StopCause.LIMIT)), "succeeded"),
    ("limit exceeded", known(ending=STOPPED, stop=stop(StopCause.LIMIT)), "failed: limit"),
    # BotCity kinds: report
    ("BotCity: report, exit 0", known(BOTCITY, OK, ending=EXIT_0), "succeeded"),
    ("BotCity: report, exit 7", known(BOTCITY, PART, ending=EXIT_7), "partial"),
    ("BotCity: report, signal", known(BOTCITY, OK, ending=SIGNAL), "succeeded"),
    ("BotCity: report, later OOM is a flag", known(BOTCITY, OK, ending=OOM), "succeeded +oom_killed"),
    ("BotCity: report, supervisor_lost is a flag", known(BOTCITY, BAD, ending=SHIM_LOST), "failed +supervisor_lost"),
    ("BotCity: report, reboot is a flag", known(BOTCITY, OK, ending=REBOOT), "succeeded +host_restarted"),
    ("BotCity: the last report wins", known(BOTCITY, BAD, LATER, ending=EXIT_0), "succeeded"),
    # BotCity kinds: no report, normal exit with 0 / other exit
    ("BotCity: no report, 0", known(BOTCITY, ending=EXIT_0), "failed: no_report"),
    ("BotCity: no report, 0, report optional", known(BOTCITY, ending=EXIT_0, policy=OPTIONAL), "succeeded"),
    ("BotCity: no report, 7", known(BOTCITY, ending=EXIT_7), "failed: exit_code"),
    ("BotCity: no report, 7, report optional", known(BOTCITY, ending=EXIT_7, policy=OPTIONAL), "failed: exit_code"),
    ("BotCity: no report, signal", known(BOTCITY, ending=SIGNAL), "failed: signal"),
    ("BotCity: no report, OOM", known(BOTCITY, ending=OOM), "failed: oom_killed"),
    ("BotCity: no report, supervisor lost", known(BOTCITY, ending=SHIM_LOST), "failed: supervisor_lost"),
    ("BotCity: no report, reboot", known(BOTCITY, ending=REBOOT), "failed: host_restarted"),
    # other kinds: reported success or partial, exit code not 0 or unknown
    ("others: success, exit 7", known(PYTHON, OK, ending=EXIT_7), "failed: exit_code"),
    ("others: partial, signal", known(SHELL, PART, ending=SIGNAL), "failed: signal"),
    ("others: success, OOM", known(PYTHON, OK, ending=OOM), "failed: oom_killed"),
    ("others: failed, exit unknown: the flag says why", known(PYTHON, BAD, ending=SHIM_LOST), "failed +supervisor_lost"),
    ("others: failed, the machine restarted", known(PYTHON, BAD, ending=REBOOT), "failed +host_restarted"),
    ("others: success, exit unknown", known(PYTHON, OK, ending=SHIM_LOST), "failed: supervisor_lost"),
    ("others: success, no exit seen", known(PYTHON, OK), "failed: supervisor_lost"),
    # other kinds: reported otherwise / no report, 0 / no report, not 0
    ("others: success, exit 0", known(PYTHON, OK, ending=EXIT_0), "succeeded"),
    ("others: partial, exit 0", known(PYTHON, PART, ending=EXIT_0), "partial"),
    ("others: failed, exit 7", known(PYTHON, BAD, ending=EXIT_7), "failed"),
    ("others: no report, 0", known(PYTHON, ending=EXIT_0), "succeeded"),
    ("others: no report, 0, report required", known(PYTHON, ending=EXIT_0, policy=REQUIRED), "failed: no_report"),
    ("others: no report, 7", known(SHELL, ending=EXIT_7), "failed: exit_code"),
    ("others: no report, signal", known(SHELL, ending=SIGNAL), "failed: signal"),
    # reports by people
    ("a person's report while it ran, exit 7", known(PYTHON, PERSON, ending=EXIT_7), "succeeded"),
    ("a person's report before a stop", known(PYTHON, PERSON, ending=STOPPED, stop=stop(StopCause.CANCEL)), "succeeded"),
]
# fmt: on


@pytest.mark.parametrize(("row", "knowledge", "outcome"), ROWS, ids=[row for row, _, _ in ROWS])
def test_an_execution_settles_by_the_first_matching_row(row: str, knowledge: Knowledge, outcome: str) -> None:
    assert outcome == brief(settle(knowledge))


@pytest.mark.parametrize(("row", "knowledge", "outcome"), ROWS, ids=[row for row, _, _ in ROWS])
def test_reported_items_are_never_lost_but_to_a_kill(row: str, knowledge: Knowledge, outcome: str) -> None:
    """core.md §4: "message and totals kept", "a later report is kept"; after a kill it is a late report."""
    settled = settle(knowledge)
    wants = bool(knowledge.reports) and knowledge.reports[-1] is not PERSON and settled.reason is not Reason.KILLED
    assert wants == (settled.totals is not None)


def test_a_broken_success_keeps_what_the_bot_said() -> None:
    """core.md §4: "`failed` with that reason, message and totals kept"."""
    settled = settle(known(PYTHON, OK, ending=EXIT_7))
    assert ("all done", TOTALS, 7) == (settled.message, settled.totals, settled.exit_code)


@pytest.mark.parametrize("cause", StopCause)
def test_a_bot_that_met_a_stop_with_an_exit_code_shows_it(cause: StopCause) -> None:
    """C5: the end is shown as it was; only where a report decides "an exit code that our own stop caused is ignored"."""
    assert settle(known(ending=STOPPED_130, stop=stop(cause))).exit_code == 130
    assert settle(known(PYTHON, OK, ending=STOPPED_130, stop=stop(cause))).exit_code is None


def test_a_silent_failure_says_its_exit_code() -> None:
    settled = settle(known(PYTHON, ending=EXIT_7))
    assert ("ended with exit code 7", 7) == (settled.message, settled.exit_code)


def test_a_failure_says_the_last_error_line_of_the_bot() -> None:
    """The end of stderr, where the bot itself reported nothing; a success has nothing of it."""
    ending = replace(EXIT_7, last_errors="reading\nValueError: no page\n")
    assert settle(known(PYTHON, ending=ending)).message == "ended with exit code 7: ValueError: no page"
    assert settle(known(PYTHON, OK, ending=ending)).message == "all done"
    crashed = Ending(how=ExitKind.SIGNAL, signal=11, last_errors="Fatal Python error: Segmentation fault")
    assert settle(known(PYTHON, ending=crashed)).message == (
        "ended by signal 11: Fatal Python error: Segmentation fault"
    )


def test_a_kill_says_who_asked() -> None:
    settled = settle(known(PYTHON, ending=STOPPED, stop=stop(StopCause.KILL, by="ana")))
    assert "terminated on request by ana" == settled.message


def test_the_first_of_two_causes_counts() -> None:
    """core.md §4: "Two stop causes: the first durable one counts"; a later report is a `timeout`'s, not a `kill`'s."""
    settled = settle(known(BOTCITY, LATER, ending=STOPPED, stop=stop(StopCause.TIMEOUT, seq=3), cancel_asked=True))
    assert (Outcome.SUCCEEDED, (Flag.TIMED_OUT,)) == (settled.outcome, settled.flags)


def test_void_without_cancel_is_not_a_settlement() -> None:
    """core.md D9: void is granted again, not counted."""
    with pytest.raises(ValueError, match="granted again"):
        settle(known(is_void=True))


@pytest.mark.parametrize(
    ("case", "expected", "message"),
    [
        (
            known(
                ending=replace(STOPPED, error="it used 70.0 MiB of memory, 64.0 MiB are allowed"),
                stop=stop(StopCause.LIMIT),
            ),
            "failed: limit",
            "stopped: it used 70.0 MiB of memory, 64.0 MiB are allowed",
        ),
        (known(stop=stop(StopCause.LIMIT)), "failed: limit", "stopped: a limit was exceeded"),
        (known(ending=STOPPED, stop=stop(StopCause.TIMEOUT)), "timed_out", "timed out: it ran for more than 1d"),
        (
            known(ending=STOPPED, stop=stop(StopCause.NO_PROGRESS), no_progress_s=600),
            "timed_out: no_progress",
            "timed out: no progress for 10m",
        ),
        (
            known(
                ending=replace(
                    SIGNAL, signal=25, error="a file would have become larger than the 1.0 MiB that are allowed"
                )
            ),
            "failed: limit",
            "ended: a file would have become larger than the 1.0 MiB that are allowed",
        ),
        (
            known(ending=replace(OOM, peak_memory_bytes=2**26, error="the memory limit of 64.0 MiB was reached")),
            "failed: oom_killed",
            "ended: the system killed it for want of memory: the memory limit of 64.0 MiB was reached (peak 64.0 MiB)",
        ),
        (
            known(ending=replace(OOM, peak_memory_bytes=2**33)),
            "failed: oom_killed",
            "ended: the system killed it for want of memory (peak 8.0 GiB)",
        ),
    ],
)
def test_a_limit_is_told_with_what_was_allowed_and_seen(case: Knowledge, expected: str, message: str) -> None:
    """Which limit, how much was allowed, what was seen; the peak of what the system killed (S20, R30)."""
    settled = settle(case)
    assert (brief(settled), settled.message) == (expected, message)


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (1, "1 task failed"),
        (249, "249 tasks failed"),
        (250, "250 tasks or more failed"),
        (252, "set-up: Robot Framework could not read the suite or an option (exit code 252)"),
        (255, "set-up: Robot Framework failed itself (exit code 255)"),
        (9, "9 tasks failed"),
    ],
)
def test_robot_framework_says_by_its_exit_code_how_many_failed(code: int, message: str) -> None:
    """bot-packages.md §5, §6; a plain script with the same code says nothing of tasks."""
    ending = Ending(how=ExitKind.NORMAL, code=code)
    robot, script = (settle(known(kind, ending=ending)) for kind in (Kind.ROBOT, Kind.PYTHON))

    assert ("failed: exit_code", message, code) == (brief(robot), robot.message, robot.exit_code)
    assert f"ended with exit code {code}" == script.message


def test_what_could_not_be_killed_is_named() -> None:
    """R70: "cancel always works": the survivors are listed by pid and command line; a long list says that it is one."""
    one = replace(STOPPED, survivors=("4711 /usr/bin/stuck --in D",))
    settled = settle(known(PYTHON, ending=one, stop=stop(StopCause.CANCEL, by="ana"), cancel_asked=True))
    named = "1 process could not be killed: 4711 /usr/bin/stuck --in D"
    assert settled == Settlement(outcome=Outcome.CANCELED, message=f"canceled by ana ({named})")
    many = replace(EXIT_0, survivors=tuple(f"{pid} x" for pid in range(7)))
    settled = settle(known(PYTHON, ending=many))
    assert settled.message == "7 processes could not be killed: 0 x; 1 x; 2 x; 3 x; 4 x; …"
