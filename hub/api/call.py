"""What a handler is given: an authenticated caller, a parsed body and query, and the two ways to a service."""

import functools
import hashlib
import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from aiohttp import web
from pydantic import BaseModel, ConfigDict

from hub.context import Hub
from hub.domain.access import Caller
from hub.services import bots
from hub.services.idempotency import Answered, Ask, is_known, once
from hub.storage.store import claim, is_claim
from hub.storage.transaction import Done, Effect, Transaction


class Strict(BaseModel):
    """Root of what clients send: unknown members and wrong types are refused (`reliability.md` S8)."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Query(BaseModel):
    """Root of query strings: text is read as the field's type, unknown names are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class View(BaseModel):
    """Root of what clients get; members may join later, so clients ignore what they don't know."""

    model_config = ConfigDict(frozen=True)


class Nothing(Query):
    """No members at all: a route without body or query."""


B_co = TypeVar("B_co", bound=BaseModel, covariant=True)
Q_co = TypeVar("Q_co", bound=BaseModel, covariant=True)
A = TypeVar("A", bound=BaseModel)
T = TypeVar("T")
W = TypeVar("W", bound=Callable[..., object])


@dataclass(frozen=True, slots=True)
class Sent(Generic[A]):
    """An answer of model `A`, already in bytes because it may have been remembered."""

    answered: Answered


@dataclass(frozen=True, slots=True, kw_only=True)
class Call(Generic[B_co, Q_co]):
    """One authenticated, parsed request."""

    hub: Hub
    caller: Caller
    request: web.Request
    body: B_co
    query: Q_co
    status: int
    """Status of a good answer."""
    secret_answer: bool
    key: str | None
    """The Idempotency-Key."""
    mac: bytes
    """Keyed hash of the whole request, for the key; empty without one."""
    raw: bytes = b""
    """The body as it came; of one that its handler reads as a stream the digest, once `about` has bound it."""

    def path(self, name: str) -> str:
        """The value of ``{name}`` in the path."""
        return self.request.match_info[name]

    @property
    def base_url(self) -> str:
        """The hub's address as clients reach it, without a slash at its end: as it is set, or else as it was called."""
        return (self.hub.settings.public_url or f"{self.request.scheme}://{self.request.host}").rstrip("/")

    def about(self, digest: str) -> "Call[B_co, Q_co]":
        """The same call, bound to the digest of the body that its handler read as a stream."""
        mac = hmac.new(self.mac, digest.encode(), hashlib.sha256).digest()
        return replace(self, mac=mac, raw=digest.encode())

    async def read(self, query: Callable[[Transaction], T]) -> T:
        """Run a query with its arguments bound (`functools.partial` or a lambda)."""
        return await self.hub.store.read(query)

    async def is_answered(self) -> bool:
        """Whether this key was answered before: then nothing is waited for."""
        if self.key is None:
            return False
        key, caller = self.key, self.caller
        if caller.execution_id is not None:
            execution_id = caller.execution_id
            return await self.read(lambda tx: bots.is_answered(tx, caller.workspace_id, execution_id, key))
        return await self.read(lambda tx: is_known(tx, caller.workspace_id, caller.token_id, key))

    async def write(
        self,
        use_case: Callable[[Transaction], Done[T]],
        view: Callable[[T], A | bytes],
        *,
        urgent: bool = False,
        unused: Sequence[Effect] = (),
        in_doubt: Sequence[Effect] = (),
    ) -> Sent[A]:
        """Run a use case, once for each Idempotency-Key, and render its result with `view` (pure), or in JSON by it.

        `unused` is performed when the use case did not happen: it raised, or an earlier answer was given again;
        `in_doubt` when nobody knows whether it was committed (`core.md` D4).
        """
        render = functools.partial(_render, view)
        if self.key is None:
            result = await self.hub.store.write(use_case, urgent=urgent, on_failure=unused, on_doubt=in_doubt)
            return Sent(Answered(status=self.status, body=render(result), replayed=False))
        if self.caller.execution_id is not None:
            said = bots.Repeatable(
                workspace_id=self.caller.workspace_id,
                execution_id=self.caller.execution_id,
                key=self.key,
                mac=bots.request_mac(self.key, self.request.method, self.request.rel_url.path_qs, self.raw),
                unused=unused,
            )
            repeated = _as_claim(functools.partial(_repeated, said, use_case, render, self.status), use_case)
            told = await self.hub.store.write(repeated, urgent=urgent, on_failure=unused, on_doubt=in_doubt)
            return Sent(told)
        ask = Ask(
            workspace_id=self.caller.workspace_id,
            token_id=self.caller.token_id,
            key=self.key,
            mac=self.mac,
            status=self.status,
            unused=unused,
            secret=self.secret_answer,
        )
        again = _as_claim(functools.partial(_once, ask, use_case, render), use_case)
        answered = await self.hub.store.write(again, urgent=urgent, on_failure=unused, on_doubt=in_doubt)
        return Sent(answered)


def request_mac(secret: str, method: str, path: str, body: bytes) -> bytes:
    """What tells two requests of one token apart; keyed, so that it says nothing to who reads the database."""
    text = f"{method} {path}\n".encode() + body
    return hmac.new(secret.encode(), text, hashlib.sha256).digest()


def _render(view: Callable[[T], A | bytes], result: T) -> bytes:
    shown = view(result)
    return shown if isinstance(shown, bytes) else shown.model_dump_json().encode()


def _as_claim(wrapped: W, use_case: Callable[..., object]) -> W:
    """`wrapped`, marked as a claim where the use case in it is one."""
    return claim(wrapped) if is_claim(use_case) else wrapped


def _repeated(
    said: bots.Repeatable,
    use_case: Callable[[Transaction], Done[T]],
    render: Callable[[T], bytes],
    status: int,
    tx: Transaction,
) -> Done[Answered]:
    """As `_once`, for a call that a gateway repeats: the session's ticket changes, its key stays (core.md §6)."""
    done = bots.once(tx, said, use_case, lambda result: bots.Answered(status=status, body=render(result)))
    kept = done.result
    return Done(Answered(status=kept.status, body=kept.body, replayed=False), done.effects)


def _once(
    ask: Ask, use_case: Callable[[Transaction], Done[T]], render: Callable[[T], bytes], tx: Transaction
) -> Done[Answered]:
    return once(tx, ask, use_case, render)
