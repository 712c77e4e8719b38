"""Errors of the gateway, in the shape that the caller's client reads.

Below ``/api/v2`` BotCity's: a JSON object with a ``message`` (`maestro.md` §1.3). Of our own API
``application/problem+json`` (RFC 9457), as the hub's; a fault of a body names its ``field``.
"""

import logging
import secrets
from http import HTTPStatus

from aiohttp import web
from aiohttp.typedefs import Handler

from agent.gateway.answers import json_line
from agent.gateway.members import FieldError
from agent.gateway.server import OWN_API_PATH
from agent.gateway_port import ExecutionGoneError, MasksUnavailableError, TooManyReportsError, TooMuchSaidError
from agent.wire.maestro_answers import error_object

log = logging.getLogger(__name__)

UNKNOWN_TOKEN = "The token is missing, unknown or no longer valid"  # noqa: S105 - a sentence, not a token
PROBLEM = "application/problem+json"


class Refused(Exception):  # noqa: N818 - a refusal is an answer, not a failure
    """The request is answered with this status and message."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


def refusal(status: int, message: str, path: str, field: str = "") -> web.Response:
    """The answer that says why not."""
    if not path.startswith(OWN_API_PATH + "/"):
        return web.json_response(error_object(status, message, path), status=status)
    problem = {"type": "about:blank", "title": _phrase(status), "status": status, "detail": message}
    if field:
        problem["errors"] = [{"field": field, "message": message}]
    return json_line(problem, status=status, content_type=PROBLEM)


@web.middleware
async def refuse_in_shape(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn everything that is not an answer into an error; tell nothing of our insides (S54)."""
    try:
        return await handler(request)
    except ConnectionError:
        raise  # the bot has hung up: there is nobody to answer
    except Exception as error:  # the rim of a request: the bot gets a number, our log gets the story
        known = _known(error)
        if known is None:
            number = secrets.token_hex(4)
            log.exception("a bot's call failed (%s)", number)
            known = 500, f"The runner failed on this call ({number})"
        status, message = known
        return refusal(status, message, request.path, error.field if isinstance(error, FieldError) else "")


def _known(error: Exception) -> tuple[int, str] | None:
    """Status and message of an error that is an answer."""
    match error:
        case Refused():
            return error.status, error.message
        case FieldError():
            return 400, str(error)
        case ExecutionGoneError():
            return 401, UNKNOWN_TOKEN
        case MasksUnavailableError():
            return 503, "The secret cannot be kept out of the output now; try again"
        case TooManyReportsError():
            return 429, "This execution has reported too often"
        case TooMuchSaidError():
            return 429, str(error)
        case web.HTTPException():
            return error.status, _routing(error)
        case _:
            return None


def _routing(error: web.HTTPException) -> str:
    """Why nobody serves this, with the remedy."""
    match error:
        case web.HTTPMethodNotAllowed():
            return f"Here only {', '.join(sorted(error.allowed_methods))} is served, not {error.method}"
        case web.HTTPNotFound():
            return "There is no such call; README.md, Reporting without an SDK, has all of them"
        case _:
            return error.text or error.reason


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"
