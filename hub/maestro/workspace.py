"""``POST /workspace/login`` (`maestro.md` §3.1)."""

from aiohttp import web

from hub.domain.access import SecretKind
from hub.maestro.call import Call, answer
from hub.maestro.errors import Refused
from hub.services import access


async def login(call: Call) -> web.Response:
    """A login and its key for an access token; 401 unless both fit."""
    members = call.members()
    name, key = members.get("login"), members.get("key")
    if not isinstance(name, str) or not isinstance(key, str):
        raise Refused(400, "login and key must be given as strings")
    token = access.new_secret(SecretKind.ACCESS)
    logged_in = await call.hub.store.write(access.login, name, key, token)
    if logged_in is None:
        raise Refused(401, "The login or its key is wrong")
    left = logged_in.expires_at - call.hub.clock.now()
    return answer(
        {
            "accessToken": token,
            # No client uses it; the member must be there, and a second secret must not.
            "refreshToken": "",
            "organizationLabel": logged_in.caller.workspace,
            "expiresIn": max(0, int(left.total_seconds())),
        }
    )
