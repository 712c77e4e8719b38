"""Record logs: rows that a bot wrote while it worked (`bot-packages.md` §7), in their order, attempts in theirs."""

import re
from datetime import datetime

from pydantic import Field, JsonValue

from agent.wire.limits import LOG_NAME_MAX
from hub.api.call import Call, Nothing, View
from hub.api.paging import Listing, Page, page
from hub.api.problem import Fault, Refused
from hub.api.route import Route, Spec, route
from hub.api.tasks import find
from hub.domain.access import Role
from hub.services import said
from hub.storage.said import LogRow, RowFilter
from hub.storage.transaction import Transaction

_PLACE = re.compile(r"(exe_[0-9a-f]{32}):([0-9]{1,18})")


class Rows(Listing):
    """Which rows."""

    log: str | None = Field(default=None, max_length=LOG_NAME_MAX, description="Name of the log; absent: all of them.")


class Row(View):
    """One row of a record log."""

    log: str
    columns: dict[str, JsonValue] = Field(description="As the bot named and wrote them; secrets are masked.")
    at: datetime
    execution: str


@route("GET", "/tasks/{task}/log", Spec(role=Role.VIEWER, summary="List a task's record log", about="Oldest first."))
async def listing(call: Call[Nothing, Rows]) -> Page[Row]:
    """Rows that the task wrote, in all its attempts."""
    query = call.query
    wanted = RowFilter(log=query.log, after=_after(query.after), limit=query.limit + 1)

    def read(tx: Transaction) -> list[LogRow]:
        task = find(tx, call.caller.workspace_id, call.path("task"))
        return said.rows(tx, task.workspace_id, task.id, wanted)

    return page(await call.read(read), query, _view, lambda row: f"{row.execution_id}:{row.seq}")


ROUTES: tuple[Route, ...] = (listing,)


def _after(place: str) -> tuple[str, int] | None:
    if not place:
        return None
    found = _PLACE.fullmatch(place)
    if found is None:
        fault = Fault(field="cursor", message="is no cursor of this listing", remedy="take `next` of the page before")
        raise Refused(400, "query", "The query can't be read.", [fault])
    return found.group(1), int(found.group(2))


def _view(row: LogRow) -> Row:
    columns = {str(name): value for name, value in row.columns}
    return Row(log=row.log, columns=columns, at=row.at, execution=row.execution_id)
