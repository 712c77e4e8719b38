"""Ed25519: the runner's own key and the hub's pinned one (`reliability.md` S2, S6)."""

import hashlib

from agent.errors import SetupError
from agent.session_effects import Proofs


def new_key() -> bytes:
    """A fresh private key, raw."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return Ed25519PrivateKey.generate().private_bytes_raw()


def public_key(private: bytes) -> str:
    """The public half of a raw private key, hexadecimal."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return Ed25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw().hex()


def proofs(private: bytes) -> Proofs:
    """Signing with this key, verifying with any."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.from_private_bytes(private)
    return Proofs(sign=lambda data: key.sign(data).hex(), verify=verify)


def verify(key: str, data: bytes, signature: str) -> bool:
    """Whether `signature` of `data` was made by the owner of `key`; both hexadecimal."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(key)).verify(bytes.fromhex(signature), data)
    except (InvalidSignature, ValueError):
        return False
    return True


def key_fingerprint(key: str) -> str:
    """What people compare: ``SHA256:`` and 32 hexadecimal digits of a public key."""
    try:
        raw = bytes.fromhex(key)
    except ValueError:
        raise SetupError("that is no public key") from None
    return f"SHA256:{hashlib.sha256(raw).hexdigest()[:32]}"
