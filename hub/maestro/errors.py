"""Whatever a service raises, as BotCity's clients read it (`maestro.md` §1.3): an object with a ``message``."""

from aiohttp import web

from agent.wire.maestro_answers import error_object
from hub.errors import BotyardError, Conflict, Forbidden, Invalid, NotFound, Unavailable
from hub.storage.store import CommitInDoubt, StoreUnavailable


class Refused(Exception):  # noqa: N818 - a refusal of this adapter, beside the services' five families
    """A request that reaches no service: without a token, unreadable, too large."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


def refusal(status: int, message: str, path: str) -> web.Response:
    """The answer that says why not."""
    headers = {"Retry-After": "1"} if status == 503 else None
    return web.json_response(error_object(status, message, path), status=status, headers=headers)


def answer_of(error: Exception, path: str, conflict_status: int) -> web.Response | None:
    """The answer to a foreseen error, None for another. `conflict_status`: 400 where it is a bad transition (§1.3)."""
    match error:
        case Refused():
            return refusal(error.status, error.message, path)
        case BotyardError():
            return refusal(_status(error, conflict_status), _sentence(error), path)
        case StoreUnavailable() | TimeoutError():
            return refusal(503, "The hub is too busy now; try again", path)
        case CommitInDoubt():
            return refusal(503, "The database did not say whether this was done; look before you try again", path)
        case _:
            return None


def _status(error: BotyardError, conflict_status: int) -> int:
    match error:
        case NotFound():
            return 404
        case Invalid():
            return 400
        case Conflict():
            return conflict_status
        case Forbidden():
            return 403
        case Unavailable():
            return 503
        case _:
            return 500


def _sentence(error: BotyardError) -> str:
    """The message, with every fault named: clients show nothing but this."""
    faults = error.details.get("errors")
    if not isinstance(faults, list):
        return error.message
    told = [f"{fault['field']}: {fault['message']}" for fault in faults if isinstance(fault, dict)]
    return f"{error.message} {'; '.join(told)}".strip()
