"""The way to the hub, by the very code that the link uses: proxy, authorities, name, connection, proof, welcome."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import urlsplit

from agent.config import Settings
from agent.doctor.checks.authority import AuthorityFacts
from agent.doctor.checks.clock import ClockFacts
from agent.doctor.checks.link import LinkFacts
from agent.doctor.checks.proxy import ProxyFacts
from agent.doctor.ports import Ports
from agent.errors import AgentError
from agent.home import Membership
from agent.hub_way import HubWay
from agent.link import Address, parse_address, proxy_to, tls_context
from agent.ports.proxies import Proxy

_TIMEOUT_S = 10.0
_NO_HUB = "the home does not say which hub"
HEALTH_PATH = "/healthz"


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """What is known before anything is sent; `fault` where that much is wrong."""

    address: Address | None = None
    ca: Path | None = None
    proxy: Proxy | None = None
    fault: str = ""


def look_at_proxy(membership: Membership | None, settings: Settings) -> tuple[ProxyFacts, Way]:
    """The proxy for the hub's address, by settings, environment, system."""
    if membership is None:
        return ProxyFacts(why_unknown=_NO_HUB), Way(fault=_NO_HUB)
    try:
        address = parse_address(membership.hub_url, insecure=membership.insecure)
    except AgentError as error:
        return ProxyFacts(why_unknown=_NO_HUB), Way(fault=str(error))
    try:
        proxy = proxy_to(address, settings.proxy)
    except AgentError as error:
        return ProxyFacts(fault=str(error)), Way(address=address, fault=str(error))
    facts = ProxyFacts(shown=proxy.shown if proxy else "", is_setting=settings.proxy is not None)
    return facts, Way(address=address, proxy=proxy)


def look_at_authority(way: Way, ca: Path | None, now: datetime) -> AuthorityFacts:
    """The file of the private authority, read as the link reads it."""
    if ca is None and way.address is None:
        return AuthorityFacts(now=now, why_unknown=_NO_HUB)
    if ca is None:
        return AuthorityFacts(now=now, is_needed=way.address is not None and way.address.is_secure)
    try:
        tls_context(ca)
    except AgentError as error:
        return AuthorityFacts(now=now, path=str(ca), fault=str(error))
    return AuthorityFacts(now=now, path=str(ca), ends_at=_first_end(ca))


def _first_end(ca: Path) -> datetime | None:
    from cryptography import x509

    try:
        found = x509.load_pem_x509_certificates(ca.read_bytes())
    except (ValueError, OSError):
        return None
    return min((one.not_valid_after_utc for one in found), default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """What a call to the hub's health route showed."""

    status: int | None = None
    unreached: str = ""
    clock: ClockFacts


async def look_at_name(way: Way) -> str:
    """Why the first name on the way has no address; empty where it has one."""
    assert way.address is not None
    hub = urlsplit(way.address.origin)
    host, port = (way.proxy.host, way.proxy.port) if way.proxy else (hub.hostname or "", hub.port or 0)
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            await asyncio.get_running_loop().getaddrinfo(host, port)
    except TimeoutError:
        return f"no answer within {_TIMEOUT_S:g} s"
    except (OSError, UnicodeError) as error:
        return (getattr(error, "strerror", None) or str(error)).lower()
    return ""


def call_health(way: Way, ports: Ports) -> Health:
    """One call, which blocks; the `Date` of its answer is the hub's time."""
    assert way.address is not None
    hub = HubWay(address=way.address, ca=way.ca, proxy=way.proxy, timeout_s=_TIMEOUT_S)
    before, began_s = ports.clock.now(), ports.clock.monotonic()
    try:
        answer = hub.call("GET", HEALTH_PATH)
    except AgentError as error:
        return Health(unreached=str(error), clock=ClockFacts(why_unknown="it was not reached"))
    took_s = ports.clock.monotonic() - began_s
    return Health(status=answer.status, clock=clock_facts(answer.headers.get("date", ""), before, took_s))


def clock_facts(date: str, before: datetime, took_s: float) -> ClockFacts:
    """How far `before` was ahead of the hub, which wrote `date` some time within the call that took so long.

    The header has whole seconds, cut off: what it says is half a second early on average, and wrong by that much.
    """
    try:
        said = parsedate_to_datetime(date)
    except (ValueError, TypeError):
        return ClockFacts(why_unknown="its answer has no Date")
    said = said if said.tzinfo is not None else said.replace(tzinfo=UTC)
    offset_s = (before - said).total_seconds() + took_s / 2 - 0.5
    return ClockFacts(offset_s=offset_s, error_s=took_s / 2 + 0.5)


async def look_at_link(way: Way, health: Callable[[], Health]) -> tuple[LinkFacts, ClockFacts]:
    """Name, connection, TLS and health; who answers, and whether it lets us in, is `greeting.py`'s."""
    if way.address is None or way.fault:
        why = way.fault or _NO_HUB
        return LinkFacts(why_unknown=f"not tried: {why}"), ClockFacts(why_unknown="it was not asked")
    origin = way.address.origin
    unresolved = await look_at_name(way)
    if unresolved:
        return LinkFacts(origin=origin, unresolved=unresolved), ClockFacts(why_unknown="it was not reached")
    seen = await asyncio.to_thread(health)
    return LinkFacts(origin=origin, unreached=seen.unreached, status=seen.status), seen.clock
