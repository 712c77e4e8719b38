"""The command line's HTTP client: JSON calls, uploads, and server-sent events, over the standard library.

Calls that change something carry an Idempotency-Key, so that one that lost its answer on the way is safely sent again.
"""

import http.client
import json
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO
from urllib.parse import quote, urlencode, urlsplit

import uuid_utils

from agent.ports.proxies import BadProxy, Proxy, proxy_for
from agent.ports.trust import BadAuthority, client_context, tls_fault
from hub.cli.failing import Exit, Failure, Refusal, Unreached
from hub.cli.profile import Profile

API = "/api/v1"
TIMEOUT_S = 35.0
"""Longest silence of a connection; a stream beats every 10 s."""
ATTEMPTS = 3

LOST = (OSError, http.client.HTTPException)
"""What a broken connection raises."""

Query = Mapping[str, str | int | bool | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerEvent:
    """One server-sent event."""

    name: str
    data: str
    id: str


@dataclass(slots=True, kw_only=True)
class Upload:
    """A body that is sent as it is read."""

    file: BinaryIO
    size_bytes: int
    content_type: str


@dataclass(slots=True)
class Client:
    """Talks to one hub with one key."""

    profile: Profile
    timeout_s: float = TIMEOUT_S
    _tls: ssl.SSLContext | None = field(default=None, init=False)

    @property
    def url(self) -> str:
        """Where the hub is."""
        return self.profile.url

    def get(self, path: str, query: Query | None = None) -> Any:
        """The JSON at `path` (below /api/v1). Raises Refusal, Unreached."""
        return self._json("GET", path, query)

    def post(self, path: str, body: Mapping[str, Any] | None = None, query: Query | None = None) -> Any:
        """Change something, once, however often it has to be sent. Raises Refusal, Unreached."""
        return self._json("POST", path, query, body)

    def patch(self, path: str, body: Mapping[str, Any]) -> Any:
        """Change members of something. Raises Refusal, Unreached."""
        return self._json("PATCH", path, None, body)

    def delete(self, path: str) -> Any:
        """Remove something. Raises Refusal, Unreached."""
        return self._json("DELETE", path, None)

    def all(self, path: str, query: Query | None = None) -> Iterator[Any]:
        """Every item of a listing, page by page."""
        cursor: str | None = None
        while True:
            page = self.get(path, {**(query or {}), "cursor": cursor})
            yield from page["items"]
            cursor = page["next"]
            if cursor is None:
                return

    def page(self, path: str) -> dict[str, Any]:
        """Status and text of a page beside the API, such as ``/readyz``. Raises Unreached."""
        try:
            connection, answer = self._send("GET", path, {}, None)
            with connection:
                return {"status": answer.status, "text": answer.read().decode(errors="replace")}
        except LOST as error:
            raise _lost(self.profile, error) from None

    def certificate(self) -> bytes | None:
        """The certificate, DER, that this hub (or a proxy before it) shows and that we trust; None for plain http.

        Raises Unreached.
        """
        try:
            connection = self._connect()
            with _Open(connection):
                connection.connect()
                wire = connection.sock
                return wire.getpeercert(binary_form=True) if isinstance(wire, ssl.SSLSocket) else None
        except LOST as error:
            raise _lost(self.profile, error) from None

    def upload(self, path: str, body: Upload, query: Query, method: str = "POST") -> Any:
        """Send a file. Not repeated by itself: the caller sees it fail, and sending it again is harmless."""
        headers = {"Content-Type": body.content_type, "Content-Length": str(body.size_bytes)}
        try:
            connection, answer = self._send(method, _target(path, query), headers, body.file)
            with connection:
                return _decoded(answer)
        except LOST as error:
            raise _lost(self.profile, error) from None

    def download(self, path: str, query: Query | None = None, start: int = 0) -> Iterator[bytes]:
        """The bytes at `path` from `start` on, in pieces. Raises Refusal, Unreached (also in the middle)."""
        headers = {"Range": f"bytes={start}-"} if start else {}
        try:
            connection, answer = self._send("GET", _target(path, query), headers, None)
            with connection:
                _refuse(answer)
                while piece := answer.read1(256 * 1024):
                    yield piece
                if answer.length:
                    # read1 takes a connection that was cut off for the end.
                    raise http.client.IncompleteRead(b"", answer.length)
        except LOST as error:
            raise _lost(self.profile, error) from None

    def events(self, path: str, query: Query, last_id: str) -> Iterator[ServerEvent]:
        """Server-sent events of one connection; ends when the hub ends the stream.

        Raises Refusal, and what a lost connection raises (`LOST`): the caller goes on from the last id it has seen.
        """
        headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": last_id} if last_id else {})
        connection, answer = self._send("GET", _target(path, query), headers, None)
        with connection:
            _refuse(answer)
            yield from _events(answer)

    def _json(self, method: str, path: str, query: Query | None, body: Mapping[str, Any] | None = None) -> Any:
        headers = {}
        if method != "GET":
            headers["Idempotency-Key"] = uuid_utils.uuid4().hex
        raw = None if body is None else json.dumps(body).encode()
        if raw is not None:
            headers["Content-Type"] = "application/json"
        lost: Exception | None = None
        for _ in range(1 if method == "PATCH" else ATTEMPTS):
            try:
                connection, answer = self._send(method, _target(path, query), headers, raw)
                with connection:
                    return _decoded(answer)
            except LOST as error:
                lost = error
                if isinstance(error, ConnectionRefusedError | ssl.SSLError):
                    break
        raise _lost(self.profile, lost) from None

    def _send(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes | BinaryIO | None
    ) -> tuple["_Open", http.client.HTTPResponse]:
        connection = self._connect()
        try:
            sent = {"Authorization": f"Bearer {self.profile.token}", "User-Agent": "botyard", **headers}
            connection.request(method, target, body=body, headers=sent)
            return _Open(connection), connection.getresponse()
        except BaseException:
            connection.close()
            raise

    def _connect(self) -> http.client.HTTPConnection:
        parts = urlsplit(self.url)
        host, port = parts.hostname or "", parts.port
        proxy = _proxy_for(self.url)
        via, via_port = (proxy.host, proxy.port) if proxy else (host, port)
        connection: http.client.HTTPConnection
        if parts.scheme == "http":
            connection = http.client.HTTPConnection(via, via_port, timeout=self.timeout_s)
        else:
            connection = http.client.HTTPSConnection(via, via_port, timeout=self.timeout_s, context=self._context())
        if proxy is not None:
            connection.set_tunnel(host, port or (80 if parts.scheme == "http" else 443), proxy.headers)
        return connection

    def _context(self) -> ssl.SSLContext:
        if self._tls is None:
            try:
                self._tls = client_context(self.profile.ca)
            except BadAuthority as error:
                raise Failure(f"{error} (BOTYARD_CA, or botyard login --ca FILE)", Exit.USAGE) from None
        return self._tls


@dataclass(frozen=True, slots=True)
class _Open:
    """A connection that is closed at the end of a `with`."""

    connection: http.client.HTTPConnection

    def __enter__(self) -> None:
        """Nothing to do: it is open."""

    def __exit__(self, *_: object) -> None:
        self.connection.close()


def segment(value: str) -> str:
    """A value as one segment of a path. Raises Failure for what can't be a name."""
    if value.strip() in {"", ".", ".."}:
        raise Failure(f"{value!r} names nothing; give an id, a number, a label or a name.", Exit.USAGE)
    return quote(value, safe="")


def _target(path: str, query: Query | None) -> str:
    said = {name: _text(value) for name, value in (query or {}).items() if value is not None}
    return API + path + (f"?{urlencode(said)}" if said else "")


def _text(value: str | int | bool | None) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _decoded(answer: http.client.HTTPResponse) -> Any:
    _refuse(answer)
    return json.loads(answer.read())


def _refuse(answer: http.client.HTTPResponse) -> None:
    if answer.status < 400:
        return
    try:
        problem = json.loads(answer.read())
    except ValueError:
        problem = {}
    raise Refusal(answer.status, problem if isinstance(problem, dict) else {})


def _events(answer: http.client.HTTPResponse) -> Iterator[ServerEvent]:
    """Events as the SSE specification has them; an event cut off at the end of the stream does not count."""
    name, event_id = "message", ""
    data: list[str] = []
    while line := answer.readline():
        text = line.decode().rstrip("\r\n")
        if not text:
            if data:
                yield ServerEvent(name=name, data="\n".join(data), id=event_id)
            name, data = "message", []
            continue
        member, _, value = text.partition(":")
        value = value.removeprefix(" ")
        match member:
            case "event":
                name = value
            case "id":
                event_id = value
            case "data":
                data.append(value)


def _proxy_for(url: str) -> Proxy | None:
    parts = urlsplit(url)
    try:
        return proxy_for(parts.scheme, parts.hostname or "", parts.port or (80 if parts.scheme == "http" else 443))
    except BadProxy as error:
        raise Failure(str(error), Exit.USAGE) from None


def _lost(profile: Profile, error: Exception | None) -> Failure:
    """Why there is no answer, and what to do about it."""
    if isinstance(error, ssl.SSLError):
        host = urlsplit(profile.url).hostname or ""
        why = tls_fault(error, host, "BOTYARD_CA=FILE, or botyard login URL --ca FILE, or add it to the system's store")
        return Failure(f"{profile.url}: {why}", Exit.UNREACHED)
    if isinstance(error, http.client.HTTPException):
        return Unreached(profile.url, "what answers there speaks no HTTP", "Is it https://, or another port?")
    words = error.strerror if isinstance(error, OSError) else None
    return Unreached(profile.url, words or str(error) or type(error).__name__)
