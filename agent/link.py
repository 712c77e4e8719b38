"""The websocket to the hub: the only place of the runner's own protocol that touches the network (P8, P10, S6).

`Link` is what the daemon needs of a connection, `dial` makes one; `Backoff` says when to try again. No compression
(14 KB a connection instead of 60), frames of at most 1 MiB. The send buffer is small on purpose: what waits in it
cannot be overtaken by a fact; `agent/pace.py` sees to the buffers that are not ours.

Whether the other end lives is decided in one place, `Session.tick`: no byte for the time that `welcome` names. A ping
every 15 s goes out beside the heartbeats, but its pong has no time limit of its own: a hub that was stopped for 20 s
and then answers is alive (R7), and on a slow line a pong stands behind a large order (R44, P8: any byte counts).
"""

import asyncio
import secrets
import socket
import ssl
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidProxyStatus, InvalidStatus, ProxyError
from websockets.http11 import Response

from agent.errors import SetupError
from agent.ports.proxies import LOOPBACK, BadProxy, Proxy, proxy_for
from agent.ports.trust import BadAuthority, client_context, tls_fault
from agent.wire.enrolment import LINK_PATH, NONCE_HEADER
from agent.wire.limits import FRAME_MAX_BYTES, HANDSHAKE_S, PING_S

_KNOWN_AUTHORITY = "name its file as ca in agent.toml (or enroll --ca FILE), or add it to the system's store"
_SEND_BUFFER_BYTES = 128 * 1024
_TCP_THIN_LINEAR_TIMEOUTS = 16
"""Of <linux/tcp.h>: Python's `socket` has no name for it."""
_FRAMES_READ_AHEAD = 64
_CLOSE_S = 2.0
_HINT_DIGITS = 4
"""Of a Retry-After that is believed: who asks for more than three hours means something else."""

FIRST_CAP_S = 5.0
LATER_CAP_S = 60.0
FIRST_PERIOD_S = 120.0
STABLE_S = 60.0


class LinkClosedError(Exception):
    """The connection is gone; the text says how, as far as this side knows."""

    def __init__(self, text: str, retry_after_s: float | None = None) -> None:
        super().__init__(text)
        self.retry_after_s = retry_after_s
        """The hub's word on when to try again (P10)."""


class _Straight(connect):
    """Goes where it was told and nowhere else: a captive portal answers with a redirect too (R52)."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        """Follow nothing."""
        return exc


class Link(Protocol):
    """One open connection, frames whole and in order."""

    async def send(self, frame: str | bytes) -> None:
        """Send a frame; returns when the buffer has room again. Raises LinkClosedError."""
        ...

    async def receive(self) -> str | bytes:
        """The next frame. Raises LinkClosedError."""
        ...

    async def close(self, reason: str) -> None:
        """Close in an orderly way, for at most two seconds."""
        ...

    def silent_s(self) -> float:
        """Seconds since the last byte came, of whatever kind: part of a frame, a pong (P8)."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where the hub is."""

    origin: str
    """``scheme://host:port`` of its HTTP side; signed into `hello`, base of forwarded calls."""
    link_url: str
    is_secure: bool


def parse_address(url: str, *, insecure: bool) -> Address:
    """Read a hub's URL; raises SetupError for a wrong one, and for plain http to another machine unless `insecure`."""
    parts = urlsplit(url if "//" in url else f"https://{url}")
    if parts.scheme not in {"https", "http"} or not parts.hostname:
        raise SetupError(f"{url!r} is no address of a hub: use https://HOST[:PORT]")
    if parts.path.strip("/") or parts.query:
        raise SetupError(f"{url!r}: give the hub's address without a path")
    is_secure = parts.scheme == "https"
    if not is_secure and not insecure and parts.hostname not in LOOPBACK:
        raise SetupError(f"{url} would send everything in plain text: use https, or --insecure if you mean it")
    try:
        port = parts.port or (443 if is_secure else 80)
    except ValueError:
        raise SetupError(f"{url!r} has no valid port") from None
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    link = f"{'wss' if is_secure else 'ws'}://{host}:{port}{LINK_PATH}"
    return Address(origin=f"{parts.scheme}://{host}:{port}", link_url=link, is_secure=is_secure)


def tls_context(ca: Path | None = None) -> ssl.SSLContext:
    """TLS against the system's own store of authorities, and those in `ca`. Raises SetupError for an unusable file."""
    try:
        return client_context(ca)
    except BadAuthority as error:
        raise SetupError(str(error)) from None


def proxy_to(address: Address, chosen: str | None) -> Proxy | None:
    """The proxy on the way, by setting or environment. Raises SetupError for one that can't be used."""
    parts = urlsplit(address.origin)
    try:
        return proxy_for(parts.scheme, parts.hostname or "", parts.port or 0, chosen)
    except BadProxy as error:
        raise SetupError(str(error)) from None


def why_unreached(error: Exception, address: Address, proxy: Proxy | None = None) -> str:
    """One sentence for a person: what went wrong on the way to the hub, and the remedy (R51)."""
    host = urlsplit(address.origin).hostname or ""
    if isinstance(error, ssl.SSLError):
        return tls_fault(error, host, _KNOWN_AUTHORITY)
    text = _no_way(error)
    return f"{text} (by {proxy.shown})" if proxy is not None and isinstance(error, OSError) else text


def _no_way(error: Exception) -> str:
    """The system's words with what mends it; the order counts, as they are kinds of one another."""
    match error:
        case ConnectionRefusedError():
            return "nothing listens there (connection refused): is the hub up, the port right?"
        case socket.gaierror():
            return f"its name has no address ({error.strerror or error}): look at the name and at DNS"
        case TimeoutError():
            return "no answer in time: is the machine up, the way open (firewall, proxy)?"
        case _:
            return str(error) or type(error).__name__


def make_nonce() -> str:
    """The runner's part of the hub's proof."""
    return secrets.token_hex(32)


class _HeardConnection(ClientConnection):
    """A connection that knows when its last byte came."""

    heard_s: float
    """By the loop's clock."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to count."""
        self.heard_s = self.loop.time()
        _tune(transport.get_extra_info("socket"))
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """Any byte counts (P8)."""
        self.heard_s = self.loop.time()
        super().data_received(data)


def _tune(wire: socket.socket | None) -> None:
    """On a line that loses packets, send a lost heartbeat again without ever longer pauses (R44).

    A stream with few packets under way is no congestion: its timeouts need not double.
    """
    if wire is not None and sys.platform == "linux":
        wire.setsockopt(socket.IPPROTO_TCP, _TCP_THIN_LINEAR_TIMEOUTS, 1)


class WebSocketLink:
    """A `Link` on websockets."""

    def __init__(self, connection: _HeardConnection) -> None:
        self._connection = connection

    async def send(self, frame: str | bytes) -> None:
        """Send a frame; returns when the buffer has room again. Raises LinkClosedError."""
        try:
            await self._connection.send(frame)
        except ConnectionClosed as error:
            raise LinkClosedError(str(error)) from None

    async def receive(self) -> str | bytes:
        """The next frame. Raises LinkClosedError."""
        try:
            frame = await self._connection.recv()
        except ConnectionClosed as error:
            raise LinkClosedError(str(error)) from None
        return frame

    async def close(self, reason: str) -> None:
        """Close in an orderly way, for at most two seconds."""
        try:
            # The library's own limit begins when its last bytes are handed over, which a dead line never takes (R42).
            async with asyncio.timeout(_CLOSE_S):
                # A reason longer than a control frame may be is an error of its own.
                await self._connection.close(1000, reason.encode()[:100].decode("utf-8", "ignore"))
        except (TimeoutError, ConnectionClosed):
            self._connection.transport.abort()

    def silent_s(self) -> float:
        """Seconds since the last byte came."""
        return self._connection.loop.time() - self._connection.heard_s


Dial = Callable[[Address, str, ssl.SSLContext | None, Proxy | None], Awaitable[Link]]
"""What makes a connection to an address, with the runner's nonce."""


async def dial(address: Address, nonce: str, context: ssl.SSLContext | None, proxy: Proxy | None = None) -> Link:
    """Connect and upgrade. Raises OSError, TimeoutError or LinkClosedError; only a valid 101 counts (R52)."""
    try:
        connection = await _Straight(
            address.link_url,
            ssl=context if address.is_secure else None,
            additional_headers={NONCE_HEADER: nonce},
            proxy=proxy.url_with_credentials if proxy else None,
            compression=None,
            max_size=FRAME_MAX_BYTES,
            max_queue=_FRAMES_READ_AHEAD,
            write_limit=_SEND_BUFFER_BYTES,
            open_timeout=HANDSHAKE_S,
            ping_interval=PING_S,
            ping_timeout=None,
            create_connection=_HeardConnection,
            close_timeout=_CLOSE_S,
            user_agent_header=None,
        )
    except InvalidStatus as error:
        raise _no_upgrade(error.response) from None
    except InvalidProxyStatus as error:
        raise LinkClosedError(_refused_by(proxy, error.response.status_code)) from None
    except ProxyError:
        raise LinkClosedError(f"{proxy.shown if proxy else 'the proxy'} did not answer like one") from None
    except InvalidHandshake as error:
        raise LinkClosedError(f"not a hub of ours: {error}") from None
    assert isinstance(connection, _HeardConnection)
    return WebSocketLink(connection)


def _no_upgrade(response: Response) -> LinkClosedError:
    status, wait = response.status_code, response.headers.get("Retry-After", "")
    if status < 400:
        text = f"no hub answers there, but something with {status}: the login page of this network, or a proxy?"
        return LinkClosedError(text)
    hint_s = float(wait) if len(wait) <= _HINT_DIGITS and wait.isdecimal() else None
    return LinkClosedError(f"the hub answered {status} to the upgrade", hint_s)


def _refused_by(proxy: Proxy | None, status: int) -> str:
    shown = proxy.shown if proxy else "the proxy"
    if status == 407:
        wrong = "does not take its name and password" if proxy and proxy.user else "asks for a name and password"
        return f"{shown} {wrong}: http://USER:PASSWORD@HOST:PORT as proxy in agent.toml, or HTTPS_PROXY"
    return f"{shown} answered {status}: does it let this machine through to the hub?"


@dataclass(slots=True)
class Backoff:
    """When to try again (P10): at once, then U(0, min(cap, 0.5 * 2^n)); a hint of the hub wins.

    The cap is 5 s for the first two minutes *without a session*: a hub that was there in between, however shortly, is
    looked for as one that has just gone. Only n needs a link that was stable for a minute.

    ``uniform(low, high)`` is the randomness.
    """

    uniform: Callable[[float, float], float]
    _failures: int = field(default=0, init=False)
    _failing_since: float = field(default=0.0, init=False)

    def delay_s(self, now: float, *, connected_for_s: float = 0.0, hint_s: float | None = None) -> float:
        """Seconds until the next attempt, after a session that was open for `connected_for_s` ended at `now`."""
        if connected_for_s >= STABLE_S:
            self._failures = 0
        if self._failures == 0 or connected_for_s > 0:
            self._failing_since = now
        self._failures += 1
        if hint_s is not None:
            # Spread by the hub already; a little more, so that equal hints do not meet again.
            return hint_s + self.uniform(0.0, min(1.0, hint_s / 10))
        cap = FIRST_CAP_S if now - self._failing_since < FIRST_PERIOD_S else LATER_CAP_S
        return self.uniform(0.0, min(cap, 0.5 * 2 ** min(self._failures - 1, 16)))


async def wait_for_retry(delay_s: float, hurry: asyncio.Event) -> None:
    """Sleep, less long when somebody is in a hurry (the daemon ends)."""
    try:
        async with asyncio.timeout(delay_s):
            await hurry.wait()
    except TimeoutError:
        return
