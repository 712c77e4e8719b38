"""Which database a `--database URL` names."""

from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa


@dataclass(frozen=True, slots=True)
class Address:
    """A database URL, taken apart."""

    url: sa.URL
    is_sqlite: bool
    path: Path | None
    """The SQLite file; None for a database in memory, and for PostgreSQL."""

    @classmethod
    def parse(cls, url: str) -> "Address":
        """Take `sqlite:///file`, `sqlite://` (in memory) or `postgresql://…` apart.

        Raises ValueError for anything else; the message never repeats the URL, which may hold a password.
        """
        try:
            parsed = sa.make_url(url)
        except sa.exc.ArgumentError:
            raise ValueError("not a database URL: expected sqlite:///FILE or postgresql://…") from None
        match parsed.get_backend_name():
            case "sqlite":
                in_memory = parsed.database in {None, "", ":memory:"}
                return cls(parsed, True, None if in_memory else Path(str(parsed.database)))
            case "postgresql" | "postgres":
                return cls(parsed.set(drivername="postgresql+asyncpg"), False, None)
            case other:
                raise ValueError(f"no engine for {other} databases: expected sqlite:///FILE or postgresql://…")
