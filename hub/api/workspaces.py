"""Workspaces: the isolation boundary. Only instance admins see that there are others."""

from datetime import datetime
from functools import partial

from pydantic import Field

from hub.api.call import Call, Nothing, Sent, Strict, View
from hub.api.paging import Listing, Page, page
from hub.api.route import Route, Spec, route
from hub.domain.access import Role, SecretKind
from hub.services import access
from hub.services.access import KeyView
from hub.storage.access import WorkspaceRow


class NewWorkspace(Strict):
    """A workspace that is asked for."""

    label: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$", description="BotCity's organization.")
    name: str = Field(default="", max_length=200, description="For people; the label where it is absent.")


class Workspace(View):
    """A workspace."""

    id: str
    label: str
    name: str
    created_at: datetime


class MadeWorkspace(Workspace):
    """A fresh workspace with the key of its first admin."""

    login: str
    key: str = Field(description="The admin's secret. It is shown only now.")


@route("GET", "/workspaces", Spec(role=Role.ADMIN, summary="List workspaces", instance=True))
async def listing(call: Call[Nothing, Listing]) -> Page[Workspace]:
    """All workspaces of this hub, by label."""
    query = call.query
    found = await call.read(lambda tx: access.workspaces(tx, query.after, query.limit + 1))
    return page(found, query, _view, lambda row: row.label)


@route(
    "POST",
    "/workspaces",
    Spec(
        role=Role.ADMIN,
        summary="Make a workspace",
        status=201,
        instance=True,
        secret=True,
        example={"label": "accounting", "name": "Accounting"},
    ),
)
async def create(call: Call[NewWorkspace, Nothing]) -> Sent[MadeWorkspace]:
    """A workspace and its first admin key."""
    body = call.body
    secret = access.new_secret(SecretKind.KEY)
    return await call.write(
        lambda tx: access.create_workspace(tx, call.caller, body.label, body.name, secret), partial(_made, secret)
    )


ROUTES: tuple[Route, ...] = (listing, create)


def _view(row: WorkspaceRow) -> Workspace:
    return Workspace(id=row.id, label=row.label, name=row.name, created_at=row.created_at)


def _made(secret: str, made: tuple[WorkspaceRow, KeyView]) -> MadeWorkspace:
    row, key = made
    return MadeWorkspace(
        id=row.id, label=row.label, name=row.name, created_at=row.created_at, login=key.login, key=secret
    )
