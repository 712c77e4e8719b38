"""Statements on their shortest way: on SQLite past SQLAlchemy's execution, which takes 0.27 ms CPU for each of them.

Made once at import, like every statement (libraries.md, the database pattern, 1 and 5). Types go through their own
processors both ways, or through shorter ones that do the same; PostgreSQL runs the same statement as ever. For the
hottest statements only: an error is the driver's own here (`hub.storage.sqlite.connection.error_code` reads both).
"""

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

import orjson
import sqlalchemy as sa
from sqlalchemy.sql.compiler import SQLCompiler

from hub.storage.json_text import dump_json
from hub.storage.tables.columns import Json, UtcTime, sqlite_time
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
    """One SELECT, UPDATE, INSERT or DELETE with fixed columns."""

    def __init__(self, statement: sa.Select[Any] | sa.Update | sa.Insert | sa.Delete) -> None:
        self._statement = statement
        self._form: _Form | None = None

    def one(self, tx: Transaction, values: Mapping[str, Any]) -> dict[str, Any] | None:
        """The one row of a SELECT, or None. Raises MultipleResultsFound for a second one."""
        rows = self.rows(tx, values)
        if len(rows) > 1:
            raise sa.exc.MultipleResultsFound(str(self._statement))
        return rows[0] if rows else None

    def rows(self, tx: Transaction, values: Mapping[str, Any]) -> list[dict[str, Any]]:
        """All rows of a SELECT, or of what an INSERT returns."""
        if not tx.is_sqlite:
            return [dict(row) for row in tx.connection.execute(self._statement, values).mappings()]
        form = self._form or self._made(tx.connection.dialect)
        found = [
            dict(zip(form.names, raw, strict=True)) for raw in _driver(tx).execute(form.text, _bound(form, values))
        ]
        for row in found if form.converted else ():
            for name, convert in form.converted:
                if (value := row[name]) is not None:
                    row[name] = convert(value)
        return found

    def run(self, tx: Transaction, values: Mapping[str, Any]) -> int:
        """Execute an UPDATE, INSERT or DELETE; how many rows it changed."""
        if not tx.is_sqlite:
            return tx.connection.execute(self._statement, values).rowcount
        form = self._form or self._made(tx.connection.dialect)
        return _driver(tx).execute(form.text, _bound(form, values)).rowcount

    def run_each(self, tx: Transaction, rows: Sequence[Mapping[str, Any]]) -> int:
        """Execute an INSERT or UPDATE for each of `rows`; how many rows that changed, -1 where PostgreSQL won't say."""
        if not tx.is_sqlite:
            return tx.connection.execute(self._statement, rows).rowcount
        form = self._form or self._made(tx.connection.dialect)
        return _driver(tx).executemany(form.text, [_bound(form, row) for row in rows]).rowcount

    def _made(self, dialect: sa.Dialect) -> _Form:
        compiled = self._statement.compile(dialect=dialect)
        assert isinstance(compiled, SQLCompiler)
        is_late = compiled.update_prefetch or compiled.insert_prefetch
        if compiled.post_compile_params or compiled.literal_execute_params or is_late:
            raise TypeError(f"a statement that is completed at each execution: {compiled}")
        processors = [(str(one.key), _reader(one.type, dialect)) for one in _columns(self._statement)]
        names = compiled.positiontup or []
        self._form = _Form(
            text=str(compiled),
            binds=[(name, _writer(compiled.binds[name].type, dialect)) for name in names],
            fixed={name: compiled.binds[name].effective_value for name in names if not compiled.binds[name].required},
            names=[name for name, _ in processors],
            converted=[(name, processor) for name, processor in processors if processor is not None],
        )
        return self._form


def insertion(table: sa.Table, *columns: str) -> Direct:
    """An INSERT of these columns of `table`; the others are NULL or what the schema says."""
    return Direct(sa.insert(table).values({name: sa.bindparam(name, type_=table.c[name].type) for name in columns}))


def _columns(statement: sa.Select[Any] | sa.Update | sa.Insert | sa.Delete) -> list[sa.ColumnElement[Any]]:
    chosen = statement.selected_columns if isinstance(statement, sa.Select) else statement.exported_columns
    return list(chosen)


def _reader(kind: sa.types.TypeEngine[Any], dialect: sa.Dialect) -> _Processor | None:
    """What makes the driver's value, if there is one, the program's."""
    if isinstance(kind, UtcTime):
        return _moment
    return _json_value if kind is Json else kind.dialect_impl(dialect).result_processor(dialect, None)


def _writer(kind: sa.types.TypeEngine[Any], dialect: sa.Dialect) -> _Processor | None:
    """What makes the program's value the driver's."""
    if isinstance(kind, UtcTime):
        return sqlite_time
    return _json_text if kind is Json else kind.dialect_impl(dialect).bind_processor(dialect)


def _moment(kept: str) -> datetime:
    return datetime.fromisoformat(kept + "+00:00")


def _json_value(kept: str | float) -> Any:
    # SQLite keeps a JSON text that is nothing but a number as that number.
    return orjson.loads(kept) if isinstance(kept, str) else kept


def _json_text(value: Any) -> str | None:
    return None if value is None else dump_json(value)


def _bound(form: _Form, values: Mapping[str, Any]) -> list[Any]:
    known = {**form.fixed, **values} if form.fixed else values
    return [known[name] if convert is None else convert(known[name]) for name, convert in form.binds]


def _driver(tx: Transaction) -> sqlite3.Connection:
    return cast("sqlite3.Connection", tx.driver)
