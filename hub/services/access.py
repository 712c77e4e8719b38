"""Keys, logins and workspaces: who may speak to the hub (`design.md` §5, `reliability.md` S7, S34).

Secrets are made by `new_secret` before the transaction and handed in, so that a use case may run twice; only their
sha256 is stored, and each is shown once, to whoever made it.
"""

import hmac
import re
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from hub.domain.access import Caller, Role, SecretKind, format_secret, is_live, may, secret_hash, secret_kind
from hub.errors import Conflict, Forbidden, Invalid, NotFound
from hub.storage import access as rows
from hub.storage import keys as stored_keys
from hub.storage.access import TokenRow, WorkspaceRow
from hub.storage.transaction import Done, NewEvent, Transaction

ACCESS_TOKEN_LIFE = timedelta(hours=24)
"""How long a BotCity login is good (`maestro.md` §1: 24 h or more)."""
TOUCH_AFTER = timedelta(minutes=10)
"""`last_used_at` is a hint for people, not worth a write for each request."""
KEYS_ONLY = frozenset({SecretKind.KEY})
NAME = re.compile(r"[^\W_][\w .@+-]{0,63}\Z")
WORKSPACE_LABEL = re.compile(r"[a-z0-9][a-z0-9-]{0,62}\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class NewKey:
    """A key that is asked for; `life` None means until revoked."""

    name: str
    role: Role
    life: timedelta | None = timedelta(days=90)
    instance: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyView:
    """A key without its secret."""

    id: str
    name: str
    role: Role
    instance: bool
    login: str
    """With the secret as ``key``, what BotCity's SDKs log in with."""
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """A login of an SDK: who it is, and until when its access token is good."""

    caller: Caller
    expires_at: datetime


def new_secret(kind: SecretKind) -> str:
    """A fresh secret of 256 random bits; call it before the transaction, never inside."""
    return format_secret(kind, secrets.token_bytes(32))


def authenticate(tx: Transaction, secret: str, kinds: frozenset[SecretKind] = KEYS_ONLY) -> Caller | None:
    """Whoever holds `secret`, None unless it is live and of one of `kinds`.

    ``/api/v1`` takes keys only; BotCity's routes take ``frozenset({SecretKind.ACCESS})`` (S7). Every adapter asks this
    and nothing else, so that a revoked or expired token is refused everywhere at once.
    """
    kind = secret_kind(secret)
    if kind is None or kind not in kinds:
        return None
    row = rows.token_by_hash(tx, secret_hash(secret))
    return None if row is None else _caller(tx, row)


def wants_touch(caller: Caller, now: datetime) -> bool:
    """Whether `touch` should be written for this request."""
    return caller.last_used_at is None or now - caller.last_used_at > TOUCH_AFTER


def touch(tx: Transaction, caller: Caller) -> Done[None]:
    """Note that the caller's token was used."""
    rows.touch_token(tx, caller.workspace_id, caller.token_id)
    return Done(None)


def create_key(tx: Transaction, caller: Caller, new: NewKey, secret: str) -> Done[KeyView]:
    """A new key of the caller's workspace. Raises Invalid, Forbidden (more than the caller's own), Conflict (name)."""
    if not NAME.match(new.name):
        raise Invalid("key_name", "A key's name begins with a letter or digit and has at most 64 characters.")
    if not may(caller.role, new.role) or (new.instance and not caller.instance):
        raise Forbidden("key_role", "A key can't be given more than its maker has.")
    if any(row.name == new.name and _live(tx, row) for row in stored_keys.unrevoked(tx, caller.workspace_id)):
        raise Conflict("key_name_used", f"There is a live key {new.name!r} already. Revoke it, or take another name.")
    row = _new_row(tx, caller.workspace_id, new, secret)
    rows.insert_token(tx, row)
    data = {"name": new.name, "role": str(new.role)}
    _record(tx, caller.workspace_id, ("key.created", row.id), caller.actor, data)
    return Done(_view(row))


def keys(tx: Transaction, workspace_id: str, after: str, limit: int) -> list[KeyView]:
    """Keys of a workspace, oldest first, behind the id `after`."""
    return [_view(row) for row in rows.key_page(tx, workspace_id, after, limit)]


def revoke_key(tx: Transaction, caller: Caller, key_id: str) -> Done[KeyView]:
    """Revoke a key and every login made with it, for good; again is no error.

    Raises NotFound, and Conflict for the last admin: nobody could make another key then.
    """
    row = stored_keys.key(tx, caller.workspace_id, key_id)
    if row is None:
        raise NotFound("no_key", f"There is no key {key_id!r} here. `botyard key list` shows all.")
    if row.instance and not caller.instance:
        raise Forbidden("key_role", "Only an instance admin revokes a key of an instance admin.")
    others = [one for one in stored_keys.unrevoked(tx, caller.workspace_id) if one.id != key_id and _live(tx, one)]
    if row.role == Role.ADMIN and _live(tx, row) and not any(one.role == Role.ADMIN for one in others):
        raise Conflict("last_admin", "This is the last live admin key. Make another one first.")
    if rows.revoke_token(tx, caller.workspace_id, key_id):
        _record(tx, caller.workspace_id, ("key.revoked", key_id), caller.actor, {"name": row.name})
    found = stored_keys.key(tx, caller.workspace_id, key_id)
    return Done(_view(found or row))


def login(tx: Transaction, login_name: str, key: str, access_secret: str) -> Done[Login | None]:
    """BotCity's login: an access token (`access_secret`) for a key and its login name; None unless both fit.

    The token has the key's role, and ends with it.
    """
    row = rows.token_by_login(tx, login_name)
    if row is None or secret_kind(key) is not SecretKind.KEY:
        return Done(None)
    caller = _caller(tx, row)
    if caller is None or not hmac.compare_digest(row.secret_hash, secret_hash(key)):
        return Done(None)
    ends = tx.now + ACCESS_TOKEN_LIFE
    expires_at = ends if row.expires_at is None else min(ends, row.expires_at)
    stored_keys.forget_access_tokens(tx, row.workspace_id, tx.now - timedelta(days=1))
    rows.insert_token(tx, _access_row(tx, row, access_secret, expires_at))
    rows.touch_token(tx, row.workspace_id, row.id)
    return Done(Login(caller=caller, expires_at=expires_at))


def create_workspace(
    tx: Transaction, caller: Caller, label: str, name: str, secret: str
) -> Done[tuple[WorkspaceRow, KeyView]]:
    """A new workspace and its first admin key, whose secret is `secret`. Raises Forbidden, Invalid, Conflict."""
    if not caller.instance:
        raise Forbidden("instance_admin", "Only an instance admin makes workspaces.")
    if not WORKSPACE_LABEL.match(label):
        raise Invalid("workspace_label", "A workspace's label has lower case letters, digits and -, at most 63.")
    row = WorkspaceRow(id=tx.new_id("wsp"), label=label, name=name or label, created_at=tx.now)
    if not rows.insert_workspace(tx, row):
        raise Conflict("workspace_label_used", f"There is a workspace {label!r} already.")
    key = _new_row(tx, row.id, NewKey(name="admin", role=Role.ADMIN, life=None), secret)
    rows.insert_token(tx, key)
    _record(tx, row.id, ("workspace.created", row.id), caller.actor, {"label": label})
    return Done((row, _view(key)))


def workspaces(tx: Transaction, after: str, limit: int) -> list[WorkspaceRow]:
    """All workspaces in order of label; the adapter lets only instance admins ask."""
    return rows.workspace_page(tx, after, limit)


def bootstrap(tx: Transaction, secret: str) -> Done[bool]:
    """First start: the workspace `default` and an instance admin whose key is `secret`; False when both were there."""
    row = WorkspaceRow(id=tx.new_id("wsp"), label="default", name="default", created_at=tx.now)
    if rows.workspace_page(tx, "", 1) or not rows.insert_workspace(tx, row):
        return Done(result=False)
    key = _new_row(tx, row.id, NewKey(name="admin", role=Role.ADMIN, life=None, instance=True), secret)
    rows.insert_token(tx, key)
    _record(tx, row.id, ("workspace.created", row.id), "hub", {"label": row.label})
    return Done(result=True)


def _live(tx: Transaction, row: TokenRow) -> bool:
    return is_live(expires_at=row.expires_at, revoked_at=row.revoked_at, now=tx.now)


def _caller(tx: Transaction, row: TokenRow) -> Caller | None:
    workspace = rows.workspace(tx, row.workspace_id) if _live(tx, row) else None
    if workspace is None:
        return None
    return Caller(
        workspace_id=row.workspace_id,
        workspace=workspace.label,
        token_id=row.id,
        name=row.name,
        role=Role(row.role),
        instance=row.instance,
        last_used_at=row.last_used_at,
    )


def _new_row(tx: Transaction, workspace_id: str, new: NewKey, secret: str) -> TokenRow:
    key_id = tx.new_id("key")
    return TokenRow(
        workspace_id=workspace_id,
        id=key_id,
        name=new.name,
        role=new.role,
        instance=new.instance,
        login=key_id,
        secret_hash=secret_hash(secret),
        kind="key",
        parent_id=None,
        created_at=tx.now,
        expires_at=None if new.life is None else tx.now + new.life,
        revoked_at=None,
        last_used_at=None,
    )


def _access_row(tx: Transaction, key: TokenRow, secret: str, expires_at: datetime) -> TokenRow:
    return TokenRow(
        workspace_id=key.workspace_id,
        id=tx.new_id("key"),
        name=key.name,
        role=key.role,
        instance=False,
        login=None,
        secret_hash=secret_hash(secret),
        kind="access",
        parent_id=key.id,
        created_at=tx.now,
        expires_at=expires_at,
        revoked_at=None,
        last_used_at=None,
    )


def _view(row: TokenRow) -> KeyView:
    return KeyView(
        id=row.id,
        name=row.name,
        role=Role(row.role),
        instance=row.instance,
        login=row.login or row.id,
        created_at=row.created_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
        last_used_at=row.last_used_at,
    )


def _record(tx: Transaction, workspace_id: str, change: tuple[str, str], actor: str, data: dict[str, str]) -> None:
    kind, subject = change
    tx.record(NewEvent(workspace_id=workspace_id, kind=kind, subject=subject, actor=actor, cause="api", data=data))
