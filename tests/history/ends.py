"""C5: the end that is shown is the bot's true end, or says why nobody knows it."""

from tests.history.events import FaultKind, FinishAsked, Seen, Stopped
from tests.history.story import Judgement, Judgements, Rule, Story

_MACHINE = {FaultKind.HOST_CRASHED, FaultKind.POWER_CUT, FaultKind.HOME_WIPED, FaultKind.HOME_ROLLED_BACK}
_AWAY = _MACHINE | {
    FaultKind.DAEMON_KILLED,
    FaultKind.DAEMON_STOPPED,
    FaultKind.HUB_KILLED,
    FaultKind.HUB_STOPPED,
    FaultKind.HUB_RESTORED,
    FaultKind.HOME_CLONED,
    FaultKind.RUNNER_REVOKED,
    FaultKind.LINK_CUT,
    FaultKind.LINK_HALF_OPEN,
    FaultKind.LINK_ONE_WAY,
    FaultKind.LINK_SLOW,
    FaultKind.CLOCK_JUMPED,
    FaultKind.SUSPENDED,
}
_DISK = {FaultKind.DISK_FULL, FaultKind.DISK_ERROR, FaultKind.BYTES_DAMAGED}
_BEFORE_EXEC = {FaultKind.SHIM_KILLED, FaultKind.BOT_KILLED} | _MACHINE | _DISK
EXCUSES: dict[str, set[FaultKind]] = {
    "supervisor_lost": {FaultKind.SHIM_KILLED} | _MACHINE | _DISK,
    "host_restarted": _MACHINE,
    "exit_unseen": _AWAY,
    "link_lost": _AWAY,
    "unconfirmed": _AWAY,
}
"""Words for an end that nobody saw, and the faults one of which must have happened for it."""


def the_end_is_true(story: Story) -> Judgements:
    """C5: exit code and signal as the bot ended, reports kept, no success of a bot that failed or never ran."""
    for task, looks in story.seen.items():
        finished = next((seen for seen in reversed(looks) if seen.state == "finished"), None)
        if finished is None:
            continue
        problem = (
            _never_ran(story, finished)
            or _other_exit(story, finished)
            or _without_excuse(story, finished)
            or _report_lost(story, finished)
        )
        about = (task, finished.execution) if finished.execution else (task,)
        yield Judgement(rule=Rule.TRUE_END, about=about, problem=problem, events=(finished,))


def _never_ran(story: Story, finished: Seen) -> str:
    """Only a bot that ran can have succeeded, failed or run out of time."""
    if not story.started or finished.outcome not in {"succeeded", "partial", "failed", "timed_out"}:
        return ""
    if _was_finished_by_people(story, finished) or finished.reason in {"environment", "build_gone", "prerequisite"}:
        return ""
    execution = finished.execution or ""
    # Struck between its verdict and exec: an attempt (D1, core.md §4), though nothing of the bot itself ran.
    if finished.outcome == "failed" and story.struck(execution, _BEFORE_EXEC):
        return ""
    return "" if story.started.get(execution) else f"{finished.outcome}, but it never started"


def _other_exit(story: Story, finished: Seen) -> str:
    ended = story.ended.get(finished.execution or "")
    if ended is None:
        return ""
    shown, true = (finished.exit_code, finished.signal), (ended.exit_code, ended.signal)
    if shown == true:
        return _untrue_success(story, finished, ended.exit_code)
    if shown == (None, None):
        words = {finished.reason, *finished.flags}
        # As reported, "an exit code that our own stop caused is ignored" (core.md §4): a signal of ours reached it.
        is_as_reported = finished.report is not None and _was_signaled(story, finished)
        # "A finish by a person while queued": between two attempts, after the end of this one.
        is_finished_later = _was_finished_by_people(story, finished, after=ended.at)
        is_excused = (
            is_as_reported
            or is_finished_later
            or finished.outcome in {"lost", "canceled"}
            or bool(words & EXCUSES.keys())
        )
        return "" if is_excused else f"ended with {true}, shown without an exit and without a reason why"
    return f"ended with (exit code, signal) {true}, shown as {shown}"


def _untrue_success(story: Story, finished: Seen, exit_code: int | None) -> str:
    acked = story.acked.get(finished.task)
    decides = acked is not None and acked.report_decides and finished.execution in story.reported
    # Such an exit code is ignored, and a person's finish is a report with its author, whatever it ended with.
    is_ignored = _was_signaled(story, finished) or _was_finished_by_people(story, finished)
    if exit_code == 0 or decides or is_ignored or finished.outcome not in {"succeeded", "partial"}:
        return ""
    return f"{finished.outcome}, though it ended with {exit_code}"


def _was_signaled(story: Story, finished: Seen) -> bool:
    """Without a signal "no stop happened" (core.md §4), whoever asked for it."""
    return any(isinstance(event, Stopped) and event.execution == finished.execution for event in story.events)


def _was_finished_by_people(story: Story, finished: Seen, *, after: float = 0.0) -> bool:
    asked = (event for event in story.events if isinstance(event, FinishAsked) and event.task == finished.task)
    return any(event.at >= after for event in asked)


def _without_excuse(story: Story, finished: Seen) -> str:
    """A word that says "nobody saw the end" needs a fault that kept us from seeing."""
    words = [word for word in (finished.reason, *finished.flags) if word in EXCUSES]
    missing = [word for word in words if word and not story.struck(finished.execution or "", EXCUSES[word])]
    return f"shown as {', '.join(missing)}, but nothing happened that could be the cause" if missing else ""


def _report_lost(story: Story, finished: Seen) -> str:
    """A report that was answered is durable (core.md §6), unless its machine's disk is gone."""
    reported = story.reported.get(finished.execution or "")
    ended = story.ended.get(finished.execution or "")
    if reported is None or (ended is not None and reported.at > ended.at):
        return ""
    if finished.outcome in {"lost", "canceled", "refused"} or finished.report is not None:
        return ""
    is_gone = story.struck(reported.execution, {FaultKind.HOME_WIPED, FaultKind.HOME_ROLLED_BACK})
    return "" if is_gone else f"reported {reported.status}, which nobody shows"
