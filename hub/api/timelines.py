"""What became of a task, step by step."""

from datetime import datetime

from pydantic import Field

from hub.api.call import Call, Nothing, View
from hub.api.route import Route, Spec, route
from hub.api.tasks import find
from hub.domain.access import Role
from hub.domain.timeline import Moment as Step_
from hub.domain.timeline import Step
from hub.services import timelines
from hub.storage.transaction import Transaction


class Moment(View):
    """One step of a task's way."""

    step: Step
    at: datetime
    text: str = Field(description="Of a wait: for what; empty where the hub has not kept it.")
    lasted_s: float | None = Field(description="Until the next step, or until now; null where it has ended.")
    runner: str | None
    execution: str | None


class Timeline(View):
    """Every step, in order."""

    items: list[Moment]


@route(
    "GET",
    "/tasks/{task}/timeline",
    Spec(
        role=Role.VIEWER,
        summary="What became of a task, step by step",
        about="What it waited for, where and when it was granted, started, reported, ended, settled; retries too.",
    ),
)
async def timeline(call: Call[Nothing, Nothing]) -> Timeline:
    """The story of one task."""
    workspace_id, named = call.caller.workspace_id, call.path("task")
    offers = call.hub.book.offers(workspace_id)

    def query(tx: Transaction) -> tuple[Step_, ...]:
        return timelines.show(tx, workspace_id, find(tx, workspace_id, named).id, offers)

    return Timeline(items=[_view(one) for one in await call.read(query)])


ROUTES: tuple[Route, ...] = (timeline,)


def _view(one: Step_) -> Moment:
    return Moment(
        step=one.step,
        at=one.at,
        text=one.text,
        lasted_s=one.lasted_s,
        runner=one.runner,
        execution=one.execution_id,
    )
