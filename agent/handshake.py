"""The first frames of a connection, as a pure machine: challenge verified, hello signed, welcome (P2, S2, S6)."""

from agent.session_effects import (
    CloseLink,
    CloseReason,
    Effect,
    Identity,
    Joining,
    Proofs,
    Send,
    StoreEpoch,
    TakeInventory,
)
from agent.wire.codec import ProtocolError
from agent.wire.messages import Bye, Challenge, Hello, Rejected, ToRunner, Welcome
from agent.wire.proofs import challenge_bytes, hello_bytes
from agent.wire.versions import PROTOCOL_MAX, PROTOCOL_MIN, negotiate


class Handshake:
    """Ends with `welcome` set, or with a `CloseLink`."""

    def __init__(self, identity: Identity, joining: Joining, proofs: Proofs) -> None:
        self._identity = identity
        self._joining = joining
        self._proofs = proofs
        self._is_greeted = False
        self.welcome: Welcome | None = None
        """What the hub said when it opened the session."""

    def receive(self, message: ToRunner) -> list[Effect]:
        """One message of the hub. Raises ProtocolError for one that has no place here."""
        match message:
            case Challenge() if not self._is_greeted:
                return [self._challenged(message)]
            case Welcome() if self._is_greeted:
                self.welcome = message
                return [StoreEpoch(epoch=message.epoch), TakeInventory(welcome=message)]
            case Rejected():
                return [_rejected(message)]
            case Bye():
                return [closed_by(message)]
            case _:
                raise ProtocolError(f"{message.type} during the handshake")

    def _challenged(self, challenge: Challenge) -> Effect:
        mine = self._identity
        if challenge.hub_id != mine.hub_id or challenge.key != mine.hub_key:
            text = "another hub answers at this address than the one enrolled with"
            return CloseLink(reason=CloseReason.WRONG_HUB, message=text)
        signed = challenge_bytes(
            hub_id=challenge.hub_id, runner_nonce=self._joining.runner_nonce, nonce=challenge.nonce
        )
        if not self._proofs.verify(mine.hub_key, signed, challenge.signature):
            text = "the hub's signature is not of the key that enrolment pinned"
            return CloseLink(reason=CloseReason.WRONG_HUB, message=text)
        theirs = (challenge.protocol_min, challenge.protocol_max)
        if negotiate((PROTOCOL_MIN, PROTOCOL_MAX), theirs) is None:
            text = f"hub speaks protocol {theirs[0]} to {theirs[1]}, this runner {PROTOCOL_MIN} to {PROTOCOL_MAX}"
            return CloseLink(reason=CloseReason.VERSION, message=text)
        self._is_greeted = True
        return Send(message=self._hello(challenge.nonce))

    def _hello(self, nonce: str) -> Hello:
        mine, joining = self._identity, self._joining
        signed = hello_bytes(
            hub_id=mine.hub_id,
            origin=mine.origin,
            nonce=nonce,
            runner_id=mine.runner_id,
            home_id=mine.home_id,
            join=joining.join,
            last_epoch=joining.last_epoch,
            fingerprint=mine.fingerprint,
        )
        return Hello(
            protocol_min=PROTOCOL_MIN,
            protocol_max=PROTOCOL_MAX,
            runner_id=mine.runner_id,
            home_id=mine.home_id,
            boot_id=mine.boot_id,
            join=joining.join,
            last_epoch=joining.last_epoch,
            fingerprint=mine.fingerprint,
            commit_position=joining.commit_position,
            store_id=joining.store_id,
            origin=mine.origin,
            agent_version=mine.agent_version,
            platform=dict(mine.platform),
            slots=mine.slots,
            signature=self._proofs.sign(signed),
        )


def closed_by(message: Bye) -> CloseLink:
    """An orderly end by the hub."""
    return CloseLink(
        reason=CloseReason.BYE,
        message=message.message or message.reason,
        final=message.reason == "revoked",
        retry_after_s=message.reconnect_after_s,
        code=message.reason,
    )


def _rejected(message: Rejected) -> CloseLink:
    return CloseLink(
        reason=CloseReason.REJECTED,
        message=message.message,
        final=message.final,
        retry_after_s=message.retry_after_s,
        code=message.code,
    )
