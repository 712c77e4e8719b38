"""Bots that speak to the hub through their runner: who they are, and that a call they repeat is carried out once.

A runner's ticket says which runner speaks; the execution that it names must be one of its own (`reliability.md` S10).
"""

import hashlib
import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

from hub.domain.access import Caller, Role
from hub.errors import Conflict, Invalid
from hub.services.live import LiveSession
from hub.storage import executions, replays
from hub.storage.replays import StoredAnswer
from hub.storage.transaction import Done, Effect, Transaction

T = TypeVar("T")

KEPT_FOR = timedelta(hours=1)
"""Much longer than the 27 s for which a gateway repeats a call (`core.md` §6)."""


_SWEPT = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Speaker:
    """A live runner session that speaks for one of its bots."""

    workspace_id: str
    workspace: str
    """Label."""
    runner_id: str
    execution_id: str


def speaker_of(session: LiveSession, execution_id: str) -> Speaker:
    """Who speaks when this session's runner names one of its executions."""
    return Speaker(
        workspace_id=session.workspace_id,
        workspace=session.workspace,
        runner_id=session.runner_id,
        execution_id=execution_id,
    )


def caller(tx: Transaction, speaker: Speaker) -> Caller | None:
    """The bot as a caller bound to its execution; None when that is not this runner's, or never started.

    A bot may ask for tasks and work on them, as BotCity's may, hence the role.
    """
    row = executions.get(tx, speaker.workspace_id, speaker.execution_id)
    if row is None or row.runner_id != speaker.runner_id or row.state == "void":
        return None
    return Caller(
        workspace_id=speaker.workspace_id,
        workspace=speaker.workspace,
        token_id=speaker.execution_id,
        name=speaker.execution_id,
        role=Role.OPERATOR,
        execution_id=speaker.execution_id,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeatable:
    """A forwarded call with its Idempotency-Key."""

    workspace_id: str
    execution_id: str
    key: str
    mac: bytes
    """Keyed hash of the request, by `request_mac`."""
    unused: Sequence[Effect] = ()
    """What to give back when the first answer is given again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """An answer, fresh or remembered."""

    status: int
    body: bytes


def request_mac(key: str, method: str, path: str, body: bytes) -> bytes:
    """What tells two requests apart. The key is random and stored as a hash only, so this says nothing to a reader."""
    return hmac.new(key.encode(), f"{method} {path}\n".encode() + body, hashlib.sha256).digest()


def is_answered(tx: Transaction, workspace_id: str, execution_id: str, key: str) -> bool:
    """Whether a call of this key was carried out already."""
    named = hashlib.sha256(key.encode()).hexdigest()
    return replays.find_answer(tx, workspace_id, execution_id, named) is not None


def once(
    tx: Transaction, call: Repeatable, use_case: Callable[[Transaction], Done[T]], render: Callable[[T], Answered]
) -> Done[Answered]:
    """Run `use_case` unless this key was answered; the answer is kept in the same transaction (`core.md` §6).

    Raises Invalid when the key came with another request, Conflict while it is being answered, and what the use case
    raises: a refused call changed nothing, and is decided anew.
    """
    named = hashlib.sha256(call.key.encode()).hexdigest()
    known = replays.find_answer(tx, call.workspace_id, call.execution_id, named)
    if known is not None:
        if not hmac.compare_digest(known.mac, call.mac):
            raise Invalid("idempotency_key_reused", "This Idempotency-Key came with another request before.")
        return Done(Answered(status=known.status, body=known.body), call.unused)
    # Each new answer sweeps a few old ones: no loop is needed, and the table stays as large as an hour's calls.
    replays.forget_answers(tx, tx.now - KEPT_FOR, _SWEPT)
    done = use_case(tx)
    answered = render(done.result)
    kept = StoredAnswer(mac=call.mac, status=answered.status, body=answered.body)
    if not replays.keep_answer(tx, call.workspace_id, call.execution_id, named, kept):
        raise Conflict("idempotency_key_busy", "The same key is being answered right now. Ask again.")
    return Done(answered, done.effects)
