"""`botyard-agent enroll`: this machine becomes a runner of a hub, once (`reliability.md` S1, S2, S6).

The key is made here and never leaves; the token travels in a header, by TLS, once. What the hub answers is pinned: its
id and its key; from then on only that hub is spoken to, whatever certificates come and go.

Nothing of the home changes before the hub has said yes: who is refused is the runner that it was. Who dies between the
answer and the last write is no runner yet, and a fresh token makes it one.
"""

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import ValidationError

from agent.errors import AgentError, SetupError, UsageError
from agent.home import Home, Membership
from agent.hub_way import HubWay
from agent.keys import new_key, public_key
from agent.link import Address, parse_address, proxy_to, tls_context
from agent.machine import describe
from agent.wire.enrolment import ENROL_PATH, TOKEN_PREFIX, Enrolled, EnrolmentRequest


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
    authority = None if wish.ca is None else _read_authority(wish.ca)
    home.check_place()
    home.find_room()
    key = new_key()
    home_id, fingerprint = home.introduction()
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
        HubWay(address=address, ca=wish.ca or wish.known_ca, proxy=proxy_to(address, wish.proxy)), request, wish.token
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
    # Also where it is no runner: whoever died in these lines has left what the runner before it was.
    home.start_over()
    home.prepare(key, home_id, fingerprint)
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


def _ask(way: HubWay, request: EnrolmentRequest, token: str) -> Enrolled:
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json", "Accept": "application/json"}
    answer = way.call("POST", ENROL_PATH, request.model_dump_json().encode(), headers)
    status, body = answer.status, answer.body
    if status not in {200, 201}:
        raise _refusal(status, body, way.address)
    try:
        return Enrolled.model_validate_json(body)
    except ValidationError:
        raise AgentError(f"{way.address.origin} did not answer like a hub") from None


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
