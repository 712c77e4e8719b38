"""`botyard task rows`: the record logs that a task wrote, as a table."""

import json
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Annotated, Any

import typer

from hub.cli import show
from hub.cli.client import segment
from hub.cli.connected import connected

EXAMPLES = "Example: botyard task rows 1042 --log parcels"
_PAGE = 500

Task = Annotated[str, typer.Argument(help="Id or number of the task.")]
Log = Annotated[str | None, typer.Option(help="Name of the log; all of them if not given.")]
Limit = Annotated[int, typer.Option(min=1, max=100_000, help="How many rows, the oldest first.")]


def rows(task: Task, log: Log = None, limit: Limit = _PAGE, json_: show.Json = False) -> None:
    """Print the rows that a task wrote to its record logs."""
    query = {"limit": min(_PAGE, limit + 1), "log": log}
    found = list(islice(connected().all(f"/tasks/{segment(task)}/log", query), limit + 1))
    printed = found[:limit]
    if json_:
        show.as_json({"items": printed})
    else:
        names = list(dict.fromkeys(name for row in printed for name in row["columns"]))
        heads = map(show.one_line, names)
        show.table(("at", *(() if log else ("log",)), *heads), _lines(printed, names, is_one=log is not None))
    if len(found) > limit:
        show.note(f"there are more than {limit} rows; --limit shows more")


def _lines(found: Iterable[dict[str, Any]], names: Sequence[str], *, is_one: bool) -> Iterable[Sequence[object]]:
    for row in found:
        cells = [_cell(row["columns"].get(name)) for name in names]
        yield (show.when(row["at"]), *(() if is_one else (row["log"],)), *cells)


def _cell(value: object) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value)
