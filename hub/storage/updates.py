"""INSERT statements, and UPDATE statements with a fixed guard, of varying columns, each set of columns built once.

SQLAlchemy takes longer to build a statement than to run it (libraries.md, the database pattern, 1): 0.8 against 0.2 ms.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from hub.storage.direct import Direct, insertion
from hub.storage.transaction import Transaction

_NEW = "new_"
"""Before the name of a bound value: a bind parameter may not be called like a column of an UPDATE."""


class Insert:
    """The inserts of one table; each set of columns is built once."""

    def __init__(self, table: sa.Table) -> None:
        self._table = table
        self._built: dict[tuple[str, ...], Direct] = {}

    def run(self, tx: Transaction, row: Mapping[str, Any]) -> None:
        """Insert one row; columns that it does not name get what the schema says."""
        self.run_each(tx, [row])

    def run_each(self, tx: Transaction, rows: Sequence[Mapping[str, Any]]) -> None:
        """Insert rows that all name the same columns."""
        columns = tuple(rows[0])
        statement = self._built.get(columns)
        if statement is None:
            statement = self._built[columns] = insertion(self._table, *columns)
        if len(rows) == 1:
            statement.run(tx, rows[0])
        else:
            statement.run_each(tx, rows)


class Update:
    """The updates of one table under one guard. `also` are columns that every one of them sets."""

    def __init__(self, table: sa.Table, guard: sa.ColumnElement[bool], **also: Any) -> None:
        self._table = table
        self._guard = guard
        self._also = also
        self._built: dict[tuple[str, ...], Direct] = {}

    def run(self, tx: Transaction, named: Mapping[str, Any], values: Mapping[str, Any]) -> bool:
        """Set `values` where the guard, with its parameters `named`, holds; whether one row was changed."""
        columns = tuple(values)
        statement = self._built.get(columns)
        if statement is None:
            statement = self._built[columns] = Direct(self._build(columns))
        bound = {_NEW + name: value for name, value in values.items()}
        return statement.run(tx, {**named, **bound}) == 1

    def _build(self, columns: tuple[str, ...]) -> sa.Update:
        values = {name: sa.bindparam(_NEW + name, type_=self._table.c[name].type) for name in columns}
        return sa.update(self._table).where(self._guard).values({**values, **self._also})
