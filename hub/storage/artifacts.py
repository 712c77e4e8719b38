"""Artifact rows: which stored file belongs to which task, under which name. The bytes are blobs (`blobs/`)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import sqlalchemy as sa

from hub.storage import owned_blobs
from hub.storage.counters import take_number
from hub.storage.tables import artifacts, executions, facts
from hub.storage.transaction import Transaction

_NUMBERS = "artifact"


@dataclass(frozen=True, slots=True, kw_only=True)
class ArtifactRow:
    """One file of a task; `id` is a small integer of the workspace (BotCity's)."""

    id: int
    task_id: str
    task_number: int
    execution_id: str | None
    name: str
    sha256: str
    size_bytes: int
    content_type: str
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Attached:
    """What became of a file: its number, None where its bytes are not the workspace's."""

    id: int | None
    how: Literal["attached", "replaced", "missing"]
    """Replaced: an older one of that name made room for it."""


_ALL = sa.select(*(artifacts.c[name] for name in ArtifactRow.__slots__)).where(
    artifacts.c.workspace_id == sa.bindparam("workspace")
)
_OF_TASK = _ALL.where(
    artifacts.c.task_number == sa.bindparam("number"), artifacts.c.task_id == sa.bindparam("task")
).order_by(artifacts.c.id)
_ONE = _ALL.where(artifacts.c.id == sa.bindparam("named"))
_SAME_NAME = (
    sa.select(artifacts.c.id)
    .where(
        artifacts.c.workspace_id == sa.bindparam("workspace"),
        artifacts.c.task_number == sa.bindparam("number"),
        artifacts.c.execution_id == sa.bindparam("execution"),
        artifacts.c.name == sa.bindparam("named"),
    )
    .order_by(artifacts.c.id.desc())
    .limit(1)
)
_INSERT = sa.insert(artifacts)
_REPLACE = sa.update(artifacts).where(
    artifacts.c.workspace_id == sa.bindparam("workspace"), artifacts.c.id == sa.bindparam("named")
)
_LEFT_OUT = (
    sa.select(facts.c.execution_id, facts.c.body)
    .join_from(
        facts,
        executions,
        (executions.c.workspace_id == facts.c.workspace_id) & (executions.c.id == facts.c.execution_id),
    )
    .where(
        facts.c.workspace_id == sa.bindparam("workspace"),
        executions.c.task_id == sa.bindparam("task"),
        facts.c.kind == "final",
    )
    .order_by(facts.c.execution_id)
)


def attach(tx: Transaction, workspace_id: str, values: Mapping[str, Any]) -> Attached:
    """Attach a stored blob to a task under a name; of one execution the newest file of a name is the one that counts.

    `values` are the row's members but for number, size and time. Bytes that the workspace does not own are not
    attached, whatever a runner says: they may be there, and another's (S35).
    """
    size = owned_blobs.size(tx, workspace_id, values["sha256"])
    if size is None:
        return Attached(id=None, how="missing")
    values = {**values, "size_bytes": size}
    named = {
        "workspace": workspace_id,
        "number": values["task_number"],
        "execution": values["execution_id"],
        "named": values["name"],
    }
    known = tx.connection.execute(_SAME_NAME, named).scalar_one_or_none()
    if known is not None:
        changed = {name: values[name] for name in ("sha256", "size_bytes", "content_type")}
        statement = _REPLACE.values(**changed, created_at=tx.now)
        tx.connection.execute(statement, {"workspace": workspace_id, "named": known})
        return Attached(id=known, how="replaced")
    number = take_number(tx, workspace_id, _NUMBERS)
    tx.connection.execute(_INSERT, {**values, "id": number, "workspace_id": workspace_id, "created_at": tx.now})
    return Attached(id=number, how="attached")


def of_task(tx: Transaction, workspace_id: str, task_id: str, number: int) -> list[ArtifactRow]:
    """The files of one round of a task, in the order in which their names first came."""
    rows = tx.connection.execute(_OF_TASK, {"workspace": workspace_id, "task": task_id, "number": number}).mappings()
    return [ArtifactRow(**row) for row in rows]


def get(tx: Transaction, workspace_id: str, artifact_id: int) -> ArtifactRow | None:
    """The file of that number."""
    row = tx.connection.execute(_ONE, {"workspace": workspace_id, "named": artifact_id}).mappings().one_or_none()
    return None if row is None else ArtifactRow(**row)


def left_out(tx: Transaction, workspace_id: str, task_id: str) -> list[tuple[str, str]]:
    """(execution, file and reason) of all that a task's bots left behind and that was not brought here."""
    rows = tx.connection.execute(_LEFT_OUT, {"workspace": workspace_id, "task": task_id})
    return [(execution_id, text) for execution_id, body in rows for text in body.get("left_out", ())]
