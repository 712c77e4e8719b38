"""Errors of ``/api/v1`` as ``application/problem+json`` (RFC 9457): which family becomes which status, with what text.

``code`` is for programs and stable; ``errors`` names each fault of a request with its field and remedy, all at once;
``correlation_id`` finds the line in the hub's log. An unforeseen error tells nothing else (`reliability.md` S54).
"""

from collections.abc import Sequence

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError
from pydantic_core import ErrorDetails

from hub.api.fault_words import words
from hub.errors import BotyardError, Conflict, Forbidden, Invalid, NotFound, Unavailable

MEDIA_TYPE = "application/problem+json"

_TITLES = {
    400: "The request can't be read",
    401: "Who are you?",
    403: "Not for this key",
    404: "There is no such thing",
    405: "Not this way",
    409: "Not in the present state",
    413: "Too large",
    415: "Not this kind of content",
    422: "The request can't be carried out",
    500: "The hub failed",
    503: "Not now",
}
_STATUS: tuple[tuple[type[BotyardError], int], ...] = (
    (NotFound, 404),
    (Invalid, 422),
    (Conflict, 409),
    (Forbidden, 403),
    (Unavailable, 503),
)


class Fault(BaseModel):
    """One thing that is wrong with a request."""

    model_config = ConfigDict(frozen=True)

    field: str = Field(description="Where it is, as `parameters.month`; empty for the request as a whole.")
    message: str
    remedy: str = Field(default="", description="What to do about it.")


class Problem(BaseModel):
    """Why a request was refused."""

    model_config = ConfigDict(frozen=True)

    type: str = Field(description="Names the code as a URI.", examples=["urn:botyard:not_found"])
    title: str
    status: int
    detail: str
    code: str = Field(description="Stable; meant for programs.")
    errors: tuple[Fault, ...] = ()
    details: dict[str, JsonValue] = Field(default_factory=dict)
    correlation_id: str


class Refused(Exception):  # noqa: N818  # a refusal of this adapter, beside the services' five families
    """A request that never reaches a service: unreadable, unauthenticated, too large, of the wrong kind."""

    def __init__(self, status: int, code: str, detail: str, faults: Sequence[Fault] = ()) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.faults = tuple(faults)
        self.headers: dict[str, str] = {}


def problem_of(error: Exception, correlation_id: str) -> tuple[Problem, dict[str, str]] | None:
    """The problem that a foreseen error becomes and headers of its own; None for an unforeseen one."""
    match error:
        case Refused():
            made = _problem(error.status, error.code, error.detail, correlation_id, error.faults)
            return made, error.headers
        case BotyardError():
            return _of_service(error, correlation_id)
        case _:
            return None


def unforeseen(correlation_id: str) -> Problem:
    """All that anybody outside learns of an error of ours (S54)."""
    text = f"The hub failed. Its log has the cause under {correlation_id}."
    return _problem(500, "internal", text, correlation_id)


def answer(problem: Problem, headers: dict[str, str] | None = None) -> web.Response:
    """The response that carries `problem`."""
    body = problem.model_dump_json().encode()
    return web.Response(body=body, status=problem.status, content_type=MEDIA_TYPE, headers=headers)


def faults_of(error: ValidationError, *, under: str = "") -> list[Fault]:
    """Every fault that a model found, with a remedy (`error.errors()` without inputs: they may be secret)."""
    return [_fault(one, under) for one in error.errors(include_url=False, include_input=False, include_context=True)]


def _fault(one: ErrorDetails, under: str) -> Fault:
    field = ".".join(str(part) for part in (under, *one["loc"]) if part != "")
    if one["type"] == "json_invalid":
        return Fault(field="", message=one["msg"], remedy="send JSON in UTF-8")
    message, remedy = words(one)
    return Fault(field=field, message=message, remedy=remedy)


def _of_service(error: BotyardError, correlation_id: str) -> tuple[Problem, dict[str, str]]:
    status = next((status for family, status in _STATUS if isinstance(error, family)), 500)
    details = dict(error.details)
    found = details.pop("errors", ())
    faults = [Fault.model_validate(one) for one in found]
    headers = {}
    if isinstance(error, Unavailable) and error.retry_after_s is not None:
        headers["Retry-After"] = str(max(1, round(error.retry_after_s)))
    made = _problem(status, error.code, error.message, correlation_id, faults)
    return made.model_copy(update={"details": details}), headers


def _problem(status: int, code: str, detail: str, correlation_id: str, faults: Sequence[Fault] = ()) -> Problem:
    return Problem(
        type=f"urn:botyard:{code}",
        title=_TITLES.get(status, "Refused"),
        status=status,
        detail=detail,
        code=code,
        errors=tuple(faults),
        correlation_id=correlation_id,
    )
