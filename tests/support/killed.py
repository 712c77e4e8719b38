"""A hub that is killed inside of a use case: before each of its statements in turn, and before its COMMIT.

To the database that is the same as a process that died there: nothing of the transaction is kept, nobody is answered,
no effect is performed. What comes after is a new hub on the same store.
"""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from unittest.mock import patch

import sqlalchemy as sa

from hub.storage import direct
from hub.storage.store import Store, claim, is_claim
from hub.storage.transaction import Done, Transaction
from tests.support.interleaving import UseCase


class KilledError(Exception):
    """The hub died here."""


async def killed_at_every_statement(store: Store, use_case: UseCase) -> AsyncIterator[int]:
    """Run `use_case` again and again, killed one statement later each time; yield after each kill, until it is done.

    What is yielded is the number of statements that were sent. When the loop has ended, it went through once.
    """
    sent = 0
    while await _is_killed(store, use_case, sent):
        yield sent
        sent += 1


async def _is_killed(store: Store, use_case: UseCase, after: int) -> bool:
    left = [after + 1]

    def strike(*_args: object) -> None:
        left[0] -= 1
        if left[0] == 0:
            raise KilledError

    def struck(tx: Transaction) -> Done[object]:
        sa.event.listen(tx.connection, "before_cursor_execute", strike)
        try:
            with _directly(strike):
                done = use_case(tx)
            strike()  # all done, nothing committed
            return done
        finally:
            sa.event.remove(tx.connection, "before_cursor_execute", strike)

    try:
        await store.write(claim(struck) if is_claim(use_case) else struck)
    except KilledError:
        return True
    return False


@contextmanager
def _directly(strike: Callable[[], None]) -> Iterator[None]:
    """On SQLite the hottest statements go past SQLAlchemy, which tells nobody of them."""
    known = direct._driver

    def driver(tx: Transaction) -> object:
        strike()
        return known(tx)

    with patch.object(direct, "_driver", driver):
        yield
