"""What runners ask by HTTPS with their session's ticket: files of builds, resolved lists, artifacts (S8).

A runner reads nothing else of the hub. Every answer is authorised by the ticket's workspace; the ticket dies with the
socket that it was given on (P2).
"""

import asyncio
import logging
import re
import secrets
from collections.abc import Awaitable, Callable

from aiohttp import web

from agent.wire.builds import LOCK_MAX_BYTES
from agent.wire.enrolment import ENROL_PATH
from agent.wire.screens import SCREEN_ROUTE
from agent.wire.uploads import ARTIFACT_ROUTE, EXECUTION_HEADER, OFFSET_HEADER
from hub.context import Hub
from hub.errors import BotyardError, Conflict, Forbidden, Invalid, NotFound, Unavailable
from hub.runners import enrolment, screens
from hub.runners.session import RunnerSession
from hub.runners.sessions import Sessions
from hub.runners.uploads import TooLarge, Uploads, read_part
from hub.services import artifacts, bots
from hub.services.build_files import BuildFiles

log = logging.getLogger(__name__)

_SHA256 = re.compile(r"[0-9a-f]{64}\Z")
_STATUS = ((NotFound, 404), (TooLarge, 413), (Invalid, 422), (Conflict, 409), (Forbidden, 403), (Unavailable, 503))
_TIMEOUT_S = 30.0
Handler = Callable[[RunnerSession, web.Request], Awaitable[web.StreamResponse]]


class NoTicket(Exception):  # noqa: N818 - the caller's lack
    """The ticket is missing, or its session is over (401): the runner comes again with its next one."""


class RunnerHttp:
    """The routes below ``/runner/v1`` but for the websocket."""

    def __init__(self, hub: Hub, sessions: Sessions) -> None:
        self._hub = hub
        self._sessions = sessions
        self._builds = BuildFiles(hub.store, hub.blobs)
        self._uploads = Uploads(hub.settings.data / "uploads", hub.disk, hub.clock, hub.blobs)

    def routes(self) -> list[web.RouteDef]:
        """All of them."""
        return [
            web.post(ENROL_PATH, self._shaped(self._enrol)),
            web.get("/runner/v1/builds/{digest}/manifest", self._ticketed(self._manifest)),
            web.get("/runner/v1/builds/{digest}/lock", self._ticketed(self._lock)),
            web.put("/runner/v1/builds/{digest}/lock", self._ticketed(self._put_lock)),
            web.get("/runner/v1/builds/{digest}/requirements", self._ticketed(self._requirements)),
            web.get("/runner/v1/blobs/{sha256}", self._ticketed(self._blob)),
            web.head(ARTIFACT_ROUTE, self._ticketed(self._has_artifact)),
            web.put(ARTIFACT_ROUTE, self._ticketed(self._put_artifact)),
            web.put(SCREEN_ROUTE, self._ticketed(self._put_screen)),
        ]

    # --- the rim ---

    def _ticketed(self, handler: Handler) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def serve(request: web.Request) -> web.StreamResponse:
            session = self._sessions.by_ticket(enrolment.bearer(request))
            if session is None:
                raise NoTicket
            return await handler(session, request)

        return self._shaped(serve)

    def _shaped(
        self, serve: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def shaped(request: web.Request) -> web.StreamResponse:
            try:
                return await serve(request)
            except NoTicket:
                return _refusal(401, "no_ticket", "The session's ticket is missing or its session is over.")
            except BotyardError as error:
                status = next(code for family, code in _STATUS if isinstance(error, family))
                refused = _refusal(status, error.code, error.message)
                if "offset" in error.details:
                    refused.headers[OFFSET_HEADER] = str(error.details["offset"])
                return refused
            except (ConnectionError, web.HTTPException):
                raise  # nobody is left to answer, or it is an answer
            except TimeoutError:
                return _refusal(503, "timeout", "The hub took too long. Try again.")
            except Exception:  # the rim of a request: the runner gets a number, our log gets the story (S54)
                number = f"req_{secrets.token_hex(8)}"
                log.exception("%s %s failed: %s", request.method, request.rel_url.path, number)
                text = f"The hub failed. Its log has the cause under {number}."
                return _refusal(500, "internal", text, correlation_id=number)

        return shaped

    # --- enrolment ---

    async def _enrol(self, request: web.Request) -> web.StreamResponse:
        async with asyncio.timeout(_TIMEOUT_S):
            return await enrolment.enrol(self._hub, request)

    # --- builds ---

    async def _manifest(self, session: RunnerSession, request: web.Request) -> web.StreamResponse:
        body = await self._builds.manifest(session.workspace_id, _digest(request, "digest"))
        return web.Response(body=body, content_type="application/json")

    async def _lock(self, session: RunnerSession, request: web.Request) -> web.StreamResponse:
        body = await self._builds.lock(session.workspace_id, _build_id(request))
        return web.Response(body=body, content_type="text/plain")

    async def _put_lock(self, session: RunnerSession, request: web.Request) -> web.StreamResponse:
        self._hub.room.check()
        body = bytearray()
        async for piece in request.content.iter_chunked(64 * 1024):
            body += piece
            if len(body) > LOCK_MAX_BYTES:
                raise TooLarge("too_large", f"A list has at most {LOCK_MAX_BYTES} bytes.")
        key = session.key
        is_first = await self._builds.accept_lock(key.workspace_id, key.runner_id, _build_id(request), bytes(body))
        return web.Response(status=201 if is_first else 200)

    async def _requirements(self, session: RunnerSession, request: web.Request) -> web.StreamResponse:
        text = await self._builds.requirements(session.workspace_id, _build_id(request))
        return web.Response(text=text, content_type="text/plain")

    async def _blob(self, session: RunnerSession, request: web.Request) -> web.StreamResponse:
        digest = request.query.get("build", "")
        blob = await self._builds.file(session.workspace_id, _checked(digest), _digest(request, "sha256"))
        start, stop = _range(request, blob.size_bytes)
        response = web.StreamResponse(status=200 if (start, stop) == (0, blob.size_bytes) else 206)
        response.content_type = "application/octet-stream"
        response.content_length = stop - start
        if response.status == 206:
            response.headers["Content-Range"] = f"bytes {start}-{stop - 1}/{blob.size_bytes}"
        await response.prepare(request)
        async for piece in self._builds.read(blob, start, stop - start):
            await response.write(piece)
        await response.write_eof()
        return response

    # --- artifacts ---

    async def _has_artifact(self, session: RunnerSession, request: web.Request) -> web.StreamResponse:
        sha256 = _digest(request, "sha256")
        await self._speaker(session, request)
        if await self._hub.store.read(artifacts.has, session.workspace_id, sha256):
            return web.Response(status=200)
        offset = await asyncio.to_thread(self._uploads.offset, session.workspace_id, sha256)
        return web.Response(status=404, headers={OFFSET_HEADER: str(offset)})

    async def _put_artifact(self, session: RunnerSession, request: web.Request) -> web.StreamResponse:
        sha256 = _digest(request, "sha256")
        part = read_part(request)
        self._hub.room.check()
        await self._speaker(session, request)
        blob = await self._uploads.take(session.workspace_id, sha256, part, request)
        if blob is None:
            return web.Response(status=202)
        await self._hub.store.write(artifacts.own, session.workspace_id, blob)
        return web.Response(status=201)

    async def _put_screen(self, session: RunnerSession, request: web.Request) -> web.StreamResponse:
        return await screens.take(self._hub.screens, session.runner_id, request)

    async def _speaker(self, session: RunnerSession, request: web.Request) -> None:
        speaker = bots.speaker_of(session, request.headers.get(EXECUTION_HEADER, ""))
        if not await self._hub.store.read(artifacts.is_own, speaker):
            raise Forbidden("not_yours", "This execution is not one of this runner's.")


def _digest(request: web.Request, name: str) -> str:
    return _checked(request.match_info[name])


def _checked(text: str) -> str:
    if not _SHA256.match(text):
        raise NotFound("no_such", "There is no such thing here.")
    return text


def _build_id(request: web.Request) -> str:
    return request.query.get("build", "")


def _range(request: web.Request, size: int) -> tuple[int, int]:
    """(start, stop) of the asked bytes; everything when no range is asked for."""
    try:
        wanted = request.http_range
    except ValueError:
        raise Invalid("bad_range", "Range reads bytes=FIRST-LAST.") from None
    start, stop, _ = wanted.indices(size)
    return (start, stop) if start < stop else (0, size)


def _refusal(status: int, code: str, message: str, **more: str) -> web.Response:
    return web.json_response({"code": code, "message": message, **more}, status=status)
