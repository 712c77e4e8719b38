"""Write the SQL of the first revision from the tables: `python -m hub.storage.migrations.freeze`.

Only until the first release; from then on a change of the tables is a new revision, and the old ones stay as they are.
"""

from itertools import groupby
from pathlib import Path

import sqlalchemy as sa

from hub.storage.tables import metadata

FOLDER = Path(__file__).parent / "versions"
ENGINES = ("sqlite", "postgresql")
SEPARATOR = ";\n"


def first_revision(engine: str) -> Path:
    """The file that holds the first revision for one engine."""
    return FOLDER / f"0001_first.{engine}.sql"


def statements(engine: str) -> str:
    """The SQL that makes all tables on `engine`, statement by statement."""
    collected: list[str] = []

    def collect(statement: sa.schema.ExecutableDDLElement, *_args: object, **_options: object) -> None:
        text = str(statement.compile(dialect=mock.dialect))
        collected.append("\n".join(line.rstrip() for line in text.strip().replace("\t", "  ").splitlines()))

    mock = sa.create_mock_engine("sqlite://" if engine == "sqlite" else "postgresql+asyncpg://", collect)
    metadata.create_all(mock, checkfirst=False)
    return SEPARATOR.join(_settled(collected)) + SEPARATOR


def _settled(collected: list[str]) -> list[str]:
    """Sort the indexes of each table by name: SQLAlchemy keeps them in a set."""
    settled: list[str] = []
    for are_indexes, run in groupby(collected, key=_is_index):
        statements_of_run = list(run)
        if are_indexes:
            statements_of_run.sort(key=lambda text: text.partition("INDEX ")[2])
        settled += statements_of_run
    return settled


def _is_index(text: str) -> bool:
    return text.startswith(("CREATE INDEX", "CREATE UNIQUE INDEX"))


if __name__ == "__main__":
    for name in ENGINES:
        first_revision(name).write_text(statements(name))
