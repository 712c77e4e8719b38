"""Dead letters: items that nobody tries any more, of all queues, with why, and what puts them back."""

from datetime import datetime

from pydantic import Field

from hub.api.call import Call, Nothing, View
from hub.api.paging import Listing, Page, cursor_of
from hub.api.route import Route, Spec, route
from hub.domain.access import Role
from hub.domain.item import dead_cause
from hub.services import queues
from hub.storage import dead_letters
from hub.storage.dead_letters import DeadCount, DeadRow
from hub.storage.transaction import Transaction


class DeadQuery(Listing):
    """Of which queue."""

    queue: str | None = Field(default=None, description="Label or id; absent: of all queues.")


class DeadLetter(View):
    """An item that was given up."""

    id: str
    queue: str
    reference: str | None
    state: str
    cause: str = Field(description="crash_loop, timed_out, business, application, system or failed.")
    error_class: str | None = Field(description="Of its last attempt.")
    message: str | None = Field(description="Of its last attempt.")
    attempts: int
    tries: int
    since: datetime | None
    remedy: str


class DeadKind(View):
    """How many were given up for one cause in a queue."""

    queue: str
    cause: str
    count: int
    newest: datetime | None


class DeadLetters(Page[DeadLetter]):
    """Items, those given up last first; on the first page how many there are of each cause in all."""

    causes: list[DeadKind] = Field(description="Of all that are dead; on the pages behind the first it is empty.")


@route(
    "GET",
    "/dead-letters",
    Spec(role=Role.VIEWER, summary="List items that were given up", about="The latest first; `causes` counts all."),
)
async def listing(call: Call[Nothing, DeadQuery]) -> DeadLetters:
    """What nobody tries any more, and why."""
    workspace_id, query = call.caller.workspace_id, call.query

    def find(tx: Transaction) -> tuple[list[DeadRow], list[DeadCount]]:
        queue_id = queues.row_of(tx, workspace_id, query.queue).id if query.queue else None
        found = dead_letters.page(tx, workspace_id, queue_id, query.after, query.limit + 1)
        return found, [] if query.after else dead_letters.counts(tx, workspace_id, queue_id)

    found, counts = await call.read(find)
    shown = found[: query.limit]
    return DeadLetters(
        items=[_letter(one) for one in shown],
        next=cursor_of(dead_letters.position(shown[-1])) if len(found) > query.limit else None,
        causes=[
            DeadKind(queue=one.queue, cause=dead_cause(one.state, one.error_class), count=one.number, newest=one.newest)
            for one in counts
        ],
    )


ROUTES: tuple[Route, ...] = (listing,)


def _letter(row: DeadRow) -> DeadLetter:
    same = ("id", "queue", "reference", "state", "error_class", "message", "attempts", "tries")
    return DeadLetter(
        **{name: getattr(row, name) for name in same},
        cause=dead_cause(row.state, row.error_class),
        since=row.finished_at,
        remedy=f"Mend the cause, then botyard item requeue {row.id}",
    )
