"""Who is calling: the token alone says it, in any of the ways in which clients send one (`maestro.md` §1.2).

The organization header is not looked at: it may be the workspace's label, the login, empty or missing, and a token
belongs to exactly one workspace.
"""

from aiohttp import web

from hub.context import Hub
from hub.domain.access import Caller, SecretKind
from hub.maestro.errors import Refused
from hub.services import access, bots

EXECUTION_HEADER = "Botyard-Execution"
_KINDS = frozenset({SecretKind.ACCESS, SecretKind.KEY})


async def authenticated(hub: Hub, request: web.Request) -> Caller:
    """The caller of a request. Raises Refused 401 for a token that is missing, unknown or expired, and for no more."""
    token = token_of(request)
    execution_id = request.headers.get(EXECUTION_HEADER)
    caller = await (_by_token(hub, token) if execution_id is None else _by_ticket(hub, token, execution_id))
    if caller is None:
        raise Refused(401, "The token is missing, unknown or expired")
    return caller


def token_of(request: web.Request) -> str:
    """The token; the header ``token`` wins over ``Authorization: Bearer``. Empty when there is none."""
    token = request.headers.get("token", "").strip()
    if token:
        return token
    scheme, _, rest = request.headers.get("Authorization", "").partition(" ")
    return rest.strip() if scheme.lower() == "bearer" else ""


async def _by_token(hub: Hub, token: str) -> Caller | None:
    caller = await hub.store.read(access.authenticate, token, _KINDS) if token else None
    if caller is not None and access.wants_touch(caller, hub.clock.now()) and not hub.room.is_full:
        await hub.store.write(access.touch, caller)
    return caller


async def _by_ticket(hub: Hub, ticket: str, execution_id: str) -> Caller | None:
    """A runner that speaks for one of its bots; its ticket dies with its session (`core.md` §6)."""
    session = hub.sessions.by_ticket(ticket) if ticket else None
    if session is None:
        return None
    caller = await hub.store.read(bots.caller, bots.speaker_of(session, execution_id))
    if caller is None:
        # Not 401: that would make the gateway wait for another session.
        raise Refused(403, "This execution is not one of this runner's")
    return caller
