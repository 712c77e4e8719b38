"""``GET /maestro/version`` (`maestro.md` §3.1)."""

from aiohttp import web

from agent.wire.maestro_answers import MAESTRO_VERSION
from hub.maestro.call import Call, answer


async def show(_call: Call) -> web.Response:
    """The version that switches on what SDKs can do."""
    return answer({"version": MAESTRO_VERSION})
