"""Who am I: what a key may do, and where; the first call of every client."""

from hub.api.call import Call, Nothing, View
from hub.api.route import Route, Spec, route
from hub.domain.access import Role


class Me(View):
    """The caller as the hub sees it."""

    key: str
    """Id of the key."""
    name: str
    role: Role
    workspace: str
    instance: bool
    """May make workspaces."""


@route("GET", "/me", Spec(role=Role.VIEWER, summary="Who this key is"))
async def show(call: Call[Nothing, Nothing]) -> Me:
    """The caller."""
    caller = call.caller
    return Me(
        key=caller.token_id, name=caller.name, role=caller.role, workspace=caller.workspace, instance=caller.instance
    )


ROUTES: tuple[Route, ...] = (show,)
