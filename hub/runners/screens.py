"""Pictures of desktops that runners bring while somebody looks (`agent/wire/screens.py`)."""

import asyncio

from aiohttp import web
from pydantic import ValidationError

from agent.wire.screens import SCREEN_MAX_BYTES, SCREEN_NEWS_MAX_BYTES, ScreenNews
from hub.errors import Invalid
from hub.runners.uploads import TooLarge
from hub.services.screens import Screens

_PNG = b"\x89PNG\r\n\x1a\n"
_TIMEOUT_S = 20.0
_PIECE_BYTES = 64 * 1024
GO_ON, NOBODY_LOOKS = 204, 410


async def take(screens: Screens, runner_id: str, request: web.Request) -> web.Response:
    """One picture, or what is said instead. Raises TooLarge, Invalid; 410 without reading it where nobody looks."""
    look, named = request.match_info["look"], request.match_info["slot"]
    slot = int(named) if named.isascii() and named.isdigit() and len(named) < 6 else -1
    if not screens.is_wanted(runner_id, slot, look):
        return web.Response(status=NOBODY_LOOKS)
    async with asyncio.timeout(_TIMEOUT_S):
        if request.content_type == "image/png":
            png = await _read(request, SCREEN_MAX_BYTES)
            if not png.startswith(_PNG):
                raise Invalid("not_png", "A picture is a PNG file.")
            screens.show(runner_id, slot, look, png)
        else:
            screens.note(runner_id, slot, look, _news(await _read(request, SCREEN_NEWS_MAX_BYTES)))
    return web.Response(status=GO_ON)


def _news(body: bytes) -> ScreenNews:
    try:
        return ScreenNews.model_validate_json(body)
    except ValidationError:
        raise Invalid("not_news", "Beside pictures there is `same` and `trouble`.") from None


async def _read(request: web.Request, max_bytes: int) -> bytes:
    body = bytearray()
    async for piece in request.content.iter_chunked(_PIECE_BYTES):
        body += piece
        if len(body) > max_bytes:
            raise TooLarge("too_large", f"A picture has at most {max_bytes} bytes.")
    return bytes(body)
