"""The whole first schema, as SQL per engine beside this file (written by `migrations.freeze`)."""

from pathlib import Path

from alembic import op

from hub.storage.migrations import write_store_id

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    connection = op.get_bind()
    script = Path(__file__).with_name(f"0001_first.{connection.dialect.name}.sql").read_text(encoding="utf-8")
    for statement in filter(None, map(str.strip, script.split(";\n"))):
        connection.exec_driver_sql(statement)
    write_store_id(connection)
