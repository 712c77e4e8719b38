"""The store's interface: one way to write, one way to read, whatever the engine (core.md §5).

`write` runs a use case in one transaction and returns after COMMIT; `read` runs a query in a short transaction of its
own. Both engines promise the same: effects after COMMIT, in commit order; a cancelled caller does not cancel the
operation; bounded queues, urgent work first; reads see every write that was acknowledged before them.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol, TypeVar, TypeVarTuple

from hub.errors import Unavailable
from hub.storage.doorbell import Doorbell
from hub.storage.transaction import Done, Effect, Transaction

T = TypeVar("T")
Ts = TypeVarTuple("Ts")
UseCase = TypeVar("UseCase", bound=Callable[..., object])

_CLAIM_MARK = "__botyard_claim__"
_RETRY_AFTER_S = 1.0


class StoreUnavailable(Unavailable):
    """Not done, and nothing changed: worth another try (HTTP 503).

    `code` is one of `store_busy`, `store_full`, `store_contended`, `store_closed`, `store_down`.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message, retry_after_s=_RETRY_AFTER_S)


class CommitInDoubt(Unavailable):
    """The connection broke at COMMIT and nobody could say which way it went: read it back by key (R11)."""

    def __init__(self, message: str) -> None:
        super().__init__("store_in_doubt", message, retry_after_s=_RETRY_AFTER_S)


class SchemaMismatch(Exception):  # noqa: N818  # no request meets it; it ends the start of a hub
    """The database's schema is not the one that this program was made for (R19)."""


def claim(use_case: UseCase) -> UseCase:
    """Mark a use case as a claim: on PostgreSQL it runs READ COMMITTED and uses FOR UPDATE SKIP LOCKED.

    Such a use case must hold its invariants by guarded UPDATEs, unique indexes or locked parent rows alone; SKIP
    LOCKED answers "give me one", never "is it empty" (core.md §5).
    """
    setattr(use_case, _CLAIM_MARK, True)
    return use_case


def is_claim(use_case: Callable[..., object]) -> bool:
    """Whether `use_case` was marked by `claim`."""
    inner = use_case.func if isinstance(use_case, partial) else use_case
    return bool(getattr(inner, _CLAIM_MARK, False) or getattr(use_case, _CLAIM_MARK, False))


class Store(Protocol):
    """The hub's one database."""

    @property
    def feed_changed(self) -> Doorbell:
        """Rings when events got their positions; readers wait here, and also look every few seconds."""
        ...

    async def write(
        self,
        use_case: Callable[[Transaction, *Ts], Done[T]],
        *args: *Ts,
        urgent: bool = False,
        on_failure: Sequence[Effect] = (),
        on_doubt: Sequence[Effect] = (),
    ) -> T:
        """Run `use_case(tx, *args)` in one transaction; return its result after COMMIT.

        `urgent` (grant, settle, cancel) goes ahead of everything else. `on_failure` effects are performed when the
        operation is known not to have happened (it raised, was refused, or its group rolled back); `on_doubt` effects
        when its COMMIT is in doubt (core.md D4: close the session). The use case's own effects are performed in
        neither case. Cancelling the caller cancels nothing.

        Raises what the use case raised, StoreUnavailable, or CommitInDoubt.
        """
        ...

    async def read(self, query: Callable[[Transaction, *Ts], T], *args: *Ts) -> T:
        """Run `query(tx, *args)` in its own short read transaction and return its result.

        The query sees every write acknowledged before this call. Raises what it raised, or StoreUnavailable.
        """
        ...

    async def close(self) -> None:
        """Take no more work, finish what is queued, close the database."""
        ...
