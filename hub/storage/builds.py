"""Bots, builds, releases, owned blobs. Every function takes the workspace, but for the sweep over unfinished ones."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from agent.wire.words import BuildState
from hub.storage.tables import blobs, bots, builds, releases
from hub.storage.transaction import Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class BotRow:
    """A bot, with the version of the build that is released."""

    id: str
    name: str
    released_build_id: str | None
    released_version: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildRow:
    """A build with its bot's name; `is_released` tells whether it is the one that new executions get."""

    workspace_id: str
    id: str
    bot_id: str
    bot: str
    version: str
    digest: str
    state: str
    kind: str | None
    launch: dict[str, Any] | None
    lock_digest: str | None
    python: str | None
    size_bytes: int
    file_count: int
    problem: str | None
    created_by: str
    created_at: datetime
    ready_at: datetime | None
    is_released: bool


_WORKSPACE: sa.BindParameter[str] = sa.bindparam("workspace")
_NAMED: sa.BindParameter[str] = sa.bindparam("named")

_ALL_BOTS = (
    sa.select(bots.c.id, bots.c.name, bots.c.released_build_id, builds.c.version.label("released_version"))
    .add_columns(bots.c.created_at)
    .join_from(
        bots,
        builds,
        (builds.c.workspace_id == bots.c.workspace_id) & (builds.c.id == bots.c.released_build_id),
        isouter=True,
    )
    .where(bots.c.workspace_id == _WORKSPACE)
)
_BOT = _ALL_BOTS.where(bots.c.name == _NAMED)
_BOT_PAGE = (
    _ALL_BOTS.where(bots.c.name > sa.bindparam("after"))
    .order_by(bots.c.name)
    .limit(sa.bindparam("at_most", type_=sa.Integer()))
)
_INSERT_BOT = {
    "sqlite": sqlite.insert(bots).on_conflict_do_nothing(),
    "postgresql": postgresql.insert(bots).on_conflict_do_nothing(),
}
_EXTRA = {
    "bot": bots.c.name,
    # NULL = id is not false but unknown where a bot has no release yet.
    "is_released": sa.func.coalesce(bots.c.released_build_id == builds.c.id, sa.false()),
}
_COLUMNS = [_EXTRA[name].label(name) if name in _EXTRA else builds.c[name] for name in BuildRow.__slots__]
_ALL_BUILDS = sa.select(*_COLUMNS).join_from(
    builds, bots, (bots.c.workspace_id == builds.c.workspace_id) & (bots.c.id == builds.c.bot_id)
)
_IN_WORKSPACE = _ALL_BUILDS.where(builds.c.workspace_id == _WORKSPACE)
_BUILD = _IN_WORKSPACE.where(builds.c.id == _NAMED)
_BY_VERSION = _IN_WORKSPACE.where(bots.c.name == sa.bindparam("bot"), builds.c.version == sa.bindparam("version"))
_BY_DIGEST = _IN_WORKSPACE.where(builds.c.digest == _NAMED).order_by(builds.c.created_at)
_OF_BOT = (
    _IN_WORKSPACE.where(bots.c.name == _NAMED)
    .order_by(builds.c.created_at.desc(), builds.c.id.desc())
    .limit(sa.bindparam("at_most", type_=sa.Integer()))
)
_UNFINISHED = (
    _ALL_BUILDS.where(
        builds.c.state.in_([BuildState.RECEIVED, BuildState.RESOLVING]),
        builds.c.problem.is_(None),
    )
    .order_by(builds.c.created_at)
    .limit(sa.bindparam("at_most", type_=sa.Integer()))
)
_INSERT_BUILD = {
    "sqlite": sqlite.insert(builds).on_conflict_do_nothing(),
    "postgresql": postgresql.insert(builds).on_conflict_do_nothing(),
}
_UPDATE_BUILD = sa.update(builds).where(
    builds.c.workspace_id == _WORKSPACE,
    builds.c.id == _NAMED,
    builds.c.state.in_(sa.bindparam("states", expanding=True)),
)
_RELEASE = (
    sa.update(bots)
    .where(
        bots.c.workspace_id == _WORKSPACE,
        bots.c.id == sa.bindparam("bot"),
        sa.exists().where(
            builds.c.workspace_id == bots.c.workspace_id,
            builds.c.id == sa.bindparam("build"),
            builds.c.bot_id == bots.c.id,
            builds.c.state == BuildState.READY,
        ),
    )
    .values(released_build_id=sa.bindparam("build"))
)
_OWN_BLOBS = {
    "sqlite": sqlite.insert(blobs).on_conflict_do_nothing(),
    "postgresql": postgresql.insert(blobs).on_conflict_do_nothing(),
}


def bot_named(tx: Transaction, workspace_id: str, name: str) -> BotRow | None:
    """The bot of that name."""
    row = tx.connection.execute(_BOT, {"workspace": workspace_id, "named": name}).mappings().one_or_none()
    return None if row is None else BotRow(**row)


def bot_page(tx: Transaction, workspace_id: str, after: str, limit: int) -> list[BotRow]:
    """Bots in order of name, those behind `after`."""
    values = {"workspace": workspace_id, "after": after, "at_most": limit}
    return [BotRow(**row) for row in tx.connection.execute(_BOT_PAGE, values).mappings()]


def add_bot(tx: Transaction, workspace_id: str, bot_id: str, name: str) -> bool:
    """Add a bot; False when the name is taken."""
    row = {"workspace_id": workspace_id, "id": bot_id, "name": name, "created_at": tx.now}
    return tx.connection.execute(_INSERT_BOT[tx.connection.dialect.name], row).rowcount == 1


def build(tx: Transaction, workspace_id: str, build_id: str) -> BuildRow | None:
    """The build of that id."""
    return _one(tx, _BUILD, {"workspace": workspace_id, "named": build_id})


def build_of_version(tx: Transaction, workspace_id: str, bot: str, version: str) -> BuildRow | None:
    """The bot's build that goes by that version."""
    return _one(tx, _BY_VERSION, {"workspace": workspace_id, "bot": bot, "version": version})


def builds_of_digest(tx: Transaction, workspace_id: str, digest: str) -> list[BuildRow]:
    """Every build of the workspace that is these bytes, oldest first."""
    return _many(tx, _BY_DIGEST, {"workspace": workspace_id, "named": digest})


def builds_of_bot(tx: Transaction, workspace_id: str, bot: str, limit: int) -> list[BuildRow]:
    """The bot's builds, newest first."""
    return _many(tx, _OF_BOT, {"workspace": workspace_id, "named": bot, "at_most": limit})


def unresolved(tx: Transaction, limit: int) -> list[BuildRow]:
    """Builds of all workspaces that this hub should resolve, oldest first; those that wait for a runner are not."""
    return _many(tx, _UNFINISHED, {"at_most": limit})


def add_build(tx: Transaction, workspace_id: str, build_id: str, values: Mapping[str, Any]) -> bool:
    """Add a build; False when its bot has that version already."""
    row = {**values, "workspace_id": workspace_id, "id": build_id, "created_at": tx.now}
    return tx.connection.execute(_INSERT_BUILD[tx.connection.dialect.name], row).rowcount == 1


def move_build(
    tx: Transaction, workspace_id: str, build_id: str, states: Collection[BuildState], values: Mapping[str, Any]
) -> bool:
    """Change a build that is in one of `states`; False when it is not, or is not there."""
    named = {"workspace": workspace_id, "named": build_id, "states": list(states)}
    return tx.connection.execute(_UPDATE_BUILD.values(**values), named).rowcount == 1


def release(tx: Transaction, workspace_id: str, build: BuildRow, by: str) -> bool:
    """Make a ready build the one that new executions get, and write down by whom; False when it is not ready."""
    named = {"workspace": workspace_id, "bot": build.bot_id, "build": build.id}
    if tx.connection.execute(_RELEASE, named).rowcount != 1:
        return False
    row = {
        "workspace_id": workspace_id,
        "id": tx.new_id("rel"),
        "bot_id": build.bot_id,
        "build_id": build.id,
        "released_by": by,
        "released_at": tx.now,
    }
    tx.connection.execute(sa.insert(releases), row)
    return True


def own_blobs(tx: Transaction, workspace_id: str, sizes: Mapping[str, int]) -> None:
    """Note that these blobs (sha256 to bytes), at most some hundred, belong to the workspace; once is enough."""
    rows = [
        {"workspace_id": workspace_id, "sha256": sha256, "size_bytes": size, "created_at": tx.now}
        for sha256, size in sorted(sizes.items())
    ]
    tx.connection.execute(_OWN_BLOBS[tx.connection.dialect.name], rows)


def _one(tx: Transaction, statement: sa.Select[Any], values: Mapping[str, Any]) -> BuildRow | None:
    row = tx.connection.execute(statement, values).mappings().one_or_none()
    return None if row is None else _build(dict(row))


def _many(tx: Transaction, statement: sa.Select[Any], values: Mapping[str, Any]) -> list[BuildRow]:
    return [_build(dict(row)) for row in tx.connection.execute(statement, values).mappings()]


def _build(row: Mapping[str, Any]) -> BuildRow:
    return BuildRow(**{**row, "is_released": bool(row["is_released"])})
