"""Integers handed out one by one inside a workspace: task numbers, artifact ids."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from hub.storage.direct import Direct
from hub.storage.tables import counters
from hub.storage.transaction import Transaction


def _take(insert: Any) -> Any:
    return (
        insert.values(workspace_id=sa.bindparam("workspace"), name=sa.bindparam("counter"), value=1)
        .on_conflict_do_update(
            index_elements=[counters.c.workspace_id, counters.c.name], set_={"value": counters.c.value + 1}
        )
        .returning(counters.c.value)
    )


_TAKE = {"sqlite": Direct(_take(sqlite.insert(counters))), "postgresql": Direct(_take(postgresql.insert(counters)))}


def take_number(tx: Transaction, workspace_id: str, counter: str) -> int:
    """Return the counter's next value, from 1.

    The row stays locked until the transaction ends, so nobody gets a value twice; one that rolls back gives its value
    back.
    """
    values = {"workspace": workspace_id, "counter": counter}
    (row,) = _TAKE[tx.connection.dialect.name].rows(tx, values)
    return int(row["value"])
