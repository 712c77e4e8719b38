"""The hub's own Ed25519 identity: made at the first start, pinned by every runner at enrolment (S2, S6).

Its fingerprint is what a runner trusts, whatever certificates come and go. The key lies in ``DATA/identity.key``, 0600.
"""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from agent.ports import Disk
from agent.wire.proofs import challenge_bytes

KEY_FILE = "identity.key"


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who this hub is. Several hubs of one store share it."""

    hub_id: str
    """``hub_`` and 32 hexadecimal digits of the key's fingerprint."""
    key: str
    """The public key, 64 hexadecimal digits."""
    _private: Ed25519PrivateKey = field(repr=False)

    def sign_challenge(self, *, runner_nonce: str, nonce: str) -> str:
        """The proof that this hub is alive and is the pinned one, 128 hexadecimal digits."""
        proof = challenge_bytes(hub_id=self.hub_id, runner_nonce=runner_nonce, nonce=nonce)
        return self._private.sign(proof).hex()


def load_identity(data: Path, disk: Disk) -> Identity:
    """The identity in the data folder, made there at the first start. Raises ValueError for a damaged file."""
    path = data / KEY_FILE
    raw = disk.read(path)
    if raw is None:
        # Two first starts at once: the folder's lock forbids it, and the winner's key counts all the same.
        raw = disk.link_exclusive(path, Ed25519PrivateKey.generate().private_bytes_raw().hex().encode())
    private = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(raw.decode().strip()))
    public = private.public_key().public_bytes_raw()
    return Identity(hub_id=f"hub_{hashlib.sha256(public).hexdigest()[:32]}", key=public.hex(), _private=private)


def is_signed_by(public_key: str, signature: str, message: bytes) -> bool:
    """Whether `signature` (hexadecimal) is `public_key`'s over `message`; False for anything malformed."""
    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(public_key)).verify(bytes.fromhex(signature), message)
    except (InvalidSignature, ValueError):
        return False
    return True
