"""Write the SQL of the first revision from the tables: `python -m hub.storage.migrations.freeze`.

Only until the first release; from then on a change of the tables is a new revision, and the old ones stay as they are.
"""

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
    return SEPARATOR.join(collected) + SEPARATOR


if __name__ == "__main__":
    for name in ENGINES:
        first_revision(name).write_text(statements(name))
