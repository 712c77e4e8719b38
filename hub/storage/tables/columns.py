"""The column types and constraints that every table of the hub is made of.

Both engines get the same names and the same meaning: times are aware UTC in Python, 64-bit numbers
are 64 bits, JSON is JSONB on PostgreSQL (libraries.md, the database pattern, 7).
"""

import functools
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from hub.storage.json_text import clean_text

metadata = sa.MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    }
)


class UtcTime(sa.types.TypeDecorator[datetime]):
    """An instant. Takes and gives aware UTC datetimes; a naive one is refused (ValueError)."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        """Refuse naive times; SQLite stores text without a zone, so it gets UTC without one."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a stored time needs a time zone")
        moment = value.astimezone(UTC)
        return moment.replace(tzinfo=None) if dialect.name == "sqlite" else moment

    def process_result_value(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        """Give the instant back as aware UTC, whatever the engine kept."""
        del dialect
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


@functools.lru_cache(maxsize=512)
def sqlite_time(value: datetime | None) -> str | None:
    """An instant as SQLite keeps it under `UtcTime`: UTC without a zone, to the microsecond.

    Remembered, because the rows of one transaction share their moments.
    """
    if value is None:
        return None
    if value.tzinfo is not UTC:
        if value.tzinfo is None:
            raise ValueError("a stored time needs a time zone")
        value = value.astimezone(UTC)
    return value.isoformat(sep=" ", timespec="microseconds")[:26]


class Prose(sa.types.TypeDecorator[str]):
    """Text that a bot or a person wrote: NUL characters, which PostgreSQL refuses, become U+FFFD on both engines."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: sa.Dialect) -> str | None:
        """Clean the text on its way in."""
        del dialect
        return None if value is None else clean_text(value)


Big = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
"""A 64-bit integer; plain INTEGER on SQLite, where that is 64 bits and may be the row id."""

Json = sa.JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")
"""A JSON value; Python None is SQL NULL."""


def text(name: str, **options: Any) -> sa.Column[str]:
    """A text column; NOT NULL unless `nullable=True`."""
    return _column(name, sa.Text(), options)


def prose(name: str, **options: Any) -> sa.Column[str]:
    """A column for text that a bot or a person wrote (`Prose`); NOT NULL unless `nullable=True`."""
    return _column(name, Prose(), options)


def whole(name: str, **options: Any) -> sa.Column[int]:
    """A 64-bit integer column; NOT NULL unless `nullable=True`."""
    return _column(name, Big, options)


def number(name: str, **options: Any) -> sa.Column[float]:
    """A double precision column; NOT NULL unless `nullable=True`."""
    return _column(name, sa.Double(), options)


def flag(name: str, **options: Any) -> sa.Column[bool]:
    """A boolean column; NOT NULL unless `nullable=True`."""
    return _column(name, sa.Boolean(), options)


def time(name: str, **options: Any) -> sa.Column[datetime]:
    """An instant (`UtcTime`); NOT NULL unless `nullable=True`."""
    return _column(name, UtcTime(), options)


def json(name: str, **options: Any) -> sa.Column[Any]:
    """A JSON column; NOT NULL unless `nullable=True`."""
    return _column(name, Json, options)


def blob(name: str, **options: Any) -> sa.Column[bytes]:
    """A bytes column; NOT NULL unless `nullable=True`."""
    return _column(name, sa.LargeBinary(), options)


def _column(name: str, kind: Any, options: dict[str, Any]) -> sa.Column[Any]:
    options.setdefault("nullable", False)
    return sa.Column(name, kind, **options)


def workspace() -> sa.Column[str]:
    """The workspace of a row: the first column of every key (reliability.md S36)."""
    return sa.Column("workspace_id", sa.Text(), sa.ForeignKey("workspaces.id"), nullable=False)


def key(*columns: str) -> sa.PrimaryKeyConstraint:
    """The primary key (workspace, columns…)."""
    return sa.PrimaryKeyConstraint("workspace_id", *columns)


def unique(*columns: str) -> sa.UniqueConstraint:
    """Uniqueness inside a workspace."""
    return sa.UniqueConstraint("workspace_id", *columns)


def points_at(table: str, *columns: str) -> sa.ForeignKeyConstraint:
    """A foreign key (workspace, columns…) to the same-workspace row of `table`."""
    return sa.ForeignKeyConstraint(["workspace_id", *columns], [f"{table}.workspace_id", f"{table}.id"])


def one_of(column: str, words: Iterable[str]) -> sa.CheckConstraint:
    """`column` holds one word of a closed list (or NULL where the column may be)."""
    listed = ", ".join(f"'{word}'" for word in words)
    return sa.CheckConstraint(f"{column} IN ({listed})", name=column)


def rule(name: str, condition: str) -> sa.CheckConstraint:
    """A named CHECK, written in SQL that both engines understand."""
    return sa.CheckConstraint(condition, name=name)
