"""Which schema a database has, and how it gets the one that this program needs (R19).

A fresh database is made from `hub.storage.tables` and stamped in one transaction; a test proves that this gives the
same schema as all migrations in a row. At each start the hub only compares the version row; alembic (0.8 s to import)
is loaded by `migrate` alone. Every way to a new schema is one transaction on both engines, so that a process killed at
any statement leaves the old schema.

Until the first release there is one revision: after a change of the tables run `python -m
hub.storage.migrations.freeze`.
"""

import uuid

import sqlalchemy as sa

from hub.storage.store import SchemaMismatch
from hub.storage.tables import meta, metadata

REVISIONS = ("0001",)
"""All revisions that this program knows, oldest first."""
HEAD = REVISIONS[-1]
MIGRATION_LOCK = 0x626F7479_6D696772
"""PostgreSQL's advisory lock of whoever makes or changes the schema ("botymigr")."""

_versions = sa.Table(
    "alembic_version",
    sa.MetaData(),
    sa.Column("version_num", sa.String(32), nullable=False),
    sa.PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),  # as alembic makes it
)


def lock_schema(connection: sa.Connection) -> None:
    """Keep other hubs from changing the schema until this transaction ends; SQLite has one process anyway."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})


def read_version(connection: sa.Connection) -> str | None:
    """Return the database's revision; None when it is empty.

    Raises SchemaMismatch for a database with tables of somebody else.
    """
    if sa.inspect(connection).has_table(_versions.name):
        version: str | None = connection.execute(sa.select(_versions.c.version_num)).scalar()
        if version is not None:
            return version
    tables = sa.inspect(connection).get_table_names()
    if set(tables) - {_versions.name}:
        raise SchemaMismatch(f"this database was not made by Botyard; it holds {', '.join(sorted(tables)[:5])}, …")
    return None


def prepare(connection: sa.Connection) -> None:
    """Make the schema in an empty database, or check that it is the one that this program needs.

    Runs inside the caller's transaction. Raises SchemaMismatch: newer (an older program must not touch it), or older
    (`migrate` first).
    """
    lock_schema(connection)
    version = read_version(connection)
    if version is None:
        metadata.create_all(connection, checkfirst=False)
        _stamp(connection)
    elif version != HEAD:
        raise SchemaMismatch(explain(version))


def explain(version: str) -> str:
    """Say what to do about a database of another version."""
    if version in REVISIONS:
        return f"the database has schema {version}, this program needs {HEAD}: migrate it first"
    return (
        f"the database has schema {version}, made by a newer Botyard; this program knows {HEAD} and "
        "will not touch it: update this program, or restore the backup from before the update"
    )


def write_store_id(connection: sa.Connection) -> None:
    """Give a fresh database its identity; a restore gives it another one (R20)."""
    connection.execute(sa.insert(meta).values(key="store_id", value=uuid.uuid4().hex))


def _stamp(connection: sa.Connection) -> None:
    _versions.create(connection, checkfirst=True)
    connection.execute(sa.insert(_versions).values(version_num=HEAD))
    write_store_id(connection)
