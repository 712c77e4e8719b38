"""From a `Route` to an aiohttp handler: authenticate, role, query, body, handler, answer; any step may refuse.

Default deny (`reliability.md` S7): what no route names is refused too, and only after the token was looked at.
"""

import asyncio
import functools
import logging
from collections.abc import Awaitable, Callable, Sequence

import uuid_utils
from aiohttp import web
from pydantic import BaseModel, ValidationError

from agent.ports.room import is_full
from agent.wire.uploads import EXECUTION_HEADER
from hub.api import problem, unreal
from hub.api.call import Call, Nothing, Sent, request_mac
from hub.api.problem import Fault, Refused
from hub.api.route import JSON_MAX_BYTES, PREFIX, Route
from hub.context import Hub
from hub.domain.access import Caller, Role, secret_hash
from hub.services import access, bots
from hub.storage.room import NoRoom

log = logging.getLogger(__name__)

KEY_MAX = 255
"""Longest Idempotency-Key."""
NOBODY = Caller(workspace_id="", workspace="", token_id="", name="nobody", role=Role.VIEWER)
"""Who calls an open route; it belongs to no workspace, so every query of it would find nothing."""

_NOTHING = Nothing()
_WORK = ("/tasks", "/queues/{queue}/", "/items/")
"""What is called all day and changes no key, automation or release."""

AiohttpHandler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def handler_of(hub: Hub, route: Route) -> AiohttpHandler:
    """The aiohttp handler of `route`."""
    return functools.partial(_guarded, functools.partial(_serve, hub, route))


def catch_all(hub: Hub, routes: Sequence[Route]) -> AiohttpHandler:
    """The handler of every other path and method below the prefix."""
    return functools.partial(_guarded, functools.partial(_no_route, hub, routes))


def guarded(serve: AiohttpHandler) -> AiohttpHandler:
    """A handler beside the table, whose refusals are problems too; who may call it is its own affair."""
    return functools.partial(_guarded, serve)


async def _guarded(serve: AiohttpHandler, request: web.Request) -> web.StreamResponse:
    """Whatever is raised becomes a problem; what nobody foresaw goes to the log and tells only its id (S54)."""
    correlation_id = f"req_{uuid_utils.uuid7().hex}"
    try:
        response = await serve(request)
    except web.HTTPException:
        raise
    except Exception as error:  # noqa: BLE001  # the rim of the API
        response = _refusal(error, request, correlation_id)
    if not response.prepared:
        response.headers["X-Request-Id"] = correlation_id
        response.headers.setdefault("Cache-Control", "no-store")
        response.headers["X-Content-Type-Options"] = "nosniff"
    return response


def _refusal(error: Exception, request: web.Request, correlation_id: str) -> web.Response:
    if isinstance(error, web.RequestPayloadError) or (isinstance(error, ConnectionError) and _is_gone(request)):
        # Whoever sent it cut it, or something between us: no error of ours, and nobody hears the answer.
        log.info("%s %s was cut: %s", request.method, request.rel_url.path, correlation_id)
        error = Refused(400, "cut", "The connection broke before the request was here.")
    elif isinstance(error, TimeoutError):
        error = Refused(503, "timeout", "The hub took too long. Try again.")
    elif is_full(error):
        error = NoRoom()
    found = problem.problem_of(error, correlation_id)
    if found is None:
        log.error("%s %s failed: %s", request.method, request.rel_url.path, correlation_id, exc_info=error)
        return problem.answer(problem.unforeseen(correlation_id))
    return problem.answer(*found)


def _is_gone(request: web.Request) -> bool:
    return request.transport is None or request.transport.is_closing()


async def _serve(hub: Hub, route: Route, request: web.Request) -> web.StreamResponse:
    secret, caller = await _authenticate(hub, route, request)
    if route.brings_more:
        hub.room.check()
    _path(route, request)
    is_open_ended = route.spec.streams or route.spec.upload
    async with asyncio.timeout(None if is_open_ended else route.spec.timeout_s):
        raw = b"" if route.spec.upload or route.method == "GET" else await _read(request)
        key = _key(route, request)
        call = Call(
            hub=hub,
            caller=caller,
            request=request,
            query=_query(route, request),
            body=_body(route, request, raw),
            status=route.spec.status,
            secret_answer=route.spec.secret,
            key=key,
            mac=b"" if key is None else request_mac(secret, request.method, request.rel_url.path_qs, raw),
            raw=raw,
        )
        answer = await route.handler(call)
        if route.method != "GET" and not route.path.startswith(_WORK):
            # Keys, automations, releases: what was changed here is seen by the very next call.
            hub.recent.clear()
        return _respond(route, answer)


async def _authenticate(hub: Hub, route: Route, request: web.Request) -> tuple[str, Caller]:
    if route.spec.role is None:
        return "", NOBODY
    execution_id = request.headers.get(EXECUTION_HEADER) if route.spec.bots else None
    secret, caller = await (authenticated(hub, request) if execution_id is None else _bot(hub, request, execution_id))
    if not caller.may(route.spec.role) or (route.spec.instance and not caller.instance):
        needed = "an instance admin" if route.spec.instance else f"the role {route.spec.role}"
        raise Refused(403, "role", f"This needs {needed}; the key {caller.name!r} has the role {caller.role}.")
    return secret, caller


async def authenticated(hub: Hub, request: web.Request) -> tuple[str, Caller]:
    """The token of a request and its caller; raises Refused (401) for none, a wrong kind, an expired or revoked one."""
    scheme, _, secret = request.headers.get("Authorization", "").partition(" ")
    secret = secret.strip()
    caller = None
    if scheme.lower() == "bearer" and secret:
        caller = await _holder(hub, secret)
    if caller is None:
        refused = Refused(401, "unauthenticated", "Send a live key: Authorization: Bearer byk_… (botyard key create).")
        refused.headers["WWW-Authenticate"] = 'Bearer realm="botyard"'
        raise refused
    if access.wants_touch(caller, hub.clock.now()) and not hub.room.is_full:
        await hub.store.write(access.touch, caller)
    return secret, caller


async def _bot(hub: Hub, request: web.Request, execution_id: str) -> tuple[str, Caller]:
    """A bot that calls through its runner: the ticket says which runner, and the execution must be one of its own."""
    _, _, ticket = request.headers.get("Authorization", "").partition(" ")
    session = hub.sessions.by_ticket(ticket.strip()) if ticket.strip() else None
    if session is None:
        raise Refused(401, "unauthenticated", "The runner's session is over.")
    caller = await hub.store.read(bots.caller, bots.speaker_of(session, execution_id))
    if caller is None:
        # Not 401: that would make the gateway wait for another session.
        raise Refused(403, "not_yours", "This execution is not one of this runner's.")
    return ticket, caller


async def _holder(hub: Hub, secret: str) -> Caller | None:
    known = secret_hash(secret)
    caller = hub.recent.callers.get(known)
    if caller is None:
        caller = await hub.store.read(access.authenticate, secret)
        if caller is not None and not access.wants_touch(caller, hub.clock.now()):
            hub.recent.callers.put(known, caller)
    return caller


async def _read(request: web.Request) -> bytes:
    """The body, at most `JSON_MAX_BYTES` of it, counted after decompression."""
    chunks, size = [], 0
    while chunk := await request.content.readany():
        chunks.append(chunk)
        size += len(chunk)
        if size > JSON_MAX_BYTES:
            raise Refused(413, "too_large", f"A body has at most {JSON_MAX_BYTES} bytes.")
    return b"".join(chunks)


def _path(route: Route, request: web.Request) -> None:
    """Refuse a NUL in the path: no name has one, and PostgreSQL takes none."""
    faults = [_no_nul(name) for name in route.parameters if "\0" in request.match_info[name]]
    if faults:
        raise Refused(400, "path", "The path can't be read.", faults)


def _no_nul(name: str) -> Fault:
    return Fault(field=name, message="has a NUL character", remedy="leave it out")


def _query(route: Route, request: web.Request) -> BaseModel:
    if route.query is Nothing and not request.rel_url.raw_query_string:
        return _NOTHING
    pairs = request.rel_url.query
    twice = sorted({name for name in pairs if len(pairs.getall(name)) > 1})
    if twice:
        faults = [Fault(field=name, message="given twice", remedy="give it once") for name in twice]
        raise Refused(400, "query", "A name stands twice in the query.", faults)
    if "\0" in "".join(pairs.values()):
        faults = [_no_nul(name) for name, value in pairs.items() if "\0" in value]
        raise Refused(400, "query", "The query can't be read.", faults)
    try:
        return route.query.model_validate(dict(pairs))
    except ValidationError as error:
        raise Refused(400, "query", "The query can't be read.", problem.faults_of(error)) from None


def _body(route: Route, request: web.Request, raw: bytes) -> BaseModel:
    if route.body is None:
        if raw:
            raise Refused(400, "body", "This takes no body.")
        return _NOTHING
    if not raw and not any(field.is_required() for field in route.body.model_fields.values()):
        return route.body()
    if request.content_type != "application/json":
        raise Refused(415, "content_type", "Send Content-Type: application/json.")
    if found := unreal.faults_of(raw):
        raise Refused(422, "body", "The body can't be taken.", found)
    try:
        return route.body.model_validate_json(raw)
    except ValidationError as error:
        faults = problem.faults_of(error)
        unreadable = any(one["type"] == "json_invalid" for one in error.errors(include_input=False))
        raise Refused(400 if unreadable else 422, "body", "The body can't be taken.", faults) from None


def _key(route: Route, request: web.Request) -> str | None:
    key = request.headers.get("Idempotency-Key")
    if key is None or not route.takes_key:
        return None
    if not 0 < len(key) <= KEY_MAX or not key.isascii() or not key.isprintable():
        raise Refused(400, "idempotency_key", f"An Idempotency-Key has 1 to {KEY_MAX} printable characters.")
    return key


def _respond(route: Route, answer: BaseModel | Sent[BaseModel] | web.StreamResponse) -> web.StreamResponse:
    match answer:
        case web.StreamResponse():
            return answer
        case Sent(answered=answered):
            headers = {"Idempotent-Replayed": "true"} if answered.replayed else None
            return _json(answered.body, answered.status, headers)
        case _:
            return _json(answer.model_dump_json().encode(), route.spec.status)


def _json(body: bytes, status: int, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(body=body, status=status, headers=headers, content_type="application/json")


async def _no_route(hub: Hub, routes: Sequence[Route], request: web.Request) -> web.StreamResponse:
    await authenticated(hub, request)
    path = request.rel_url.path.removeprefix(PREFIX)
    allowed = sorted({route.method for route in routes if _fits(route, path)})
    if not allowed:
        raise Refused(404, "no_route", f"There is no such path; {PREFIX}/openapi.json has all of them.")
    refused = Refused(405, "method", f"Here only {', '.join(allowed)}.")
    refused.headers["Allow"] = ", ".join(allowed)
    raise refused


def _fits(route: Route, path: str) -> bool:
    ours, theirs = route.path.split("/"), path.split("/")
    return len(ours) == len(theirs) and all(a.startswith("{") or a == b for a, b in zip(ours, theirs, strict=True))
