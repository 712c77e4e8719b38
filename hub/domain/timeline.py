"""What became of a task, step by step, each with its time and how long it took (issue 3, part 6).

`timeline` is pure: it is told the task, its attempts, and the events around it, and tells one story of them::

    created > waited (for tasks, until its moment; for a release, a runner, a build, a slot) > granted > started
      > unfit, reported > ended > settled, or: voided / retried > waited > granted …

A wait whose reason no event shows has none: limits, sizes of desktops and others leave no trace when they have passed.
Times of the bot are its runner's, all others the hub's; a step never comes before the one that it follows from.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from agent.wire.words import Reason
from hub.domain.prerequisite import met_at
from hub.domain.task import TaskView
from hub.domain.task_signs import Attempt, Counted, Sign, Trouble, obstacles, troubles, who_left

SHORT = timedelta(milliseconds=50)
"""Less than this is the way of every order, no wait that anybody asks about."""
_NAMED = 5
"""Prerequisites that are named."""


class Step(StrEnum):
    """The steps, a closed list."""

    CREATED = "created"
    WAITED = "waited"
    PREPARING = "preparing"
    GRANTED = "granted"
    STARTED = "started"
    UNFIT = "unfit"
    """Something went wrong with the machine, or its desktop, under the bot."""
    STOP_ASKED = "stop_asked"
    REPORTED = "reported"
    ENDED = "ended"
    VOIDED = "voided"
    SETTLED = "settled"
    AMENDED = "amended"


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """One step."""

    step: Step
    at: datetime
    text: str
    lasted_s: float | None = None
    """Until the next step, or until now while it lasts; None for the last one of a finished task."""
    runner: str | None = None
    execution_id: str | None = None


def timeline(  # noqa: PLR0913 - all that is known of a task
    task: TaskView,
    attempts: Sequence[Attempt],
    signs: Sequence[Sign],
    *,
    waits_for: str,
    now: datetime,
    counted: Counted | None = None,
) -> tuple[Moment, ...]:
    """The steps of a task in order; `waits_for` says why it does not run now, where it waits."""
    counted = counted or Counted()
    moments = [Moment(step=Step.CREATED, at=task.created_at, text=f"by {task.created_by}")]
    ready_at = task.created_at
    met = None if task.after is None else met_at(task.after, task.prerequisites)
    if (met is not None and met > ready_at) or task.reason is Reason.PREREQUISITE:
        names = ", ".join(one.name for one in task.prerequisites[:_NAMED])
        more = f" and {len(task.prerequisites) - _NAMED} more" if task.prerequisites[_NAMED:] else ""
        moments.append(Moment(step=Step.WAITED, at=ready_at, text=f"for task {names}{more}"))
        ready_at = met or ready_at
    if task.not_before is not None and task.not_before > ready_at:
        until = f"until {task.not_before:%Y-%m-%d %H:%M:%S} UTC"
        moments.append(Moment(step=Step.WAITED, at=ready_at, text=until))
        ready_at = task.not_before
    for attempt in attempts:
        moments += _waited(attempt, ready_at, signs, counted)
        moments += _of_attempt(attempt, troubles(attempt, signs, counted))
        ready_at = attempt.settled_at or now
    if task.state in {"queued", "waiting"} and ready_at < now:
        moments.append(Moment(step=Step.WAITED, at=ready_at, text=waits_for))
    moments += _asked_before_a_grant(task, attempts)
    if task.settled_at is not None:
        moments.append(Moment(step=Step.SETTLED, at=task.settled_at, text=_ended_as(task.outcome, task.reason)))
    if task.amendment is not None and task.amendment.at is not None:
        text = f"{task.amendment.status} by {task.amendment.by}"
        moments.append(Moment(step=Step.AMENDED, at=task.amendment.at, text=text))
    return _measured(moments, None if task.settled_at is not None else now)


def _waited(attempt: Attempt, since: datetime, signs: Sequence[Sign], counted: Counted) -> Iterator[Moment]:
    """What an attempt waited for: each thing that was missing, while it was; of the rest nobody knows the reason."""
    begun = since
    for one in obstacles(attempt, since, signs, counted):
        if one.ended <= begun:
            continue
        if one.begun - begun > SHORT:
            yield Moment(step=Step.WAITED, at=begun, text="")
            begun = one.begun
        step = Step.PREPARING if one.is_preparing else Step.WAITED
        yield Moment(step=step, at=begun, text=one.text, runner=attempt.runner)
        begun = one.ended
    if attempt.granted_at - begun > SHORT:
        yield Moment(step=Step.WAITED, at=begun, text=who_left(attempt, begun, signs))


def _of_attempt(attempt: Attempt, wrong: Sequence[Trouble]) -> Iterator[Moment]:
    def moment(step: Step, at: datetime, text: str = "") -> Moment:
        return Moment(step=step, at=at, text=text, runner=attempt.runner, execution_id=attempt.execution_id)

    yield moment(Step.GRANTED, attempt.granted_at, f"to {attempt.runner}")
    if attempt.started_at is not None:
        yield moment(Step.STARTED, attempt.started_at)
    middle = [moment(Step.UNFIT, one.at, one.text) for one in wrong if not one.is_late]
    if attempt.stop_asked_at is not None:
        middle.append(moment(Step.STOP_ASKED, attempt.stop_asked_at, attempt.stop_cause or ""))
    if attempt.reported_at is not None:
        middle.append(moment(Step.REPORTED, attempt.reported_at, attempt.report or ""))
    yield from sorted(middle, key=lambda one: one.at)
    if attempt.ended_at is not None:
        yield moment(Step.ENDED, attempt.ended_at, _exit(attempt))
    yield from (moment(Step.UNFIT, one.at, one.text) for one in wrong if one.is_late)
    if attempt.settled_at is not None and attempt.state == "void":
        why = f"never started: {attempt.void_reason}" if attempt.void_reason else "never started"
        yield moment(Step.VOIDED, attempt.settled_at, why)
    elif attempt.settled_at is not None:
        yield moment(Step.SETTLED, attempt.settled_at, f"attempt {_ended_as(attempt.outcome, attempt.reason)}")


def _asked_before_a_grant(task: TaskView, attempts: Sequence[Attempt]) -> Iterator[Moment]:
    if not attempts and task.cancel_requested_at is not None:
        text = f"cancel by {task.cancel_requested_by}"
        yield Moment(step=Step.STOP_ASKED, at=task.cancel_requested_at, text=text)


def _measured(moments: Sequence[Moment], now: datetime | None) -> tuple[Moment, ...]:
    """Each step in its order of time and with its length; an attempt's end is not told twice with the task's."""
    told = [
        one
        for one, following in zip(moments, [*moments[1:], None], strict=True)
        if not (one.step is Step.SETTLED and one.execution_id and following and following.step is Step.SETTLED)
    ]
    measured: list[Moment] = []
    for one in told:
        at = max(one.at, measured[-1].at) if measured else one.at
        if measured:
            measured[-1] = replace(measured[-1], lasted_s=(at - measured[-1].at).total_seconds())
        measured.append(replace(one, at=at))
    if now is not None and measured:
        measured[-1] = replace(measured[-1], lasted_s=max(0.0, (now - measured[-1].at).total_seconds()))
    return tuple(measured)


def _exit(attempt: Attempt) -> str:
    if attempt.exit_signal is not None:
        return f"by signal {attempt.exit_signal}"
    return f"exit code {attempt.exit_code}" if attempt.exit_code is not None else ""


def _ended_as(outcome: str | None, reason: str | None) -> str:
    return f"{outcome}: {reason}" if reason else str(outcome)
