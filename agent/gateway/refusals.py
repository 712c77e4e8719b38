"""Errors as BotCity's clients read them: a JSON object with a ``message``, whatever went wrong (`maestro.md` §1.3)."""

import logging
import secrets

from aiohttp import web
from aiohttp.typedefs import Handler

from agent.gateway_port import ExecutionGoneError, MasksUnavailableError, TooManyReportsError
from agent.wire.maestro_answers import error_object

log = logging.getLogger(__name__)

UNKNOWN_TOKEN = "The token is missing, unknown or no longer valid"  # noqa: S105 - a sentence, not a token


class Refused(Exception):  # noqa: N818 - a refusal is an answer, not a failure
    """The request is answered with this status and message."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


def refusal(status: int, message: str, path: str) -> web.Response:
    """The answer that says why not."""
    return web.json_response(error_object(status, message, path), status=status)


@web.middleware
async def refuse_in_shape(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn everything that is not an answer into BotCity's error shape; tell nothing of our insides (S54)."""
    try:
        return await handler(request)
    except Refused as error:
        return refusal(error.status, error.message, request.path)
    except ExecutionGoneError:
        return refusal(401, UNKNOWN_TOKEN, request.path)
    except MasksUnavailableError:
        return refusal(503, "The secret cannot be kept out of the output now; try again", request.path)
    except TooManyReportsError:
        return refusal(429, "This execution has reported too often", request.path)
    except web.HTTPException as error:
        return refusal(error.status, error.text or error.reason, request.path)
    except ConnectionError:
        raise  # the bot has hung up: there is nobody to answer
    except Exception:  # the rim of a request: the bot gets a number, our log gets the story
        number = secrets.token_hex(4)
        log.exception("a bot's call failed (%s)", number)
        return refusal(500, f"The runner failed on this call ({number})", request.path)
