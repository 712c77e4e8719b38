"""The websocket to the hub: the only place of the runner's own protocol that touches the network (P8, P10, S6).

`Link` is what the daemon needs of a connection, `dial` makes one; `Backoff` says when to try again. No compression
(14 KB a connection instead of 60), frames of at most 1 MiB, pings both ways. The send buffer is small on purpose: what
waits in it cannot be overtaken by a fact.
"""

import asyncio
import secrets
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidProxyStatus, InvalidStatus, ProxyError

from agent.errors import SetupError
from agent.ports.proxies import LOOPBACK, BadProxy, Proxy, proxy_for
from agent.ports.trust import BadAuthority, client_context, tls_fault
from agent.wire.enrolment import LINK_PATH, NONCE_HEADER
from agent.wire.limits import FRAME_MAX_BYTES, HANDSHAKE_S, PING_S, SILENCE_S

_KNOWN_AUTHORITY = "name its file as ca in agent.toml (or enroll --ca FILE), or add it to the system's store"
_SEND_BUFFER_BYTES = 128 * 1024
_FRAMES_READ_AHEAD = 64
_CLOSE_S = 2.0

FIRST_CAP_S = 5.0
LATER_CAP_S = 60.0
FIRST_PERIOD_S = 120.0
STABLE_S = 60.0


class LinkClosedError(Exception):
    """The connection is gone; the text says how, as far as this side knows."""


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
    text = str(error) or type(error).__name__
    return f"{text} (by {proxy.shown})" if proxy is not None and isinstance(error, OSError) else text


def make_nonce() -> str:
    """The runner's part of the hub's proof."""
    return secrets.token_hex(32)


class WebSocketLink:
    """A `Link` on websockets."""

    def __init__(self, connection: ClientConnection) -> None:
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
        # A reason longer than a control frame may be is an error of its own.
        await self._connection.close(1000, reason.encode()[:100].decode("utf-8", "ignore"))


async def dial(address: Address, nonce: str, context: ssl.SSLContext | None, proxy: Proxy | None = None) -> Link:
    """Connect and upgrade. Raises OSError, TimeoutError or LinkClosedError; only a valid 101 counts (R52)."""
    try:
        connection = await connect(
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
            ping_timeout=SILENCE_S - PING_S,
            close_timeout=_CLOSE_S,
            user_agent_header=None,
        )
    except InvalidStatus as error:
        raise LinkClosedError(f"the hub answered {error.response.status_code} to the upgrade") from None
    except InvalidProxyStatus as error:
        raise LinkClosedError(_refused_by(proxy, error.response.status_code)) from None
    except ProxyError:
        raise LinkClosedError(f"{proxy.shown if proxy else 'the proxy'} did not answer like one") from None
    except InvalidHandshake as error:
        raise LinkClosedError(f"not a hub of ours: {error}") from None
    return WebSocketLink(connection)


def _refused_by(proxy: Proxy | None, status: int) -> str:
    shown = proxy.shown if proxy else "the proxy"
    if status == 407:
        wrong = "does not take its name and password" if proxy and proxy.user else "asks for a name and password"
        return f"{shown} {wrong}: http://USER:PASSWORD@HOST:PORT as proxy in agent.toml, or HTTPS_PROXY"
    return f"{shown} answered {status}: does it let this machine through to the hub?"


@dataclass(slots=True)
class Backoff:
    """When to try again (P10): at once, then U(0, min(cap, 0.5 * 2^n)); a hint of the hub wins.

    ``uniform(low, high)`` is the randomness.
    """

    uniform: Callable[[float, float], float]
    _failures: int = field(default=0, init=False)
    _failing_since: float = field(default=0.0, init=False)

    def delay_s(self, now: float, *, connected_for_s: float = 0.0, hint_s: float | None = None) -> float:
        """Seconds until the next attempt, after a connection that held for `connected_for_s` ended at `now`."""
        if connected_for_s >= STABLE_S:
            self._failures = 0
        if self._failures == 0:
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
