"""Statements on their shortest way: on SQLite past SQLAlchemy's execution, which takes 0.27 ms CPU for each of them.

Made once at import, like every statement (libraries.md, the database pattern, 1 and 5). Types go through their own
processors both ways; PostgreSQL runs the same statement as ever. For the hottest statements only: an error is the
driver's own here (`hub.storage.sqlite.connection.error_code` reads both).
"""

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.sql.compiler import SQLCompiler

from hub.storage.transaction import Transaction

_Processor = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class _Form:
    """A statement as SQLite's driver takes it."""

    text: str
    binds: Sequence[tuple[str, _Processor | None]]
    """Parameters in their order."""
    fixed: Mapping[str, Any]
    """Parameters that the statement brings itself."""
    names: Sequence[str]
    converted: Sequence[tuple[str, _Processor]]
    """Columns that are not what the driver says."""


class Direct:
    """One SELECT or UPDATE with fixed columns."""

    def __init__(self, statement: sa.Select[Any] | sa.Update) -> None:
        self._statement = statement
        self._form: _Form | None = None

    def one(self, tx: Transaction, values: Mapping[str, Any]) -> dict[str, Any] | None:
        """The one row of a SELECT, or None. Raises MultipleResultsFound for a second one."""
        rows = self.rows(tx, values)
        if len(rows) > 1:
            raise sa.exc.MultipleResultsFound(str(self._statement))
        return rows[0] if rows else None

    def rows(self, tx: Transaction, values: Mapping[str, Any]) -> list[dict[str, Any]]:
        """All rows of a SELECT."""
        if tx.connection.dialect.name != "sqlite":
            return [dict(row) for row in tx.connection.execute(self._statement, values).mappings()]
        form = self._form or self._made(tx.connection.dialect)
        found = []
        for raw in _execute(tx, form, values):
            row = dict(zip(form.names, raw, strict=True))
            for name, convert in form.converted:
                row[name] = convert(row[name])
            found.append(row)
        return found

    def run(self, tx: Transaction, values: Mapping[str, Any]) -> int:
        """Execute an UPDATE; how many rows it changed."""
        if tx.connection.dialect.name != "sqlite":
            return tx.connection.execute(self._statement, values).rowcount
        return _execute(tx, self._form or self._made(tx.connection.dialect), values).rowcount

    def _made(self, dialect: sa.Dialect) -> _Form:
        compiled = self._statement.compile(dialect=dialect)
        assert isinstance(compiled, SQLCompiler)
        if compiled.post_compile_params or compiled.literal_execute_params or compiled.update_prefetch:
            raise TypeError(f"a statement that is completed at each execution: {compiled}")
        columns = list(self._statement.selected_columns) if isinstance(self._statement, sa.Select) else []
        processors = [(str(one.key), one.type.dialect_impl(dialect).result_processor(dialect, None)) for one in columns]
        names = compiled.positiontup or []
        types = {name: compiled.binds[name].type.dialect_impl(dialect).bind_processor(dialect) for name in names}
        self._form = _Form(
            text=str(compiled),
            binds=[(name, types[name]) for name in names],
            fixed={name: compiled.binds[name].effective_value for name in names if not compiled.binds[name].required},
            names=[str(one.key) for one in columns],
            converted=[(name, processor) for name, processor in processors if processor is not None],
        )
        return self._form


def _execute(tx: Transaction, form: _Form, values: Mapping[str, Any]) -> sqlite3.Cursor:
    known = {**form.fixed, **values}
    bound = [known[name] if convert is None else convert(known[name]) for name, convert in form.binds]
    driver = cast("sqlite3.Connection", tx.connection.connection.driver_connection)
    return driver.execute(form.text, bound)
