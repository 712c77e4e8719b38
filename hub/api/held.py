"""Tasks that a restored hub holds, released by a person; executions that a person gives up (core.md D8, D9)."""

from pydantic import Field

from hub.api.call import Call, Nothing, Sent, View
from hub.api.route import Route, Spec, route
from hub.api.task_views import Task, task_view
from hub.api.tasks import task_id
from hub.domain.access import Role
from hub.services import giving_up, held


class Released(View):
    """What a release of all held tasks did."""

    released: int
    left: int = Field(description="Held still: ask again until it is 0.")


@route(
    "POST",
    "/tasks/{task}/release-held",
    Spec(
        role=Role.OPERATOR,
        summary="Release a held task",
        about="It runs when a runner is free, whatever a runner ran since the backup: look at that runner first.",
    ),
)
async def release(call: Call[Nothing, Nothing]) -> Sent[Task]:
    """The task, which is held no longer."""
    caller = call.caller
    return await call.write(
        lambda tx: held.release(tx, caller.workspace_id, task_id(call, tx), caller.actor),
        task_view,
        urgent=True,
    )


@route(
    "POST",
    "/held/release",
    Spec(role=Role.OPERATOR, summary="Release all held tasks", about="Those too that ran since the backup."),
)
async def release_all(call: Call[Nothing, Nothing]) -> Sent[Released]:
    """How many are held no longer."""
    caller = call.caller
    return await call.write(lambda tx: held.release_all(tx, caller.workspace_id, caller.actor), _released)


@route(
    "POST",
    "/tasks/{task}/give-up",
    Spec(
        role=Role.OPERATOR,
        summary="Give up a lost task",
        about="Of a runner that is gone: the task is `lost` now, not after 24 hours. It is not tried again by itself.",
    ),
)
async def give_up(call: Call[Nothing, Nothing]) -> Sent[Task]:
    """The task, which is lost."""
    caller = call.caller
    return await call.write(
        lambda tx: giving_up.give_up(tx, caller.workspace_id, task_id(call, tx), caller.actor),
        task_view,
        urgent=True,
    )


ROUTES: tuple[Route, ...] = (release, release_all, give_up)


def _released(done: held.Released) -> Released:
    return Released(released=done.released, left=done.left)
