"""`botyard-agent enroll`: this machine becomes a runner of a hub, once (`reliability.md` S1, S2, S6).

The key is made here and never leaves; the token travels in a header, by TLS, once. What the hub answers is pinned: its
id and its key; from then on only that hub is spoken to, whatever certificates come and go.
"""

import json
import ssl
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import ValidationError

from agent.errors import AgentError, SetupError, UsageError
from agent.home import Home, Membership
from agent.keys import new_key, public_key
from agent.link import Address, parse_address, proxy_to, tls_context, why_unreached
from agent.machine import describe
from agent.ports.proxies import Proxy
from agent.wire.enrolment import ENROL_PATH, TOKEN_PREFIX, Enrolled, EnrolmentRequest

_TIMEOUT_S = 20.0
_ANSWER_MAX_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What somebody asked for on the command line."""

    url: str
    token: str
    insecure: bool = False
    name: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    slots: int = 1
    ca: Path | None = None
    """A private authority's file: kept in the home, trusted beside the system's from now on."""
    known_ca: Path | None = None
    """The one that ``agent.toml`` names already."""
    proxy: str | None = None
    """The setting of that name."""
    again: bool = False
    """Also where this home is, or was, a runner already."""
    version: str = ""


def enrol(home: Home, wish: Wish) -> Membership:
    """Make `home` a runner. Raises SetupError and AgentError with one sentence."""
    address = parse_address(wish.url, insecure=wish.insecure)
    if home.is_enrolled and not wish.again:
        known = home.membership()
        raise SetupError(f"{home.path} is runner {known.name} of {known.hub_url}; enroll --again makes it another one")
    if wish.again:
        home.start_over()
    authority = None if wish.ca is None else _read_authority(wish.ca)
    key = new_key()
    home_id, fingerprint = home.prepare(key)
    platform = describe()
    request = EnrolmentRequest(
        name=wish.name or platform["host"] or "runner",
        key=public_key(key),
        home_id=home_id,
        fingerprint=fingerprint,
        labels=dict(wish.labels),
        slots=wish.slots,
        agent_version=wish.version,
        platform=platform,
    )
    answer = _ask(
        _Way(address=address, ca=wish.ca or wish.known_ca, proxy=proxy_to(address, wish.proxy)), request, wish.token
    )
    membership = Membership(
        hub_url=address.origin,
        hub_id=answer.hub_id,
        hub_key=answer.hub_key,
        runner_id=answer.runner_id,
        workspace=answer.workspace,
        name=answer.name,
        slots=wish.slots,
        insecure=wish.insecure,
    )
    if authority is not None:
        home.keep_authority(authority)
    home.join_hub(membership)
    return membership


def read_token(source: str) -> str:
    """The token from standard input (``-``) or a file; never from an argument. Raises UsageError."""
    try:
        text = sys.stdin.readline() if source == "-" else Path(source).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text"
        raise UsageError(f"--token: {source} can't be read: {why}") from None
    token = text.strip()
    if not token:
        raise UsageError("--token: it is empty; botyard runner token prints one")
    if not token.startswith(TOKEN_PREFIX):
        raise UsageError(f"--token: that is no enrolment token (they begin with {TOKEN_PREFIX})")
    return token


def _read_authority(path: Path) -> bytes:
    """Its PEM, tried. Raises SetupError."""
    tls_context(path)
    return path.read_bytes()


def parse_labels(pairs: list[str]) -> dict[str, str]:
    """``key=value`` pairs. Raises UsageError for anything else."""
    labels: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name.strip():
            raise UsageError(f"--label {pair!r} is not key=value")
        labels[name.strip()] = value.strip()
    return labels


@dataclass(frozen=True, slots=True, kw_only=True)
class _Way:
    """How the hub is reached before there is a home that says so."""

    address: Address
    ca: Path | None
    proxy: Proxy | None

    def open(self) -> HTTPConnection:
        """A connection that is made at the first request. Raises SetupError for an unusable authority."""
        hub = urlsplit(self.address.origin)
        host, port = (self.proxy.host, self.proxy.port) if self.proxy else (hub.hostname or "", hub.port)
        connection = (
            HTTPSConnection(host, port, timeout=_TIMEOUT_S, context=tls_context(self.ca))
            if self.address.is_secure
            else HTTPConnection(host, port, timeout=_TIMEOUT_S)
        )
        if self.proxy is not None:
            connection.set_tunnel(hub.hostname or "", hub.port, self.proxy.headers)
        return connection


def _ask(way: _Way, request: EnrolmentRequest, token: str) -> Enrolled:
    status, body = _post(way, request.model_dump_json().encode(), token)
    if status not in {200, 201}:
        raise _refusal(status, body, way.address)
    try:
        return Enrolled.model_validate_json(body)
    except ValidationError:
        raise AgentError(f"{way.address.origin} did not answer like a hub") from None


def _post(way: _Way, body: bytes, token: str) -> tuple[int, bytes]:
    connection = way.open()
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json", "Accept": "application/json"}
    try:
        connection.request("POST", ENROL_PATH, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read(_ANSWER_MAX_BYTES)
    except ssl.SSLError as error:
        raise AgentError(f"{way.address.origin}: {why_unreached(error, way.address)}") from None
    except (OSError, HTTPException) as error:
        why = why_unreached(error, way.address, way.proxy)
        if isinstance(error, (HTTPException, ConnectionResetError, BrokenPipeError)) and not way.address.is_secure:
            # A hub that speaks TLS closes, before or after all was sent, or answers with an alert.
            why = "what answers there speaks no plain HTTP; is it https://, or another port?"
        raise AgentError(f"{way.address.origin} is not reached: {why}") from None
    finally:
        connection.close()


def _refusal(status: int, body: bytes, address: Address) -> AgentError:
    detail = ""
    try:
        said = json.loads(body)
        detail = str(said.get("message") or said.get("detail") or "") if isinstance(said, dict) else ""
    except ValueError:
        pass
    if status in {401, 403}:
        return SetupError(detail or "the token is wrong, used up or too old: botyard runner token makes a new one")
    if status == 404:
        return SetupError(f"{address.origin} is no botyard hub")
    if status >= 500:
        return AgentError(f"the hub cannot enrol now ({status}): {detail or 'try again'}")
    return SetupError(f"the hub refused ({status}): {detail or 'no reason given'}")
