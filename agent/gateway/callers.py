"""Who is calling: a bot is known by its token alone (`maestro.md` §1.2, `reliability.md` S10)."""

import asyncio

from aiohttp import web

from agent.gateway.refusals import UNKNOWN_TOKEN, Refused
from agent.gateway_port import BotExecution, GatewayHost

ADOPTION_WAIT_S = 20.0
"""A new daemon asks its shims for their masks; calls that came meanwhile wait, less long than the SDK's 30 s."""
_LOOK_AGAIN_S = 0.05

HUB_TOKEN_PREFIXES = ("bya_", "byk_")
"""Secrets of the hub's own: a bot that logs in by itself gets one, and speaks with it for itself."""


def token_of(request: web.Request) -> str:
    """The caller's token; the header ``token`` wins over ``Authorization: Bearer``. Empty when there is none."""
    token = request.headers.get("token", "").strip()
    if token:
        return token
    scheme, _, rest = request.headers.get("Authorization", "").partition(" ")
    return rest.strip() if scheme.lower() == "bearer" else ""


def is_hub_token(token: str) -> bool:
    """Whether only the hub can say what this token is worth."""
    return token.startswith(HUB_TOKEN_PREFIXES)


async def calling_bot(request: web.Request, host: GatewayHost) -> BotExecution:
    """The execution whose bot calls. Raises Refused 401; 503 while this daemon does not know its bots yet."""
    token = token_of(request)
    if not token:
        raise Refused(401, UNKNOWN_TOKEN)
    bot = host.execution(token)
    if bot is None and host.adopting:
        bot = await _after_adoption(token, host)
    if bot is None:
        raise Refused(401, UNKNOWN_TOKEN)
    return bot


async def _after_adoption(token: str, host: GatewayHost) -> BotExecution | None:
    try:
        async with asyncio.timeout(ADOPTION_WAIT_S):
            while host.adopting and host.execution(token) is None:  # noqa: ASYNC110 - the port has no event for it
                await asyncio.sleep(_LOOK_AGAIN_S)
    except TimeoutError:
        raise Refused(503, "The runner has just started and does not know this bot yet; try again") from None
    return host.execution(token)
