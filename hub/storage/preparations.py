"""Which builds a runner should have, and how far they have come there: desired state and its progress (core.md §1)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from agent.wire.words import BuildState, PreparationState
from hub.domain.placement import labels_of
from hub.storage.direct import Direct
from hub.storage.tables import automations, bots, builds, label_sets, preparations, runners
from hub.storage.transaction import Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparationRow:
    """How far a build has come on one runner."""

    runner_id: str
    runner: str
    build_id: str
    state: PreparationState
    progress: float
    message: str
    permanent: bool
    updated_at: datetime
    is_connected: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedBuild:
    """A build that runners which meet one of `needs` should have; `resolve`: its requirement list is wanted first."""

    build_id: str
    bot_id: str
    bot: str
    version: str
    digest: str
    launch: dict[str, Any]
    lock_digest: str | None
    resolve: bool
    needs: tuple[Mapping[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectedRunner:
    """A runner that has a session and may get work."""

    id: str
    labels: Mapping[str, str]
    condition: Mapping[str, Any] | None = None
    """What it told of its desktops and applications last."""


_WORKSPACE: sa.BindParameter[str] = sa.bindparam("workspace")
_ROW = {
    "runner": runners.c.name,
    "message": sa.func.coalesce(preparations.c.message, ""),
    "is_connected": runners.c.session_epoch.is_not(None),
}
_COLUMNS = [_ROW[name].label(name) if name in _ROW else preparations.c[name] for name in PreparationRow.__slots__]
_OF_BUILD = Direct(
    sa.select(*_COLUMNS)
    .join_from(
        preparations,
        runners,
        (runners.c.workspace_id == preparations.c.workspace_id) & (runners.c.id == preparations.c.runner_id),
    )
    .where(preparations.c.workspace_id == _WORKSPACE, preparations.c.build_id == sa.bindparam("build"))
    .order_by(runners.c.name)
)
_PROVEN = (
    sa.select(builds.c.bot_id)
    .join_from(
        preparations,
        builds,
        (builds.c.workspace_id == preparations.c.workspace_id) & (builds.c.id == preparations.c.build_id),
    )
    .where(
        preparations.c.workspace_id == _WORKSPACE,
        preparations.c.runner_id == sa.bindparam("runner"),
        preparations.c.succeeded_at.is_not(None),
    )
    .distinct()
)
_SUCCEEDED = Direct(
    sa.update(preparations)
    .where(
        preparations.c.workspace_id == _WORKSPACE,
        preparations.c.runner_id == sa.bindparam("runner"),
        preparations.c.build_id == sa.bindparam("build"),
        preparations.c.succeeded_at.is_(None),
    )
    .values(succeeded_at=sa.bindparam("at"))
)
_OF_RUNNER = Direct(
    sa.select(preparations.c.build_id)
    .where(
        preparations.c.workspace_id == _WORKSPACE,
        preparations.c.runner_id == sa.bindparam("runner"),
        preparations.c.state == PreparationState.PREPARED,
    )
    .order_by(preparations.c.build_id)
)
_STATE = sa.select(preparations.c.state).where(
    preparations.c.workspace_id == _WORKSPACE,
    preparations.c.runner_id == sa.bindparam("runner"),
    preparations.c.build_id == sa.bindparam("build"),
)
_FAILED_FOR_GOOD = sa.select(preparations.c.runner_id).where(
    preparations.c.workspace_id == _WORKSPACE,
    preparations.c.build_id == sa.bindparam("build"),
    preparations.c.state == PreparationState.FAILED,
    preparations.c.permanent.is_(sa.true()),
)
_KEY = ("workspace_id", "runner_id", "build_id")
_CHANGED = ("state", "progress", "message", "permanent", "updated_at")
_INSERT_LITE, _INSERT_PG = sqlite.insert(preparations), postgresql.insert(preparations)
_PUT = {
    "sqlite": _INSERT_LITE.on_conflict_do_update(
        index_elements=_KEY, set_={name: _INSERT_LITE.excluded[name] for name in _CHANGED}
    ),
    "postgresql": _INSERT_PG.on_conflict_do_update(
        index_elements=_KEY, set_={name: _INSERT_PG.excluded[name] for name in _CHANGED}
    ),
}
_NOT_ANY_MORE = (
    sa.update(preparations)
    .where(
        preparations.c.workspace_id == _WORKSPACE,
        preparations.c.runner_id == sa.bindparam("runner"),
        preparations.c.state == PreparationState.PREPARED,
        preparations.c.build_id.not_in(sa.bindparam("kept", expanding=True)),
    )
    .values(state=PreparationState.WANTED, progress=0.0, updated_at=sa.bindparam("now"))
)
_FORGET = sa.delete(preparations).where(
    preparations.c.workspace_id == _WORKSPACE, preparations.c.build_id == sa.bindparam("build")
)
_NEEDS_OF_BOTS = (
    sa.select(automations.c.bot_id, label_sets.c.needs)
    .join_from(
        automations,
        label_sets,
        (label_sets.c.workspace_id == automations.c.workspace_id) & (label_sets.c.id == automations.c.label_set_id),
    )
    .where(automations.c.workspace_id == _WORKSPACE)
)
_WANTED = (
    sa.select(
        builds.c.id,
        builds.c.bot_id,
        bots.c.name,
        builds.c.version,
        builds.c.digest,
        builds.c.launch,
        builds.c.lock_digest,
        builds.c.state,
    )
    .join_from(bots, builds, (builds.c.workspace_id == bots.c.workspace_id) & (builds.c.bot_id == bots.c.id))
    .where(
        bots.c.workspace_id == _WORKSPACE,
        ((builds.c.id == bots.c.released_build_id) & (builds.c.state == BuildState.READY))
        | ((builds.c.state == BuildState.RESOLVING) & builds.c.problem.is_not(None)),
    )
    .order_by(builds.c.created_at, builds.c.id)
)
_LINKED = sa.select(runners.c.id, runners.c.name, runners.c.labels, runners.c.condition).where(
    runners.c.workspace_id == _WORKSPACE,
    runners.c.state == "enrolled",
    runners.c.session_epoch.is_not(None),
    runners.c.quarantined_at.is_(None),
)
_CONNECTED = _LINKED.order_by(runners.c.id)
_ONE_CONNECTED = Direct(_LINKED.where(runners.c.id == sa.bindparam("runner")))


def of_build(tx: Transaction, workspace_id: str, build_id: str) -> list[PreparationRow]:
    """How far the build has come on each runner that told, by the runners' names."""
    rows = _OF_BUILD.rows(tx, {"workspace": workspace_id, "build": build_id})
    return [PreparationRow(**{**row, "state": PreparationState(row["state"])}) for row in rows]


def state_on(tx: Transaction, workspace_id: str, runner_id: str, build_id: str) -> PreparationState | None:
    """What this runner said of the build last; None before it said anything."""
    named = {"workspace": workspace_id, "runner": runner_id, "build": build_id}
    found = tx.connection.execute(_STATE, named).scalar()
    return None if found is None else PreparationState(found)


def prepared_on(tx: Transaction, workspace_id: str, runner_id: str) -> list[str]:
    """Ids of the builds that this runner said are prepared on it."""
    rows = _OF_RUNNER.rows(tx, {"workspace": workspace_id, "runner": runner_id})
    return [row["build_id"] for row in rows]


def failed_for_good(tx: Transaction, workspace_id: str, build_id: str) -> frozenset[str]:
    """Runners that can't prepare this build and said that trying again is useless."""
    named = {"workspace": workspace_id, "build": build_id}
    return frozenset(tx.connection.execute(_FAILED_FOR_GOOD, named).scalars())


def put(tx: Transaction, workspace_id: str, runner_id: str, build_id: str, values: Mapping[str, Any]) -> None:
    """Write down what a runner said of a build, whether it said something before or not."""
    row = {**values, "workspace_id": workspace_id, "runner_id": runner_id, "build_id": build_id, "updated_at": tx.now}
    tx.connection.execute(_PUT[tx.connection.dialect.name], row)


def keep_prepared(tx: Transaction, workspace_id: str, runner_id: str, build_ids: Sequence[str]) -> None:
    """Believe a runner's inventory: what it does not name is not prepared there any more."""
    if set(prepared_on(tx, workspace_id, runner_id)) <= set(build_ids):
        return  # as nearly always; 2,000 may come back at once
    named = {"workspace": workspace_id, "runner": runner_id, "kept": list(build_ids), "now": tx.now}
    tx.connection.execute(_NOT_ANY_MORE, named)


def forget(tx: Transaction, workspace_id: str, build_id: str) -> None:
    """Drop what all runners said of a build."""
    tx.connection.execute(_FORGET, {"workspace": workspace_id, "build": build_id})


def wanted(tx: Transaction, workspace_id: str) -> list[WantedBuild]:
    """Builds that some runner should have: released ones, and those whose requirements a runner has to resolve."""
    needs: dict[str, list[Mapping[str, str]]] = {}
    for bot_id, of_bot in tx.connection.execute(_NEEDS_OF_BOTS, {"workspace": workspace_id}):
        needs.setdefault(bot_id, []).append(of_bot)
    return [
        WantedBuild(
            build_id=build_id,
            bot_id=bot_id,
            bot=bot,
            version=version,
            digest=digest,
            launch=launch,
            lock_digest=lock_digest,
            resolve=state == BuildState.RESOLVING,
            needs=tuple(needs.get(bot_id, ())),
        )
        for build_id, bot_id, bot, version, digest, launch, lock_digest, state in tx.connection.execute(
            _WANTED, {"workspace": workspace_id}
        )
    ]


def connected_one(tx: Transaction, workspace_id: str, runner_id: str) -> ConnectedRunner | None:
    """This runner, if it has a session now."""
    row = _ONE_CONNECTED.one(tx, {"workspace": workspace_id, "runner": runner_id})
    return None if row is None else _connected_runner(**row)


def connected(tx: Transaction, workspace_id: str) -> list[ConnectedRunner]:
    """Runners of the workspace that have a session now, in order of id."""
    rows = tx.connection.execute(_CONNECTED, {"workspace": workspace_id})
    return [_connected_runner(*row) for row in rows]


def _connected_runner(
    id: str,  # noqa: A002 - columns
    name: str,
    labels: dict[str, str],
    condition: dict[str, Any] | None,
) -> ConnectedRunner:
    return ConnectedRunner(id=id, labels=labels_of(name, labels), condition=condition)


def succeeded(tx: Transaction, workspace_id: str, runner_id: str, build_id: str) -> bool:
    """A build has done its work on a runner; True when that was the first time."""
    named = {"workspace": workspace_id, "runner": runner_id, "build": build_id, "at": tx.now}
    return _SUCCEEDED.run(tx, named) == 1


def proven(tx: Transaction, workspace_id: str, runner_id: str) -> list[str]:
    """Bots of which a build has succeeded on a runner."""
    return list(tx.connection.execute(_PROVEN, {"workspace": workspace_id, "runner": runner_id}).scalars())
