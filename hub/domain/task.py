"""A task: one request to run an automation (design.md §1), its states, and how the hub's adapters see it.

::

    (created) --not before, after--> waiting --due, met--> queued --granted--> running --settled--> finished
                                        |                    ^  |                 |  ^
                                        |                    |  '--canceled, refused, reported by a person--> finished
                                        |                    '-------voided, retried--'
                                        '--canceled, reported by a person--> finished

A retry with a pause goes from running to waiting.
Finished is final: what comes later is a late report or an amendment (core.md §4).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from pydantic import JsonValue

from agent.wire.facts import Gap
from agent.wire.task import Limits, Totals
from agent.wire.words import Outcome, OutputState, Reason, ReportStatus, TaskState
from hub.domain.prerequisite import Prerequisite, When


class TaskEvent(StrEnum):
    """What can happen to a task's state."""

    DUE = "due"
    MET = "met"
    """What it waited for has ended as it must."""
    GRANTED = "granted"
    VOIDED = "voided"
    RETRIED = "retried"
    RETRIED_LATER = "retried_later"
    SETTLED = "settled"
    CANCELED = "canceled"
    REFUSED = "refused"
    REPORTED_BY_PERSON = "reported_by_person"


TRANSITIONS: Mapping[tuple[TaskState, TaskEvent], TaskState] = {
    (TaskState.WAITING, TaskEvent.DUE): TaskState.QUEUED,
    (TaskState.WAITING, TaskEvent.MET): TaskState.QUEUED,
    (TaskState.WAITING, TaskEvent.CANCELED): TaskState.FINISHED,
    (TaskState.WAITING, TaskEvent.REPORTED_BY_PERSON): TaskState.FINISHED,
    (TaskState.QUEUED, TaskEvent.GRANTED): TaskState.RUNNING,
    (TaskState.QUEUED, TaskEvent.CANCELED): TaskState.FINISHED,
    (TaskState.QUEUED, TaskEvent.REFUSED): TaskState.FINISHED,
    (TaskState.QUEUED, TaskEvent.REPORTED_BY_PERSON): TaskState.FINISHED,
    (TaskState.RUNNING, TaskEvent.VOIDED): TaskState.QUEUED,
    (TaskState.RUNNING, TaskEvent.RETRIED): TaskState.QUEUED,
    (TaskState.RUNNING, TaskEvent.RETRIED_LATER): TaskState.WAITING,
    (TaskState.RUNNING, TaskEvent.SETTLED): TaskState.FINISHED,
    (TaskState.RUNNING, TaskEvent.REFUSED): TaskState.FINISHED,
}


class IllegalMove(Exception):  # noqa: N818 - a name, not a suffix, says what it is
    """A state machine was asked for a move that it does not have: a defect, never a user's mistake."""

    def __init__(self, subject: str, state: str, event: str) -> None:
        super().__init__(f"{subject} in state {state} has no move for {event}")
        self.subject = subject
        self.state = state
        self.event = event


def move(task_id: str, state: TaskState, event: TaskEvent) -> TaskState:
    """The state that follows. Raises IllegalMove where there is none."""
    following = TRANSITIONS.get((state, event))
    if following is None:
        raise IllegalMove(task_id, state, event)
    return following


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportView:
    """What the bot (or a person, `by`) said of a task that may not have settled yet."""

    status: ReportStatus
    message: str | None = None
    totals: Totals | None = None
    by: str | None = None
    at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputView:
    """How much of the newest execution's output the hub has."""

    state: OutputState = OutputState.NONE
    bytes: int = 0
    lines: int = 0
    sha256: str | None = None
    gaps: tuple[Gap, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgressView:
    """How far the bot has come, as it said last: percent where it knows, and a line for people."""

    percent: float | None
    text: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskView:
    """A task as services show it to the adapters: the row, the names of what it points at, its newest execution."""

    id: str
    workspace_id: str
    workspace: str
    number: int
    round: int
    automation_id: str
    automation: str
    automation_name: str
    bot_id: str
    bot: str
    label_set_id: str
    state: TaskState
    priority: int
    not_before: datetime | None
    parameters: Mapping[str, JsonValue]
    test: bool
    fence: int
    created_by: str
    created_at: datetime
    updated_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    settled_at: datetime | None
    cancel_requested_at: datetime | None
    cancel_requested_by: str | None
    interrupt_requested_at: datetime | None
    kill_requested_at: datetime | None
    kill_requested_by: str | None
    outcome: Outcome | None
    reason: Reason | None
    flags: tuple[str, ...]
    message: str | None
    totals: Totals | None
    exit_code: int | None
    build_id: str | None
    build_version: str | None
    runner_id: str | None
    runner: str | None
    next_task_id: str | None
    restart_of: str | None
    held: str | None
    after: When | None = None
    """How the tasks that it waits for must end; None when it never waited for any."""
    prerequisites: tuple[Prerequisite, ...] = ()
    """Those tasks, as they stand."""
    secret_parameters: tuple[str, ...] = ()
    """Names of parameters whose values no adapter shows."""
    execution_id: str | None = None
    execution_state: str | None = None
    report: ReportView | None = None
    """The last report of the newest execution, from its arrival on."""
    is_tried_again: bool = False
    """A failure was reported, and the policy will try again when this execution has ended (core.md §4)."""
    amendment: ReportView | None = None
    """The newest amendment of a settled task."""
    output: OutputView = OutputView()
    progress: ProgressView | None = None
    """Of the newest execution."""
    limits: Limits | None = None
    """What the newest execution may use, changes of it while it ran included."""
