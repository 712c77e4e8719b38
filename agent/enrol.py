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

from agent.errors import AgentError, SetupError
from agent.home import Home, Membership
from agent.keys import new_key, public_key
from agent.link import Address, parse_address, tls_context
from agent.machine import describe
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
    answer = _ask(address, request, wish.token)
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
    home.join_hub(membership)
    return membership


def read_token(source: str) -> str:
    """The token from standard input (``-``) or a file; never from an argument. Raises SetupError."""
    try:
        text = sys.stdin.readline() if source == "-" else Path(source).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SetupError(f"the token cannot be read from {source}: {error}") from None
    token = text.strip()
    if not token:
        raise SetupError("the token is empty: botyard runner token prints one")
    if not token.startswith(TOKEN_PREFIX):
        raise SetupError(f"that is no enrolment token (they begin with {TOKEN_PREFIX})")
    return token


def parse_labels(pairs: list[str]) -> dict[str, str]:
    """``key=value`` pairs. Raises SetupError for anything else."""
    labels: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name.strip():
            raise SetupError(f"--label {pair!r} is not key=value")
        labels[name.strip()] = value.strip()
    return labels


def _ask(address: Address, request: EnrolmentRequest, token: str) -> Enrolled:
    status, body = _post(address, request.model_dump_json().encode(), token)
    if status not in {200, 201}:
        raise _refusal(status, body, address)
    try:
        return Enrolled.model_validate_json(body)
    except ValidationError:
        raise AgentError(f"{address.origin} did not answer like a hub") from None


def _post(address: Address, body: bytes, token: str) -> tuple[int, bytes]:
    parts = urlsplit(address.origin)
    host = parts.hostname or ""
    connection = (
        HTTPSConnection(host, parts.port, timeout=_TIMEOUT_S, context=tls_context())
        if address.is_secure
        else HTTPConnection(host, parts.port, timeout=_TIMEOUT_S)
    )
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json", "Accept": "application/json"}
    try:
        connection.request("POST", ENROL_PATH, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read(_ANSWER_MAX_BYTES)
    except ssl.SSLError as error:
        raise AgentError(f"{address.origin}: its certificate is not accepted ({error.reason or error})") from None
    except (OSError, HTTPException) as error:
        raise AgentError(f"{address.origin} is not reached: {str(error) or type(error).__name__}") from None
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
