"""Which blobs a workspace owns: the bytes are shared by content, the right to read them never is (S35)."""

import sqlalchemy as sa

from hub.storage.tables import blobs
from hub.storage.transaction import Transaction

_SIZE = sa.select(blobs.c.size_bytes).where(
    blobs.c.workspace_id == sa.bindparam("workspace"), blobs.c.sha256 == sa.bindparam("named")
)


def size(tx: Transaction, workspace_id: str, sha256: str) -> int | None:
    """Bytes of a blob that the workspace owns, None for any other."""
    found: int | None = tx.connection.execute(_SIZE, {"workspace": workspace_id, "named": sha256}).scalar_one_or_none()
    return found
