"""Who may do what: roles, callers, and the shape of the secrets that people and scripts hold.

A caller is known by a token. Its role is one of four, each of which may all that the one before may (`design.md` §5):

    viewer (reads) < operator (runs, cancels, drains) < developer (deploys, releases, defines) < admin (keys, runners)

An *instance* admin may also make workspaces. A token belongs to exactly one workspace, so a caller never names one:
every query takes the workspace from its `Caller` (`reliability.md` S35).

Secrets read ``byk_`` + 52 letters (256 random bits) + 7 letters of checksum: the prefix tells the kind, the checksum
lets a scanner tell a leaked one from noise, and only sha256 of the whole is stored (S1, S34).
"""

import base64
import hashlib
import zlib
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Role(StrEnum):
    """What a token may do; each role may all that the ones above it in this list may."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    DEVELOPER = "developer"
    ADMIN = "admin"


_RANK = {role: rank for rank, role in enumerate(Role)}


def may(role: Role, needed: Role) -> bool:
    """Whether a caller with `role` may do what asks for `needed`."""
    return _RANK[role] >= _RANK[needed]


class SecretKind(StrEnum):
    """The kinds of secret that are handed out, by prefix; none is accepted where another is asked for (S7)."""

    KEY = "byk"
    """A person's or script's key for /api/v1, and the ``key`` of an SDK's login."""
    ENROLMENT = "byt"
    """Brings one runner in, once."""
    ACCESS = "bya"
    """What BotCity's ``/workspace/login`` gives back."""


_KIND_OF = {str(kind): kind for kind in SecretKind}


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """An authenticated token, and all that an adapter needs to know of it."""

    workspace_id: str
    workspace: str
    """The workspace's label."""
    token_id: str
    name: str
    """The token's name, unique among the live ones of a workspace."""
    role: Role
    instance: bool = False
    """May make and list workspaces."""
    execution_id: str | None = None
    """Set when a bot speaks through its runner; then only its own execution is its business (S10)."""
    last_used_at: datetime | None = None

    @property
    def actor(self) -> str:
        """How events and tasks name this caller."""
        return f"token:{self.name}" if self.execution_id is None else f"bot:{self.execution_id}"

    def may(self, needed: Role) -> bool:
        """Whether this caller may do what asks for `needed`."""
        return may(self.role, needed)


def format_secret(kind: SecretKind, entropy: bytes) -> str:
    """The text of a secret made of 32 random bytes; raises ValueError for any other length."""
    if len(entropy) != 32:
        raise ValueError(f"a secret is made of 32 bytes, got {len(entropy)}")
    body = _letters(entropy)
    return f"{kind}_{body}{_checksum(kind, body)}"


def secret_kind(secret: str) -> SecretKind | None:
    """The kind of a well-formed secret, None for anything else: told without a look into the database."""
    prefix, _, rest = secret.partition("_")
    kind = _KIND_OF.get(prefix)
    if kind is None or len(rest) != 59 or not rest.isascii():
        return None
    return kind if rest[52:] == _checksum(kind, rest[:52]) else None


def secret_hash(secret: str) -> str:
    """What is stored of a secret: sha256 in hexadecimal. 256 random bits need no salt and no slow hash."""
    # A header may hold any bytes, which come as surrogates: such a secret is unknown, no failure of the hub.
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def is_live(*, expires_at: datetime | None, revoked_at: datetime | None, now: datetime) -> bool:
    """Whether a token is good at `now`: not revoked, and not at or past its end."""
    return revoked_at is None and (expires_at is None or now < expires_at)


def _letters(data: bytes) -> str:
    return base64.b32encode(data).decode().rstrip("=").lower()


def _checksum(kind: SecretKind, body: str) -> str:
    return _letters(zlib.crc32(f"{kind}_{body}".encode()).to_bytes(4))
