"""The hub's files over HTTPS, with the ticket of the session that is open now (P2)."""

import asyncio
from collections.abc import AsyncIterator, Callable
from http import HTTPStatus
from typing import TYPE_CHECKING

from agent.builds.errors import GoneAtHubError, HubUnreachableError, PreparationError
from agent.gateway_port import Forward

if TYPE_CHECKING:
    import aiohttp

PIECE_BYTES = 256 * 1024
_CONNECT_S = 10.0
_SILENCE_S = 35.0
_UPLOAD_S = 60.0
_ANSWERS = frozenset({HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT})


class TicketedHub:
    """`HubFiles` over one HTTP client; aiohttp is imported when it is first needed (libraries.md)."""

    def __init__(self, forward: Callable[[], Forward | None]) -> None:
        """`forward` answers where calls go at this moment, None while no session is open."""
        self._forward = forward

    async def download(self, path: str, start: int = 0) -> AsyncIterator[bytes]:
        """The bytes at `path` from `start` on. Raises HubUnreachableError (also midway) and GoneAtHubError."""
        import aiohttp

        forward = self._open()
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_S, sock_read=_SILENCE_S)
        headers = _headers(forward) | ({"Range": f"bytes={start}-"} if start else {})
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout, auto_decompress=False) as client,
                client.get(f"{forward.base_url}{path}", headers=headers, **forward.how) as answer,
            ):
                await _check(answer, path)
                async for piece in _from(answer, start):
                    yield piece
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise HubUnreachableError(str(error) or type(error).__name__) from None

    async def upload(self, path: str, data: bytes) -> None:
        """PUT `data`. Raises HubUnreachableError, and PreparationError when the hub refuses it."""
        import aiohttp

        forward = self._open()
        url = f"{forward.base_url}{path}"
        try:
            async with (
                asyncio.timeout(_UPLOAD_S),
                aiohttp.ClientSession() as client,
                client.put(url, data=data, headers=_headers(forward), **forward.how) as answer,
            ):
                await _check(answer, path)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise HubUnreachableError(str(error) or type(error).__name__) from None

    def _open(self) -> Forward:
        forward = self._forward()
        if forward is None:
            raise HubUnreachableError("there is no session")
        return forward


async def _from(answer: "aiohttp.ClientResponse", start: int) -> AsyncIterator[bytes]:
    """An answer's bytes from `start` on; a server that knows no ranges sends those before it again."""
    skip = 0 if answer.status == HTTPStatus.PARTIAL_CONTENT else start
    async for piece in answer.content.iter_chunked(PIECE_BYTES):
        kept, skip = piece[skip:], max(0, skip - len(piece))
        if kept:
            yield kept


def _headers(forward: Forward) -> dict[str, str]:
    return {"Authorization": f"Bearer {forward.ticket}"}


async def _check(answer: "aiohttp.ClientResponse", path: str) -> None:
    if answer.status in {*_ANSWERS, HTTPStatus.CREATED, HTTPStatus.NO_CONTENT}:
        return
    what = path.partition("?")[0].rpartition("/")[2]
    if answer.status in {HTTPStatus.NOT_FOUND, HTTPStatus.GONE}:
        raise GoneAtHubError(what)
    if answer.status == HTTPStatus.CONFLICT:
        # Another runner was first: its list counts, and the next `Desired` names it.
        return
    if answer.status in {HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY}:
        said = (await answer.text())[:500]
        raise PreparationError(f"the hub refuses {what}: {said}", is_permanent=True)
    raise HubUnreachableError(f"it answered {answer.status} for {what}")
