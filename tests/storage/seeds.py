"""Rows that tests start from, one use case each."""

from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from hub.domain.placement import ranked_at
from hub.storage import access, tables
from hub.storage.access import EnrolmentRow, WorkspaceRow
from hub.storage.transaction import Done, NewEvent, Transaction

WORKSPACE = "wsp_one"
OTHER = "wsp_two"
DIGEST = "0" * 64


def workspace(tx: Transaction, workspace_id: str = WORKSPACE) -> Done[None]:
    """A workspace of its own name."""
    row = WorkspaceRow(id=workspace_id, label=workspace_id, name=workspace_id, created_at=tx.now)
    access.insert_workspace(tx, row)
    return Done(None)


def insert(tx: Transaction, table: str, **values: Any) -> Done[None]:
    """One row of any table, in `WORKSPACE` unless told otherwise."""
    made = tables.metadata.tables[table]
    if "workspace_id" in made.columns:
        values.setdefault("workspace_id", WORKSPACE)
    tx.connection.execute(sa.insert(made).values(**values))
    return Done(None)


def work(tx: Transaction) -> Done[None]:
    """Two workspaces; in the first a bot with a build, two runners, an automation and the queued task `tsk_1`."""
    workspace(tx)
    workspace(tx, OTHER)
    now = tx.now
    insert(tx, "bots", id="bot_1", name="invoices", created_at=now)
    insert(tx, "bots", workspace_id=OTHER, id="bot_2", name="foreign", created_at=now)
    build = {"bot_id": "bot_1", "digest": DIGEST, "created_by": "test", "created_at": now}
    insert(tx, "builds", id="bld_1", version="1", state="received", **build)
    for name in ("rnr_1", "rnr_2"):
        runner = {"public_key": "k", "home_id": f"home-{name}", "fingerprint": "f", "labels": {}, "slots": 1}
        insert(tx, "runners", id=name, name=name, state="enrolled", created_at=now, **runner)
    insert(tx, "label_sets", id="lbs_1", needs={}, digest=DIGEST)
    named = {"label": "invoices", "name": "Invoices", "bot_id": "bot_1", "label_set_id": "lbs_1"}
    insert(tx, "automations", id="aut_1", parameters=[], created_at=now, updated_at=now, **named)
    return task(tx, "tsk_1", number=1)


def task(tx: Transaction, task_id: str, *, number: int, **values: Any) -> Done[None]:
    """A task of the automation that `work` made; queued unless told otherwise."""
    row: dict[str, Any] = {"automation_id": "aut_1", "bot_id": "bot_1", "label_set_id": "lbs_1", "parameters": {}}
    row |= {"state": "queued", "created_by": "test", "created_at": tx.now, "updated_at": tx.now} | values
    row.setdefault("ranked_at", ranked_at(row.get("priority", 5), row["created_at"]))
    return insert(tx, "tasks", id=task_id, number=number, **row)


def execution(tx: Transaction, execution_id: str, *, fence: int, **values: Any) -> Done[None]:
    """An execution of `tsk_1` on `rnr_1`; granted unless told otherwise."""
    row: dict[str, Any] = {"task_id": "tsk_1", "runner_id": "rnr_1", "home_id": "home-rnr_1", "build_id": "bld_1"}
    row |= {"build_digest": DIGEST, "state": "granted", "epoch": 1, "slot": 0, "generation": 1}
    row |= {"on_disconnect": "keep", "lost_after_s": 600, "granted_at": tx.now} | values
    return insert(tx, "executions", id=execution_id, fence=fence, **row)


def event(subject: str, **values: Any) -> NewEvent:
    """An event of no meaning."""
    return NewEvent(**{"workspace_id": WORKSPACE, "kind": "test.event", "subject": subject, "actor": "test"} | values)


def happened(tx: Transaction, subject: str) -> Done[str]:
    """Record one event."""
    tx.record(event(subject))
    return Done(subject, [subject])


def enrolment(tx: Transaction, token_hash: str, life_s: float = 600) -> Done[None]:
    """An enrolment token that is good for `life_s`."""
    row = EnrolmentRow(
        workspace_id=WORKSPACE,
        id=tx.new_id("enr"),
        secret_hash=token_hash,
        labels={"site": "north"},
        created_by="test",
        created_at=tx.now,
        expires_at=tx.now + timedelta(seconds=life_s),
    )
    access.insert_enrolment(tx, row)
    return Done(None)


def count(tx: Transaction, table: str) -> int:
    """How many rows a table has."""
    return int(
        tx.connection.execute(sa.select(sa.func.count()).select_from(tables.metadata.tables[table])).scalar_one()
    )
