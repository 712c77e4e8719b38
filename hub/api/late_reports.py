"""Late reports of a task: what a bot said after its execution was settled."""

from datetime import datetime

from pydantic import Field

from agent.wire.facts import ReportFact
from agent.wire.task import Totals
from hub.api.call import Call, Nothing, Sent, View
from hub.api.route import Route, Spec, route
from hub.api.task_views import Task, task_view
from hub.api.tasks import task_id
from hub.domain.access import Role
from hub.services import late_reports
from hub.storage.late_reports import LateReport as Row
from hub.storage.transaction import Transaction


class LateReport(View):
    """A report that came too late to count."""

    id: str
    execution: str
    runner: str
    status: str
    message: str | None
    totals: Totals | None
    said_at: datetime = Field(description="By the runner's clock.")
    received_at: datetime
    accepted_at: datetime | None = Field(description="When a person took it for the last word: an amendment.")


class LateReports(View):
    """All of a task."""

    items: list[LateReport]


@route(
    "GET",
    "/tasks/{task}/late-reports",
    Spec(role=Role.VIEWER, summary="List a task's late reports", about="Oldest first; none changed an outcome."),
)
async def listing(call: Call[Nothing, Nothing]) -> LateReports:
    """What was reported of it after its settlement."""

    def query(tx: Transaction) -> list[Row]:
        return late_reports.of_task(tx, call.caller.workspace_id, task_id(call, tx))

    return LateReports(items=[late_view(one) for one in await call.read(query)])


@route(
    "POST",
    "/tasks/{task}/late-reports/{report}/accept",
    Spec(
        role=Role.OPERATOR,
        summary="Accept a late report",
        about="It becomes an amendment; the outcome stays what it is. A task held since a restore is settled so.",
    ),
)
async def accept(call: Call[Nothing, Nothing]) -> Sent[Task]:
    """The task with its amendment."""
    caller = call.caller
    return await call.write(
        lambda tx: late_reports.accept(tx, caller.workspace_id, task_id(call, tx), call.path("report"), caller.actor),
        task_view,
        urgent=True,
    )


ROUTES: tuple[Route, ...] = (listing, accept)


def late_view(row: Row) -> LateReport:
    """A late report as clients see it."""
    said = ReportFact.model_validate(row.body)
    return LateReport(
        id=row.id,
        execution=row.execution_id,
        runner=row.runner,
        status=said.status,
        message=said.message,
        totals=said.totals,
        said_at=said.at,
        received_at=row.received_at,
        accepted_at=row.accepted_at,
    )
