"""Runner rows and their sessions (core.md D5, D8). Every write for a session is guarded by its epoch."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from hub.storage.direct import Direct, insertion
from hub.storage.tables import enrolment_tokens, runner_sessions, runners, workspaces
from hub.storage.transaction import Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class RunnerRow:
    """An enrolled runner."""

    workspace_id: str
    id: str
    name: str
    public_key: str
    home_id: str
    fingerprint: str
    labels: dict[str, str]
    slots: int
    state: str
    draining: bool
    drain_reason: str | None
    drained_by: str | None
    drained_at: datetime | None
    session_epoch: int | None
    last_epoch: int
    hub_id: str | None
    join_counter: int
    boot_id: str | None
    unreachable_since: datetime | None
    quarantined_at: datetime | None
    quarantine_reason: str | None
    benched_at: datetime | None
    """Since when it gets no work because its machine failed again and again."""
    failed_in_a_row: int
    failing: dict[str, Any] | None
    agent_version: str | None
    platform: dict[str, str] | None
    condition: dict[str, Any] | None
    """As it told it last (`hub.domain.condition.read`)."""
    condition_at: datetime | None
    """When it came to be so."""
    connected_at: datetime | None
    last_seen_at: datetime | None
    revoked_at: datetime | None
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrolmentToken:
    """An enrolment token that was used up just now."""

    workspace_id: str
    workspace: str
    id: str
    name: str | None
    labels: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What is known of a runner's condition."""

    name: str
    slots: int
    condition: dict[str, Any] | None
    faults_told: list[list[Any]] | None
    """What was wrong as anybody was told last, by another version too (`hub.domain.condition.fault_list`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a session ended."""

    since: datetime
    """When its last byte came."""
    why: str


_HERE = (runners.c.workspace_id == sa.bindparam("workspace")) & (runners.c.id == sa.bindparam("runner"))
_ROW = sa.select(*(runners.c[name] for name in RunnerRow.__slots__))
_GET = Direct(_ROW.where(_HERE))
_LOCK = Direct(_ROW.where(_HERE).with_for_update())
_ANYWHERE = Direct(_ROW.where(runners.c.id == sa.bindparam("runner")))
_NAMED = _ROW.where(runners.c.workspace_id == sa.bindparam("workspace"), runners.c.name == sa.bindparam("named"))
_PAGE = (
    _ROW.where(runners.c.workspace_id == sa.bindparam("workspace"), runners.c.name > sa.bindparam("after"))
    .order_by(runners.c.name)
    .limit(sa.bindparam("at_most", type_=sa.Integer()))
)
_HOLDS = sa.select(runners.c.home_id, runners.c.name).where(_HERE, runners.c.session_epoch == sa.bindparam("mine"))
_HOLDS_SESSION = Direct(_HOLDS.with_for_update(read=True))
_INSERT = {
    "sqlite": sqlite.insert(runners).on_conflict_do_nothing(),
    "postgresql": postgresql.insert(runners).on_conflict_do_nothing(),
}
_OPEN = Direct(
    sa.update(runners)
    .where(
        _HERE,
        runners.c.state == "enrolled",
        runners.c.quarantined_at.is_(None),
        runners.c.join_counter < sa.bindparam("joined"),
    )
    .values(
        last_epoch=sa.case(
            (runners.c.last_epoch > sa.bindparam("known"), runners.c.last_epoch), else_=sa.bindparam("known")
        )
        + 1,
        session_epoch=sa.case(
            (runners.c.last_epoch > sa.bindparam("known"), runners.c.last_epoch), else_=sa.bindparam("known")
        )
        + 1,
        hub_id=sa.bindparam("hub"),
        join_counter=sa.bindparam("joined"),
        boot_id=sa.bindparam("boot"),
        agent_version=sa.bindparam("version"),
        # What another version found is not known of this one, which may have no eyes for it. `faults_told` stays: who
        # was told that it is unfit is told when it is fit.
        condition=sa.case(
            (runners.c.agent_version.is_not_distinct_from(sa.bindparam("version")), runners.c.condition), else_=None
        ),
        platform=sa.bindparam("machine", type_=runners.c.platform.type),
        slots=sa.bindparam("width"),
        unreachable_since=None,
        connected_at=sa.bindparam("at"),
        last_seen_at=sa.bindparam("at"),
    )
    .returning(runners.c.session_epoch)
)
_CONDITION = Direct(
    sa.select(runners.c.name, runners.c.slots, runners.c.condition, runners.c.faults_told).where(
        _HERE, runners.c.session_epoch == sa.bindparam("mine")
    )
)
_TOLD = (
    sa.update(runners)
    .where(_HERE, runners.c.session_epoch == sa.bindparam("mine"))
    .values(
        condition=sa.bindparam("told", type_=runners.c.condition.type),
        faults_told=sa.bindparam("wrong", type_=runners.c.faults_told.type),
        condition_at=sa.bindparam("at", type_=runners.c.condition_at.type),
    )
)
_INSERT_SESSION = insertion(runner_sessions, "workspace_id", "runner_id", "epoch", "home_id", "hub_id", "opened_at")
_CLOSE = (
    sa.update(runners)
    .where(_HERE, runners.c.session_epoch == sa.bindparam("mine"))
    .values(session_epoch=None, unreachable_since=sa.bindparam("heard"), last_seen_at=sa.bindparam("heard"))
)
_CLOSE_SESSION = (
    sa.update(runner_sessions)
    .where(
        runner_sessions.c.workspace_id == sa.bindparam("workspace"),
        runner_sessions.c.runner_id == sa.bindparam("runner"),
        runner_sessions.c.epoch == sa.bindparam("mine"),
        runner_sessions.c.closed_at.is_(None),
    )
    .values(closed_at=sa.bindparam("at"), close_reason=sa.bindparam("why"))
)
_OPEN_AT_HUB = sa.select(runners.c.workspace_id, runners.c.id, runners.c.session_epoch).where(
    runners.c.hub_id == sa.bindparam("hub"), runners.c.session_epoch.is_not(None)
)
_OPEN_ANYWHERE = sa.select(runners.c.id, runners.c.session_epoch).where(runners.c.session_epoch.is_not(None))
_FAILING = sa.select(runners.c.workspace_id, runners.c.id).where(
    runners.c.state == "enrolled",
    runners.c.benched_at.is_(None),
    runners.c.failed_in_a_row >= sa.bindparam("threshold", type_=sa.Integer()),
)
_USE_TOKEN = (
    sa.update(enrolment_tokens)
    .where(
        enrolment_tokens.c.secret_hash == sa.bindparam("known"),
        enrolment_tokens.c.used_at.is_(None),
        enrolment_tokens.c.expires_at > sa.bindparam("at"),
    )
    .values(used_at=sa.bindparam("at"), used_by=sa.bindparam("runner"))
    .returning(
        enrolment_tokens.c.workspace_id, enrolment_tokens.c.id, enrolment_tokens.c.name, enrolment_tokens.c.labels
    )
)
_WORKSPACE = Direct(sa.select(workspaces.c.label).where(workspaces.c.id == sa.bindparam("workspace")))


def get(tx: Transaction, workspace_id: str, runner_id: str, *, lock: bool = False) -> RunnerRow | None:
    """The runner; with `lock` nobody else changes it before this transaction ends."""
    row = (_LOCK if lock else _GET).one(tx, {"workspace": workspace_id, "runner": runner_id})
    return None if row is None else RunnerRow(**row)


def find(tx: Transaction, runner_id: str) -> RunnerRow | None:
    """The runner of that id in any workspace: for the handshake, where its key says whose it is."""
    row = _ANYWHERE.one(tx, {"runner": runner_id})
    return None if row is None else RunnerRow(**row)


def named(tx: Transaction, workspace_id: str, name: str) -> RunnerRow | None:
    """The runner of that name."""
    return _one(tx, _NAMED, {"workspace": workspace_id, "named": name})


def page(tx: Transaction, workspace_id: str, after: str, limit: int) -> list[RunnerRow]:
    """Runners in order of name, those behind the name `after`; revoked ones too."""
    rows = tx.connection.execute(_PAGE, {"workspace": workspace_id, "after": after, "at_most": limit})
    return [RunnerRow(**row) for row in rows.mappings()]


def holds_session(tx: Transaction, workspace_id: str, runner_id: str, epoch: int) -> tuple[str, str] | None:
    """(home id, name), while the runner's session has this epoch: the guard of every write for a runner (P2)."""
    values = {"workspace": workspace_id, "runner": runner_id, "mine": epoch}
    row = _HOLDS_SESSION.one(tx, values)
    return None if row is None else (row["home_id"], row["name"])


def insert(tx: Transaction, workspace_id: str, runner_id: str, values: Mapping[str, Any]) -> bool:
    """Add a runner; False when its name is taken."""
    row = {**values, "workspace_id": workspace_id, "id": runner_id, "created_at": tx.now}
    return tx.connection.execute(_INSERT[tx.connection.dialect.name], row).rowcount == 1


def open_session(tx: Transaction, workspace_id: str, runner_id: str, values: Mapping[str, Any]) -> int | None:
    """Allot the next epoch; None when the guard fails: revoked, quarantined, or the join counter did not grow (D8).

    The epoch is also above the last one that the home knows, so that a restored database never repeats one.
    """
    named_row = {"workspace": workspace_id, "runner": runner_id, "at": tx.now, **values}
    opened = _OPEN.one(tx, named_row)
    return None if opened is None else int(opened["session_epoch"])


def condition(tx: Transaction, workspace_id: str, runner_id: str, epoch: int) -> Told | None:
    """How a runner is as it told last; None when this is not its session any more."""
    row = _CONDITION.one(tx, {"workspace": workspace_id, "runner": runner_id, "mine": epoch})
    return None if row is None else Told(**row)


def put_condition(tx: Transaction, key: tuple[str, str, int], told: Mapping[str, Any], wrong: list[list[Any]]) -> bool:
    """Keep how a runner is and what is wrong with it; False when the session of `key` is not its own any more."""
    workspace_id, runner_id, epoch = key
    whose = {"workspace": workspace_id, "runner": runner_id, "mine": epoch}
    return tx.connection.execute(_TOLD, {**whose, "told": told, "wrong": wrong, "at": tx.now}).rowcount == 1


def insert_session(tx: Transaction, workspace_id: str, values: Mapping[str, Any]) -> None:
    """Note that a hub welcomed this connection."""
    _INSERT_SESSION.run(tx, {**values, "workspace_id": workspace_id, "opened_at": tx.now})


def close_session(tx: Transaction, workspace_id: str, runner_id: str, epoch: int, ended: Ended) -> bool:
    """End a session: its runner is unreachable. False when it is not the runner's session any more."""
    values = {"workspace": workspace_id, "runner": runner_id, "mine": epoch}
    tx.connection.execute(_CLOSE_SESSION, {**values, "why": ended.why, "at": tx.now})
    return tx.connection.execute(_CLOSE, {**values, "heard": ended.since}).rowcount == 1


def open_at(tx: Transaction, hub_id: str) -> list[tuple[str, str, int]]:
    """(workspace, runner, epoch) of the sessions that a hub has, or had when it died."""
    return [(row[0], row[1], row[2]) for row in tx.connection.execute(_OPEN_AT_HUB, {"hub": hub_id})]


def open_sessions(tx: Transaction) -> list[tuple[str, int]]:
    """(runner, epoch) of every session that is open, at whichever hub."""
    return [(str(row[0]), int(row[1])) for row in tx.connection.execute(_OPEN_ANYWHERE)]


def change(tx: Transaction, workspace_id: str, runner_id: str, values: Mapping[str, Any]) -> bool:
    """Write columns of a runner that is not revoked."""
    statement = sa.update(runners).where(_HERE, runners.c.state == "enrolled").values(**values)
    return tx.connection.execute(statement, {"workspace": workspace_id, "runner": runner_id}).rowcount == 1


def failing(tx: Transaction, threshold: int) -> list[tuple[str, str]]:
    """(workspace, runner) of those that failed so often in a row, and get work."""
    return [(str(row[0]), str(row[1])) for row in tx.connection.execute(_FAILING, {"threshold": threshold})]


def rename_revoked(tx: Transaction, workspace_id: str, runner_id: str, name: str) -> None:
    """Take its name from a revoked runner."""
    statement = sa.update(runners).where(_HERE, runners.c.state == "revoked").values(name=name)
    tx.connection.execute(statement, {"workspace": workspace_id, "runner": runner_id})


def use_token(tx: Transaction, secret_hash: str, runner_id: str) -> EnrolmentToken | None:
    """Use up an enrolment token: one guarded UPDATE, so that of two users one gets it (S1)."""
    values = {"known": secret_hash, "runner": runner_id, "at": tx.now}
    row = tx.connection.execute(_USE_TOKEN, values).mappings().one_or_none()
    if row is None:
        return None
    return EnrolmentToken(**row, workspace=workspace_label(tx, row["workspace_id"]))


def workspace_label(tx: Transaction, workspace_id: str) -> str:
    """The label of a workspace."""
    found = _WORKSPACE.one(tx, {"workspace": workspace_id})
    assert found is not None
    return str(found["label"])


def _one(tx: Transaction, statement: sa.Select[Any], values: dict[str, Any]) -> RunnerRow | None:
    row = tx.connection.execute(statement, values).mappings().one_or_none()
    return None if row is None else RunnerRow(**row)
