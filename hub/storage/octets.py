"""How many bytes a value is long as text, in UTF-8: what it costs in an answer. Each engine has its own word for it."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement


class octets(FunctionElement[int]):  # noqa: N801 - an SQL function, as SQLAlchemy writes them
    """Bytes of a column of text or JSON; 0 where there is none."""

    type = sa.Integer()
    inherit_cache = True


@compiles(octets)
def _octets(element: octets, compiler: SQLCompiler, **more: Any) -> str:
    return f"coalesce(octet_length(CAST({compiler.process(element.clauses, **more)} AS TEXT)), 0)"


@compiles(octets, "sqlite")
def _octets_sqlite(element: octets, compiler: SQLCompiler, **more: Any) -> str:
    return f"coalesce(length(CAST({compiler.process(element.clauses, **more)} AS BLOB)), 0)"
