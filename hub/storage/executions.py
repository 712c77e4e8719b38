"""Execution rows and what arrives for them: facts, late reports. Guards stand in the statements."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from hub.storage.direct import Direct
from hub.storage.tables import executions, facts, late_reports, runners, tasks
from hub.storage.transaction import Transaction
from hub.storage.updates import Insert, Update


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionRow:
    """An execution as it stands; the machine's value."""

    workspace_id: str
    id: str
    task_id: str
    runner_id: str
    home_id: str
    build_id: str
    fence: int
    state: str
    epoch: int
    slot: int
    generation: int
    on_disconnect: str
    lost_after_s: int
    granted_at: datetime
    queried_at: datetime | None
    started_at: datetime | None
    ended_at: datetime | None
    settled_at: datetime | None
    exit_code: int | None
    exit_signal: int | None
    exit_reason: str | None
    report: dict[str, Any] | None
    report_seq: int | None
    stop_cause: str | None
    stop_seq: int | None
    stop_asked_at: datetime | None
    stop_asked_cause: str | None
    limits: dict[str, Any] | None
    limits_changed_at: datetime | None
    last_fact: int
    output_bytes: int
    output_sha256: str | None
    output_state: str
    gaps: list[dict[str, Any]] | None


LIVE = ("granted", "running", "ending")
_LIVE = executions.c.state.in_([sa.literal_column(f"'{state}'") for state in LIVE])
_HERE = (executions.c.workspace_id == sa.bindparam("workspace")) & (executions.c.id == sa.bindparam("execution"))
_ROW = sa.select(*(executions.c[name] for name in ExecutionRow.__slots__))
_GET = Direct(_ROW.where(_HERE))
_LOCK = Direct(_ROW.where(_HERE).with_for_update())
_HOLD = (
    sa.update(executions)
    .where(_HERE, _LIVE)
    .values(last_fact=executions.c.last_fact)
    .returning(*(executions.c[name] for name in ExecutionRow.__slots__))
)
_LIVE_OF_TASK = _ROW.where(
    executions.c.workspace_id == sa.bindparam("workspace"), executions.c.task_id == sa.bindparam("task"), _LIVE
)
_OF_RUNNER = (executions.c.workspace_id == sa.bindparam("workspace")) & (
    executions.c.runner_id == sa.bindparam("runner")
)
_LIVE_OF_RUNNER = Direct(_ROW.where(_OF_RUNNER, _LIVE).order_by(executions.c.id))
_MADE = sa.select(sa.func.count()).where(
    executions.c.workspace_id == sa.bindparam("workspace"),
    executions.c.task_id == sa.bindparam("task"),
    executions.c.state != "void",
)
_INSERT = Insert(executions)
_CHANGE = Update(executions, _HERE & (executions.c.state == sa.bindparam("seen")))
_RUNNERS_EPOCH = sa.exists().where(
    runners.c.workspace_id == executions.c.workspace_id,
    runners.c.id == executions.c.runner_id,
    runners.c.session_epoch == sa.bindparam("mine"),
)
_ABSENT = (
    sa.update(executions)
    .where(_HERE, executions.c.state == "granted", executions.c.epoch < sa.bindparam("mine"), _RUNNERS_EPOCH)
    .values(state="void", void_reason="absent", settled_at=sa.bindparam("at"))
)
_INSERT_FACT = Insert(facts)
_INSERT_LATE = sa.insert(late_reports)
_REPORTS = Direct(
    sa.select(facts.c.seq, facts.c.body)
    .where(
        facts.c.workspace_id == sa.bindparam("workspace"),
        facts.c.execution_id == sa.bindparam("execution"),
        facts.c.kind == sa.bindparam("kind"),
        sa.not_(facts.c.late),
    )
    .order_by(facts.c.seq)
)
_LAST_BODY = Direct(
    sa.select(facts.c.body)
    .where(
        facts.c.workspace_id == sa.bindparam("workspace"),
        facts.c.execution_id == sa.bindparam("execution"),
        facts.c.kind == sa.bindparam("kind"),
    )
    .order_by(facts.c.seq.desc())
    .limit(1)
)
_SILENT = (
    sa.select(
        *(executions.c[name] for name in ExecutionRow.__slots__),
        runners.c.session_epoch,
        runners.c.unreachable_since,
        runners.c.home_id.label("runner_home_id"),
        runners.c.hub_id.label("runner_hub_id"),
        runners.c.state.label("runner_state"),
        tasks.c.cancel_requested_at,
        tasks.c.kill_requested_at,
    )
    .join_from(
        executions,
        runners,
        (runners.c.workspace_id == executions.c.workspace_id) & (runners.c.id == executions.c.runner_id),
    )
    .join(tasks, (tasks.c.workspace_id == executions.c.workspace_id) & (tasks.c.id == executions.c.task_id))
    .where(_LIVE)
    .order_by(executions.c.workspace_id, executions.c.id)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveRow:
    """An unsettled execution with what its runner's row says; what the sweeps look at."""

    execution: ExecutionRow
    session_epoch: int | None
    hub_id: str | None
    """The hub that has its runner's session, or had the last one."""
    unreachable_since: datetime | None
    is_home_gone: bool
    """The runner was enrolled again: its home of now is not the one that got the permit."""
    is_revoked: bool
    stop_asked: bool
    is_killed: bool


def get(tx: Transaction, workspace_id: str, execution_id: str, *, lock: bool = False) -> ExecutionRow | None:
    """The execution; with `lock` nobody else changes it before this transaction ends."""
    named = {"workspace": workspace_id, "execution": execution_id}
    row = (_LOCK if lock else _GET).one(tx, named)
    return None if row is None else ExecutionRow(**row)


def hold(tx: Transaction, workspace_id: str, execution_id: str) -> ExecutionRow | None:
    """The execution, locked, for who gives it something; None when it is over.

    For claims. On PostgreSQL a lock alone would not do: a settlement that began before would wait for it, go on with
    what it saw at its beginning, and leave behind what was given meanwhile. The row is written, so that settlement is
    tried again and sees it.
    """
    if not tx.is_sqlite:
        named = {"workspace": workspace_id, "execution": execution_id}
        row = tx.connection.execute(_HOLD, named).mappings().one_or_none()
        return None if row is None else ExecutionRow(**row)
    found = get(tx, workspace_id, execution_id)
    return found if found is not None and found.state in LIVE else None


def live_of_task(tx: Transaction, workspace_id: str, task_id: str) -> ExecutionRow | None:
    """The one execution of a task that has not settled."""
    row = tx.connection.execute(_LIVE_OF_TASK, {"workspace": workspace_id, "task": task_id}).mappings().one_or_none()
    return None if row is None else ExecutionRow(**row)


def live_of_runner(tx: Transaction, workspace_id: str, runner_id: str) -> list[ExecutionRow]:
    """Executions of a runner that have not settled, in order of id."""
    rows = _LIVE_OF_RUNNER.rows(tx, {"workspace": workspace_id, "runner": runner_id})
    return [ExecutionRow(**row) for row in rows]


def live(tx: Transaction) -> list[LiveRow]:
    """Every unsettled execution of the store, for the sweeps (D9)."""
    found = []
    for row in tx.connection.execute(_SILENT).mappings():
        execution = ExecutionRow(**{name: row[name] for name in ExecutionRow.__slots__})
        found.append(
            LiveRow(
                execution=execution,
                session_epoch=row["session_epoch"],
                hub_id=row["runner_hub_id"],
                unreachable_since=row["unreachable_since"],
                is_home_gone=row["runner_home_id"] != execution.home_id,
                is_revoked=row["runner_state"] == "revoked",
                stop_asked=row["cancel_requested_at"] is not None or row["kill_requested_at"] is not None,
                is_killed=row["kill_requested_at"] is not None,
            )
        )
    return found


def made(tx: Transaction, workspace_id: str, task_id: str) -> int:
    """How many executions a task has had, voids not counted."""
    return int(tx.connection.execute(_MADE, {"workspace": workspace_id, "task": task_id}).scalar_one())


def insert(tx: Transaction, values: Mapping[str, Any]) -> None:
    """Add an execution with its permit."""
    _INSERT.run(tx, values)


def change(tx: Transaction, row: ExecutionRow, values: Mapping[str, Any], seen: str | None = None) -> bool:
    """Write `values` if the execution is still in the state that `row` shows, or in `seen` where that is given."""
    named = {"workspace": row.workspace_id, "execution": row.id, "seen": seen or row.state}
    return _CHANGE.run(tx, named, values)


def void_absent(tx: Transaction, row: ExecutionRow, mine: int) -> bool:
    """From granted to void by valid absence, with D8's guard: ``execution.epoch < :mine = runner.session_epoch``."""
    named = {"workspace": row.workspace_id, "execution": row.id, "mine": mine, "at": tx.now}
    return tx.connection.execute(_ABSENT, named).rowcount == 1


def insert_facts(tx: Transaction, workspace_id: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Keep facts for ever."""
    _INSERT_FACT.run_each(tx, [{**row, "workspace_id": workspace_id, "received_at": tx.now} for row in rows])


def bodies(tx: Transaction, workspace_id: str, execution_id: str, kind: str) -> list[tuple[int, dict[str, Any]]]:
    """(seq, body) of the facts of one kind that were in time, in order."""
    named = {"workspace": workspace_id, "execution": execution_id, "kind": kind}
    return [(row["seq"], row["body"]) for row in _REPORTS.rows(tx, named)]


def last_body(tx: Transaction, workspace_id: str, execution_id: str, kind: str) -> dict[str, Any] | None:
    """The newest fact of one kind, late or not."""
    named = {"workspace": workspace_id, "execution": execution_id, "kind": kind}
    found = _LAST_BODY.one(tx, named)
    return None if found is None else found["body"]


def insert_late_report(tx: Transaction, workspace_id: str, execution_id: str, seq: int, body: Mapping[str, Any]) -> str:
    """Keep a report that came too late to count; a person may accept it. Returns its id."""
    late_id = tx.new_id("lrp")
    row = {"workspace_id": workspace_id, "id": late_id, "execution_id": execution_id, "seq": seq, "body": dict(body)}
    tx.connection.execute(_INSERT_LATE, {**row, "received_at": tx.now})
    return late_id
