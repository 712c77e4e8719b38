"""Tasks, executions and outputs as clients see them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from pydantic import Field, JsonValue

from agent.wire.condition import FaultCode
from agent.wire.task import Totals
from agent.wire.words import AnnotationLevel, ExecutionState, Outcome, Reason, TaskState
from hub.api.call import View
from hub.api.limit_views import TaskLimitsView, task_limits_view
from hub.api.output_views import Output, output, output_of
from hub.domain.prerequisite import When
from hub.domain.task import ProgressView, ReportView, TaskView
from hub.domain.waiting import WaitingCode
from hub.domain.waiting import WaitingReason as Reasoned
from hub.storage.execution_pages import ExecutionView
from hub.storage.said import SaidRow

HIDDEN = "••••••"
"""Stands for the value of a secret parameter."""


class Report(View):
    """What the bot, or a person, said of the task."""

    status: str
    message: str | None
    totals: Totals | None
    by: str | None
    at: datetime | None


class Progress(View):
    """How far the bot has come, as it said itself."""

    percent: float | None
    text: str
    at: datetime


class Annotation(View):
    """A line that the bot singled out for people."""

    level: AnnotationLevel
    title: str
    text: str


class Prerequisite(View):
    """A task that another waits for."""

    id: str
    number: int
    round: int
    automation: str
    state: TaskState
    outcome: Outcome | None


class After(View):
    """What a task waits for, or waited for."""

    when: When = Field(description="All succeeded, all finished, or any one succeeded.")
    tasks: list[Prerequisite]


class Task(View):
    """A request to run an automation, and what became of it."""

    id: str
    number: int = Field(description="Stays the same over restarts; BotCity's task id.")
    round: int
    automation: str
    bot: str
    state: TaskState
    outcome: Outcome | None
    reason: Reason | None
    flags: list[str]
    message: str | None
    totals: Totals | None
    exit_code: int | None
    priority: int
    not_before: datetime | None
    after: After | None = Field(description="Tasks that it waits for, or waited for.")
    parameters: dict[str, JsonValue] = Field(description="Values of secret parameters are hidden.")
    test: bool
    runner: str | None
    version: str | None = Field(description="Version of the build that ran.")
    build: str | None
    execution: str | None = Field(description="The newest attempt.")
    execution_state: ExecutionState | None
    output: Output
    progress: Progress | None = Field(description="The newest; it may be a second behind.")
    limits: TaskLimitsView | None = Field(description="Of the newest attempt; may be changed while it runs.")
    report: Report | None = Field(description="The newest report; the outcome is settled when the execution has ended.")
    amendment: Report | None = Field(description="What a person said after the settlement.")
    held: str | None
    cancel_requested_at: datetime | None
    cancel_requested_by: str | None
    interrupt_requested_at: datetime | None
    kill_requested_at: datetime | None
    restart_of: str | None
    next_task: str | None = Field(description="The round that begins when this one has ended.")
    created_by: str
    created_at: datetime
    updated_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    settled_at: datetime | None


class ShownTask(Task):
    """A task with all that its newest attempt said at its end, beside a report."""

    outputs: dict[str, str] = Field(description="Named results.")
    summary: str | None = Field(description="Markdown.")
    summary_cut: bool = Field(description="The bot wrote a longer one.")
    annotations: list[Annotation] = Field(description="Errors, warnings and notices; the first ones.")
    annotation_counts: dict[AnnotationLevel, int] = Field(description="How many there were in all.")


class WaitingReason(View):
    """Why a task does not run, and what to do about it."""

    code: WaitingCode
    message: str
    runner: str | None = Field(description="The runner that it is about, or that comes nearest.")
    since: datetime | None = Field(description="From when it has held this task, as far as the hub knows.")
    fault: FaultCode | None = Field(description="What is wrong with that runner, of one that is unfit.")
    remedy: str = Field(description="The one change that would end it; empty where waiting is all there is to do.")


class Why(View):
    """Every reason, the first to act on first; empty for a task that runs or has finished."""

    reasons: list[WaitingReason]


class Execution(View):
    """One attempt of a task on one runner; a void one never started and counts for nothing."""

    id: str
    state: ExecutionState
    runner: str
    version: str
    build: str
    outcome: Outcome | None
    reason: Reason | None
    void_reason: str | None
    stop_cause: str | None
    exit_code: int | None
    exit_signal: int | None
    output: Output
    granted_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    settled_at: datetime | None


def task_view(task: TaskView) -> Task:
    """A task as clients see it."""
    same = {name: getattr(task, name) for name in _SAME}
    secret = set(task.secret_parameters)
    return Task(
        **same,
        flags=list(task.flags),
        after=_after(task),
        parameters={name: HIDDEN if name in secret else value for name, value in task.parameters.items()},
        version=task.build_version,
        build=task.build_id,
        execution=task.execution_id,
        progress=_progress(task.progress),
        limits=None if task.limits is None else task_limits_view(task.limits),
        output=output(task.output.state, task.output.bytes, task.output.lines, task.output.sha256, task.output.gaps),
        report=_report(task.report),
        amendment=_report(task.amendment),
        next_task=task.next_task_id,
    )


_BUILT = {"flags", "parameters", "version", "build", "execution", "output", "report", "amendment", "next_task"}
_BUILT |= {"progress", "limits", "after"}
_SAME = [name for name in Task.model_fields if name in TaskView.__slots__ and name not in _BUILT]


def shown_task(task: TaskView, said: SaidRow | None) -> ShownTask:
    """A task with what its newest attempt said."""
    return ShownTask(
        **dict(task_view(task)),
        outputs={} if said is None else dict(said.outputs),
        summary=said.summary or None if said else None,
        summary_cut=said.summary_cut if said else False,
        annotations=[Annotation.model_validate(one) for one in said.annotations] if said else [],
        annotation_counts={level: (said.counts if said else {}).get(level, 0) for level in AnnotationLevel},
    )


def why_view(reasons: Sequence[Reasoned]) -> Why:
    """Why a task waits, as clients see it."""
    fields = WaitingReason.model_fields
    return Why(reasons=[WaitingReason(**{name: getattr(one, name) for name in fields}) for one in reasons])


def execution_view(one: ExecutionView) -> Execution:
    """An execution as clients see it."""
    named = {"build", "output"}
    same: dict[str, Any] = {name: getattr(one, name) for name in Execution.model_fields if name not in named}
    return Execution(**same, build=one.build_id, output=output_of(one))


def _after(task: TaskView) -> After | None:
    if task.after is None:
        return None
    names = Prerequisite.model_fields
    several = [Prerequisite(**{name: getattr(one, name) for name in names}) for one in task.prerequisites]
    return After(when=task.after, tasks=several)


def _progress(progress: ProgressView | None) -> Progress | None:
    return None if progress is None else Progress(percent=progress.percent, text=progress.text, at=progress.at)


def _report(report: ReportView | None) -> Report | None:
    if report is None:
        return None
    return Report(status=str(report.status), message=report.message, totals=report.totals, by=report.by, at=report.at)
