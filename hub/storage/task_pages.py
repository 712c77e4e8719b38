"""Tasks as people see them: rows joined with the names of what they point at, their newest execution and amendment."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from agent.wire.facts import Gap
from agent.wire.task import Limits, Totals
from agent.wire.words import Outcome, OutputState, Reason, ReportStatus, TaskState
from hub.domain.limits import read as read_limits
from hub.domain.prerequisite import When
from hub.domain.retry import RetryPolicy
from hub.domain.task import OutputView, ProgressView, ReportView, TaskView
from hub.storage import prerequisites
from hub.storage.direct import Direct
from hub.storage.tables import amendments, automations, bots, builds, executions, runners, tasks, workspaces
from hub.storage.transaction import Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskFilter:
    """Which tasks a page shows, newest first; every member narrows. `after` is the id of the last one seen."""

    state: TaskState | None = None
    outcome: Outcome | None = None
    automation: str | None = None
    """Label."""
    runner: str | None = None
    """Id or name."""
    created_after: datetime | None = None
    after: str | None = None
    limit: int = 50


_DEFAULTS = Limits()
_JOINED = frozenset({"automation", "automation_name", "bot", "build_version", "runner", "workspace", "execution_id"})
_JOINED |= {"execution_state", "secret_parameters", "report", "amendment", "output", "totals", "progress", "limits"}
_JOINED |= {"is_tried_again", "prerequisites"}
_OWN = [name for name in TaskView.__slots__ if name not in _JOINED] + ["total", "processed", "failed"]
_NEWEST_EXECUTION = (
    sa.select(executions.c.id)
    .where(
        executions.c.workspace_id == tasks.c.workspace_id,
        executions.c.task_id == tasks.c.id,
        executions.c.state != "void",
    )
    .order_by(executions.c.fence.desc())
    .limit(1)
    .correlate(tasks)
    .scalar_subquery()
)
_MADE = (
    sa.select(sa.func.count())
    .where(
        executions.c.workspace_id == tasks.c.workspace_id,
        executions.c.task_id == tasks.c.id,
        executions.c.state != "void",
    )
    .correlate(tasks)
    .scalar_subquery()
)
_NEWEST_AMENDMENT = (
    sa.select(amendments.c.id)
    .where(amendments.c.workspace_id == tasks.c.workspace_id, amendments.c.task_id == tasks.c.id)
    .order_by(amendments.c.amended_at.desc(), amendments.c.id.desc())
    .limit(1)
    .correlate(tasks)
    .scalar_subquery()
)


def _same(table: sa.Table, key: sa.ColumnElement[str]) -> sa.ColumnElement[bool]:
    return (table.c.workspace_id == tasks.c.workspace_id) & (table.c.id == key)


_VIEW = (
    sa.select(
        *(tasks.c[name] for name in _OWN),
        workspaces.c.label.label("workspace"),
        automations.c.label.label("automation"),
        automations.c.name.label("automation_name"),
        automations.c.parameters.label("declared"),
        automations.c.retry,
        tasks.c.tries,
        # Counted only where a report waits for its execution's end.
        sa.case((tasks.c.reported_at.is_not(None) & tasks.c.outcome.is_(None), _MADE), else_=0).label("made"),
        bots.c.name.label("bot"),
        builds.c.version.label("build_version"),
        runners.c.name.label("runner"),
        executions.c.id.label("execution_id"),
        executions.c.state.label("execution_state"),
        executions.c.report,
        executions.c.reported_at,
        executions.c.output_state,
        executions.c.output_bytes,
        executions.c.output_lines,
        executions.c.output_sha256,
        executions.c.gaps,
        executions.c.limits.label("kept_limits"),
        executions.c.progress_percent,
        executions.c.progress_text,
        executions.c.progress_at,
        amendments.c.status.label("amended_status"),
        amendments.c.message.label("amended_message"),
        amendments.c.total.label("amended_total"),
        amendments.c.processed.label("amended_processed"),
        amendments.c.failed.label("amended_failed"),
        amendments.c.amended_by,
        amendments.c.amended_at,
    )
    .join_from(tasks, workspaces, workspaces.c.id == tasks.c.workspace_id)
    .join(automations, _same(automations, tasks.c.automation_id))
    .join(bots, _same(bots, tasks.c.bot_id))
    .join(builds, _same(builds, tasks.c.build_id), isouter=True)
    .join(runners, _same(runners, tasks.c.runner_id), isouter=True)
    .join(executions, _same(executions, _NEWEST_EXECUTION), isouter=True)
    .join(amendments, _same(amendments, _NEWEST_AMENDMENT), isouter=True)
    .where(tasks.c.workspace_id == sa.bindparam("workspace"))
)
_SHOW = Direct(_VIEW.where(tasks.c.id == sa.bindparam("task")))
_OF_NUMBER = _VIEW.where(tasks.c.number == sa.bindparam("named")).order_by(tasks.c.round.desc()).limit(1)
_OF_ROUND = _VIEW.where(tasks.c.number == sa.bindparam("named"), tasks.c.round == sa.bindparam("nth"))
_SEVERAL = _VIEW.where(tasks.c.id.in_(sa.bindparam("ids", expanding=True)))
_INSERT_AMENDMENT = sa.insert(amendments)


def show(tx: Transaction, workspace_id: str, task_id: str) -> TaskView | None:
    """The task of that id."""
    row = _SHOW.one(tx, {"workspace": workspace_id, "task": task_id})
    return None if row is None else _with_prerequisites(tx, workspace_id, [_view(row)])[0]


def by_number(tx: Transaction, workspace_id: str, number: int) -> TaskView | None:
    """The newest round of that number (core.md §4, rounds)."""
    return _one(tx, _OF_NUMBER, {"workspace": workspace_id, "named": number})


def by_round(tx: Transaction, workspace_id: str, number: int, nth: int) -> TaskView | None:
    """One round of that number."""
    return _one(tx, _OF_ROUND, {"workspace": workspace_id, "named": number, "nth": nth})


def several(tx: Transaction, workspace_id: str, ids: Sequence[str]) -> list[TaskView]:
    """The tasks of these ids, in their order; one that is not there is left out."""
    rows = tx.connection.execute(_SEVERAL, {"workspace": workspace_id, "ids": list(ids)}).mappings()
    found = {row["id"]: _view(row) for row in rows}
    return _with_prerequisites(tx, workspace_id, [found[task_id] for task_id in ids if task_id in found])


def page(tx: Transaction, workspace_id: str, wanted: TaskFilter) -> list[TaskView]:
    """Tasks newest first, by key: a page costs the same wherever it lies."""
    statement = _VIEW
    if wanted.state is not None:
        statement = statement.where(tasks.c.state == wanted.state)
    if wanted.outcome is not None:
        statement = statement.where(tasks.c.outcome == wanted.outcome)
    if wanted.automation is not None:
        statement = statement.where(automations.c.label == wanted.automation)
    if wanted.runner is not None:
        statement = statement.where((runners.c.id == wanted.runner) | (runners.c.name == wanted.runner))
    if wanted.created_after is not None:
        statement = statement.where(tasks.c.created_at >= wanted.created_after)
    if wanted.after is not None:
        # Ids are time-ordered: they page in order of creation by themselves.
        statement = statement.where(tasks.c.id < wanted.after)
    statement = statement.order_by(tasks.c.id.desc()).limit(wanted.limit)
    found = [_view(row) for row in tx.connection.execute(statement, {"workspace": workspace_id}).mappings()]
    return _with_prerequisites(tx, workspace_id, found)


def insert_amendment(tx: Transaction, workspace_id: str, values: Mapping[str, Any]) -> None:
    """Keep what a person said of a settled task."""
    row = {**values, "workspace_id": workspace_id, "id": tx.new_id("amd"), "amended_at": tx.now}
    tx.connection.execute(_INSERT_AMENDMENT, row)


def _one(tx: Transaction, statement: sa.Select[Any], values: dict[str, Any]) -> TaskView | None:
    row = tx.connection.execute(statement, values).mappings().one_or_none()
    return None if row is None else _with_prerequisites(tx, values["workspace"], [_view(row)])[0]


def _with_prerequisites(tx: Transaction, workspace_id: str, views: list[TaskView]) -> list[TaskView]:
    """Add what they wait for, or waited for: one more statement, where any of them does."""
    ids = [view.id for view in views if view.after is not None]
    if not ids:
        return views
    found = prerequisites.of_tasks(tx, workspace_id, ids)
    return [replace(view, prerequisites=found.get(view.id, ())) for view in views]


def _view(row: Mapping[Any, Any]) -> TaskView:
    plain = {name: row[name] for name in _PLAIN}
    return TaskView(
        **plain,
        state=TaskState(row["state"]),
        outcome=None if row["outcome"] is None else Outcome(row["outcome"]),
        reason=None if row["reason"] is None else Reason(row["reason"]),
        after=None if row["after"] is None else When(row["after"]),
        flags=tuple(row["flags"] or ()),
        totals=_totals(row["total"], row["processed"], row["failed"]),
        secret_parameters=tuple(one["name"] for one in row["declared"] if one.get("secret")),
        report=_report(row["report"], row["reported_at"]),
        amendment=_amendment(row),
        output=_output(row),
        progress=_progress(row),
        limits=_limits(row),
        is_tried_again=_is_tried_again(row),
    )


_BUILT = frozenset(
    {"state", "outcome", "reason", "after", "flags", "totals", "report", "amendment", "output", "progress"}
)
_PLAIN = [name for name in TaskView.__slots__ if name in _VIEW.selected_columns and name not in _BUILT]


def _totals(total: int | None, processed: int | None, failed: int | None) -> Totals | None:
    if total is None or processed is None or failed is None:
        return None
    return Totals(total=total, processed=processed, failed=failed)


def _is_tried_again(row: Mapping[Any, Any]) -> bool:
    """Whether the policy follows a reported failure with another execution; somebody's word takes its place."""
    if not row["made"] or row["report"] is None or row["report"]["status"] != ReportStatus.FAILED:
        return False
    is_ended = row["next_task_id"] or row["cancel_requested_at"] or row["kill_requested_at"]
    return not is_ended and RetryPolicy.read(row["retry"]).follows_report(row["made"], row["tries"] or {})


def _report(body: Mapping[str, Any] | None, at: datetime | None) -> ReportView | None:
    if body is None:
        return None
    totals = body.get("totals")
    return ReportView(
        status=ReportStatus(body["status"]),
        message=body.get("message"),
        totals=None if totals is None else Totals.model_validate(totals),
        by=body.get("by"),
        at=at,
    )


def _amendment(row: Mapping[Any, Any]) -> ReportView | None:
    if row["amended_status"] is None:
        return None
    return ReportView(
        status=ReportStatus(row["amended_status"]),
        message=row["amended_message"],
        totals=_totals(row["amended_total"], row["amended_processed"], row["amended_failed"]),
        by=row["amended_by"],
        at=row["amended_at"],
    )


def _output(row: Mapping[Any, Any]) -> OutputView:
    if row["output_state"] is None:
        return OutputView()
    return OutputView(
        state=OutputState(row["output_state"]),
        bytes=row["output_bytes"],
        lines=row["output_lines"],
        sha256=row["output_sha256"],
        gaps=tuple(Gap.model_validate(one) for one in row["gaps"] or ()),
    )


def _limits(row: Mapping[Any, Any]) -> Limits | None:
    if row["execution_id"] is None:
        return None
    return _DEFAULTS if row["kept_limits"] is None else read_limits(row["kept_limits"])


def _progress(row: Mapping[Any, Any]) -> ProgressView | None:
    if row["progress_at"] is None:
        return None
    return ProgressView(percent=row["progress_percent"], text=row["progress_text"], at=row["progress_at"])
