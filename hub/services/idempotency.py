"""A request with an Idempotency-Key is done once; asked again, it gets the first answer (`reliability.md` P11).

The answer is written in the transaction of the effect itself, so that no crash can come between the two. Kept 24 h. The
MAC is keyed with the caller's own token: it tells whether a request is the same one, and nothing else about it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

from hub.errors import Conflict, Invalid
from hub.storage import idempotency as rows
from hub.storage.transaction import Done, Effect, Transaction

T = TypeVar("T")

KEPT_FOR = timedelta(hours=24)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """A request that carries a key."""

    workspace_id: str
    token_id: str
    key: str
    mac: bytes
    """Keyed hash of method, path and body."""
    status: int
    """Status of the answer when it is done now."""
    unused: Sequence[Effect] = ()
    """What to give back when the request is answered from memory: a slot credit that was taken for it."""
    secret: bool = False
    """The answer holds a secret, so that it is never stored; asked again, the caller learns that it was given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """An answer, fresh or remembered."""

    status: int
    body: bytes
    replayed: bool


def once(
    tx: Transaction, ask: Ask, use_case: Callable[[Transaction], Done[T]], render: Callable[[T], bytes]
) -> Done[Answered]:
    """Run `use_case` unless this key was answered already; then give that answer again.

    Raises Invalid when the key came with another request before, Conflict when the first answer was a secret, and
    whatever the use case raises (which is not remembered: a refused request changed nothing).
    """
    rows.forget_before(tx, ask.workspace_id, ask.token_id, tx.now - KEPT_FOR)
    known = rows.answer(tx, ask.workspace_id, ask.token_id, ask.key)
    if known is not None:
        return Done(_replay(ask, known), ask.unused)
    done = use_case(tx)
    body = render(done.result)
    kept = b"" if ask.secret else body
    row = rows.AnswerRow(mac=ask.mac, status=ask.status, body=kept)
    if not rows.keep(tx, ask.workspace_id, ask.token_id, ask.key, row):
        raise Conflict("idempotency_key_busy", "The same key is being answered right now. Ask again.")
    return Done(Answered(status=ask.status, body=body, replayed=False), done.effects)


def is_known(tx: Transaction, workspace_id: str, token_id: str, key: str) -> bool:
    """Whether this token's key was answered already."""
    return rows.answer(tx, workspace_id, token_id, key) is not None


def _replay(ask: Ask, known: rows.AnswerRow) -> Answered:
    if known.mac != ask.mac:
        text = "This Idempotency-Key came with another request before. Use a new key for a new request."
        raise Invalid("idempotency_key_reused", text)
    if ask.secret:
        text = "This was done, and its secret was shown once. Revoke what it made and ask with a new key."
        raise Conflict("secret_shown_once", text)
    return Answered(status=known.status, body=known.body, replayed=True)
