"""Keys: who may speak to the hub. Their secret is shown once, in the answer that makes them."""

from datetime import datetime, timedelta
from functools import partial
from typing import Any

from pydantic import Field

from hub.api.call import Call, Nothing, Sent, Strict, View
from hub.api.paging import Listing, Page, page
from hub.api.route import Route, Spec, route
from hub.domain.access import Role, SecretKind
from hub.services import access
from hub.services.access import KeyView


class NewKey(Strict):
    """A key that is asked for."""

    name: str = Field(min_length=1, max_length=64, description="Unique among live keys; events and tasks show it.")
    role: Role = Field(default=Role.OPERATOR, strict=False)
    days: int | None = Field(default=90, ge=1, le=3650, description="Days that it is good; null: until revoked.")
    instance: bool = Field(default=False, description="May make workspaces.")


class Key(View):
    """A key without its secret."""

    id: str
    name: str
    role: Role
    instance: bool
    login: str = Field(description="With the secret as `key`, what BotCity's SDKs log in with.")
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None


class MadeKey(Key):
    """A fresh key with its secret."""

    key: str = Field(description="The secret. It is shown only now.")


def view(key: KeyView) -> Key:
    """A key as clients see it."""
    return Key(**_fields(key))


@route("GET", "/keys", Spec(role=Role.ADMIN, summary="List keys", about="Oldest first, revoked ones too."))
async def listing(call: Call[Nothing, Listing]) -> Page[Key]:
    """Keys of the workspace."""
    query = call.query
    found = await call.read(
        lambda tx: access.keys(tx, call.caller.workspace_id, query.after, query.limit + 1),
    )
    return page(found, query, view, lambda key: key.id)


@route(
    "POST",
    "/keys",
    Spec(
        role=Role.ADMIN,
        summary="Make a key",
        about="`login` and `key` are what BotCity's SDKs want; `key` alone is the bearer token of this API.",
        status=201,
        secret=True,
        example={"name": "ci", "role": "developer", "days": 90},
    ),
)
async def create(call: Call[NewKey, Nothing]) -> Sent[MadeKey]:
    """A new key."""
    body = call.body
    life = None if body.days is None else timedelta(days=body.days)
    new = access.NewKey(name=body.name, role=body.role, life=life, instance=body.instance)
    secret = access.new_secret(SecretKind.KEY)
    return await call.write(lambda tx: access.create_key(tx, call.caller, new, secret), partial(_made, secret))


@route("POST", "/keys/{key}/revoke", Spec(role=Role.ADMIN, summary="Revoke a key", about="For good; also its logins."))
async def revoke(call: Call[Nothing, Nothing]) -> Sent[Key]:
    """The key is refused from now on."""
    return await call.write(lambda tx: access.revoke_key(tx, call.caller, call.path("key")), view)


ROUTES: tuple[Route, ...] = (listing, create, revoke)


def _made(secret: str, key: KeyView) -> MadeKey:
    return MadeKey(**_fields(key), key=secret)


def _fields(key: KeyView) -> dict[str, Any]:
    return {name: getattr(key, name) for name in Key.model_fields}
