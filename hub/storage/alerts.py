"""Alerts: what a person should look at. One open alert per kind and subject, until it is resolved."""

import sqlalchemy as sa

from hub.storage.direct import Direct
from hub.storage.tables import alerts
from hub.storage.transaction import Transaction

_SAME = (
    (alerts.c.workspace_id == sa.bindparam("workspace"))
    & (alerts.c.kind == sa.bindparam("about"))
    & (alerts.c.subject == sa.bindparam("of"))
    & alerts.c.resolved_at.is_(None)
)
_OPEN = sa.select(alerts.c.id).where(_SAME).limit(1)
_RESOLVE = Direct(sa.update(alerts).where(_SAME).values(resolved_at=sa.bindparam("moment")))
_INSERT = sa.insert(alerts)


def raise_alert(tx: Transaction, workspace_id: str, kind: str, subject: str, message: str) -> bool:
    """Open an alert; False when the same one is open already."""
    if is_open(tx, workspace_id, kind, subject):
        return False
    row = {"workspace_id": workspace_id, "id": tx.new_id("alr"), "at": tx.now, "kind": kind, "subject": subject}
    tx.connection.execute(_INSERT, {**row, "message": message})
    return True


def is_open(tx: Transaction, workspace_id: str, kind: str, subject: str) -> bool:
    """Whether there is an open alert of this kind."""
    named = {"workspace": workspace_id, "about": kind, "of": subject}
    return tx.connection.execute(_OPEN, named).first() is not None


def resolve(tx: Transaction, workspace_id: str, kind: str, subject: str) -> bool:
    """Close the open alert of this kind; False when there is none."""
    named = {"workspace": workspace_id, "about": kind, "of": subject, "moment": tx.now}
    return _RESOLVE.run(tx, named) > 0
