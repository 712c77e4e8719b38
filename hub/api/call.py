"""What a handler is given: an authenticated caller, a parsed body and query, and the two ways to a service."""

import functools
import hashlib
import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from aiohttp import web
from pydantic import BaseModel, ConfigDict

from hub.context import Hub
from hub.domain.access import Caller
from hub.services.idempotency import Answered, Ask, once
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
    """Keyed hash of the whole request, for the key."""

    def path(self, name: str) -> str:
        """The value of ``{name}`` in the path."""
        return self.request.match_info[name]

    async def read(self, query: Callable[[Transaction], T]) -> T:
        """Run a query with its arguments bound (`functools.partial` or a lambda)."""
        return await self.hub.store.read(query)

    async def write(
        self,
        use_case: Callable[[Transaction], Done[T]],
        view: Callable[[T], A],
        *,
        urgent: bool = False,
        unused: Sequence[Effect] = (),
        in_doubt: Sequence[Effect] = (),
    ) -> Sent[A]:
        """Run a use case, once for each Idempotency-Key, and render its result with `view` (pure).

        `unused` is performed when the use case did not happen: it raised, or an earlier answer was given again;
        `in_doubt` when nobody knows whether it was committed (`core.md` D4).
        """
        render = functools.partial(_render, view)
        if self.key is None:
            result = await self.hub.store.write(use_case, urgent=urgent, on_failure=unused, on_doubt=in_doubt)
            return Sent(Answered(status=self.status, body=render(result), replayed=False))
        ask = Ask(
            workspace_id=self.caller.workspace_id,
            token_id=self.caller.token_id,
            key=self.key,
            mac=self.mac,
            status=self.status,
            unused=unused,
            secret=self.secret_answer,
        )
        again = functools.partial(_once, ask, use_case, render)
        answered = await self.hub.store.write(again, urgent=urgent, on_failure=unused, on_doubt=in_doubt)
        return Sent(answered)


def request_mac(secret: str, method: str, path: str, body: bytes) -> bytes:
    """What tells two requests of one token apart; keyed, so that it says nothing to who reads the database."""
    text = f"{method} {path}\n".encode() + body
    return hmac.new(secret.encode(), text, hashlib.sha256).digest()


def _render(view: Callable[[T], A], result: T) -> bytes:
    return view(result).model_dump_json().encode()


def _once(
    ask: Ask, use_case: Callable[[Transaction], Done[T]], render: Callable[[T], bytes], tx: Transaction
) -> Done[Answered]:
    return once(tx, ask, use_case, render)
