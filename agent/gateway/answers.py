"""What our own API answers: JSON on a line of its own, so that ``curl`` in a shell bot glues it to nothing."""

import json
from collections.abc import Mapping

from aiohttp import web


def json_line(
    value: object,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    content_type: str = "application/json",
) -> web.Response:
    """The value as JSON with a newline: what the bot prints next, ``::endgroup::`` say, begins a line."""
    return web.Response(text=json.dumps(value) + "\n", status=status, headers=headers, content_type=content_type)
