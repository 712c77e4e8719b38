"""The handshake: challenge > hello > welcome (P2, S2, core.md D5, D8).

The hub proves first who it is, over the runner's own nonce; the runner then proves who it is, which hub it means and at
which address it dialled it, so that neither proof is worth anything anywhere else.
"""

import asyncio
import secrets
from dataclasses import dataclass
from typing import Literal, cast
from urllib.parse import urlsplit

from aiohttp import WSMsgType

from agent.wire.codec import ProtocolError, decode_to_hub, encode
from agent.wire.limits import HANDSHAKE_S
from agent.wire.messages import Challenge, Hello, Rejected
from agent.wire.proofs import hello_bytes
from agent.wire.versions import PROTOCOL_MAX, PROTOCOL_MIN, negotiate
from hub.config import Settings
from hub.domain.session import EnrolledRunner, Refusal, refuse
from hub.identity import Identity, is_signed_by
from hub.runners.admission import Place
from hub.runners.port import Arrival, RunnerSocket
from hub.services import held, runners
from hub.storage.runners import RunnerRow
from hub.storage.store import Store

_Code = Literal["version", "signature", "origin", "unknown", "revoked", "quarantined", "cloned", "busy", "held"]
_MESSAGES = {
    Refusal.UNKNOWN: "This hub does not know this runner: enrol it (botyard-agent enroll).",
    Refusal.SIGNATURE: "The signature is not this runner's.",
    Refusal.ORIGIN: "The runner dialled another address than this hub's; set the hub's public URL behind a proxy.",
    Refusal.REVOKED: "This runner was revoked: botyard-agent enroll --again, with a new token, makes another of it.",
    Refusal.QUARANTINED: "This runner was seen twice (a copy of its machine or disk?): botyard-agent enroll --again.",
    Refusal.CLONED: "This runner was seen twice (a copy of its machine or disk?): botyard-agent enroll --again.",
}
_FINAL = frozenset({"unknown", "revoked", "quarantined", "cloned", "version"})


class HandshakeRefused(Exception):  # noqa: N818 - the peer's fault, told to it
    """No session: what the runner is told."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.answer = Rejected(code=cast("_Code", code), message=message, final=code in _FINAL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Greeted:
    """A runner that proved itself."""

    runner: RunnerRow
    hello: Hello
    protocol: int


class Handshake:
    """Greets runners for one hub."""

    def __init__(self, store: Store, identity: Identity, settings: Settings) -> None:
        self._store = store
        self._identity = identity
        self._settings = settings

    async def greet(self, arrival: Arrival, place: Place) -> Greeted:
        """Challenge, hello, verdict. Raises HandshakeRefused, ProtocolError, TimeoutError."""
        async with asyncio.timeout(HANDSHAKE_S):
            nonce = secrets.token_hex(32)
            await arrival.socket.send_str(encode(self._challenge(arrival.nonce, nonce)))
            place.waits()
            hello = await _hello(arrival.socket)
            place.goes_on()
            return await self._verify(hello, nonce, arrival.host)

    def _challenge(self, runner_nonce: str, nonce: str) -> Challenge:
        return Challenge(
            protocol_min=PROTOCOL_MIN,
            protocol_max=PROTOCOL_MAX,
            hub_id=self._identity.hub_id,
            key=self._identity.key,
            nonce=nonce,
            signature=self._identity.sign_challenge(runner_nonce=runner_nonce, nonce=nonce),
        )

    async def _verify(self, hello: Hello, nonce: str, host: str) -> Greeted:
        protocol = negotiate((PROTOCOL_MIN, PROTOCOL_MAX), (hello.protocol_min, hello.protocol_max))
        if protocol is None:
            message = f"This hub speaks protocol {PROTOCOL_MIN} to {PROTOCOL_MAX}: update botyard-agent or the hub."
            raise HandshakeRefused("version", message)
        runner = await self._store.read(runners.known, hello.runner_id)
        is_signed = runner is not None and is_signed_by(
            runner.public_key, hello.signature, self._signed_bytes(hello, nonce)
        )
        is_own = is_own_origin(hello.origin, host, self._settings.public_url)
        refusal = refuse(hello, _enrolled(runner), is_signed=is_signed, is_own_origin=is_own)
        if refusal is Refusal.CLONED and runner is not None:
            why = f"its join counter was {runner.join_counter}, then {hello.join}"
            await self._store.write(runners.quarantine, runner.workspace_id, runner.id, why)
        if runner is None and await self._store.read(held.is_held):
            await self._store.write(held.note_stranger, hello.runner_id)
        if refusal is not None or runner is None:
            raise HandshakeRefused(refusal or Refusal.UNKNOWN, _MESSAGES[refusal or Refusal.UNKNOWN])
        return Greeted(runner=runner, hello=hello, protocol=protocol)

    def _signed_bytes(self, hello: Hello, nonce: str) -> bytes:
        return hello_bytes(
            hub_id=self._identity.hub_id,
            origin=hello.origin,
            nonce=nonce,
            runner_id=hello.runner_id,
            home_id=hello.home_id,
            join=hello.join,
            last_epoch=hello.last_epoch,
            fingerprint=hello.fingerprint,
        )


def is_own_origin(origin: str, host: str, public_url: str | None) -> bool:
    """Whether `origin` (scheme://host:port) is where this hub is reached: its Host header, or its public URL."""
    try:
        dialled = _address(origin, "")
        own = [_address(f"//{host}", urlsplit(origin).scheme)]
        if public_url is not None:
            own.append(_address(public_url, ""))
    except ValueError:
        return False
    return dialled in own


def _address(url: str, scheme: str) -> tuple[str, int]:
    parts = urlsplit(url, scheme=scheme)
    if parts.hostname is None:
        raise ValueError(f"not an address: {url[:100]!r}")
    default = 443 if parts.scheme in {"https", "wss"} else 80
    return parts.hostname.lower(), parts.port or default


def _enrolled(runner: RunnerRow | None) -> EnrolledRunner | None:
    if runner is None:
        return None
    return EnrolledRunner(
        home_id=runner.home_id,
        fingerprint=runner.fingerprint,
        join_counter=runner.join_counter,
        is_revoked=runner.state == "revoked",
        is_quarantined=runner.quarantined_at is not None,
    )


async def _hello(socket: RunnerSocket) -> Hello:
    received = await socket.receive()
    if received.type is not WSMsgType.TEXT:
        raise ProtocolError("the first frame was not a hello")
    message = decode_to_hub(received.data)
    if not isinstance(message, Hello):
        raise ProtocolError(f"the first message was {message.type}, not hello")
    return message
