"""What a use case sees of the store: one transaction, the time, new ids, and the event feed.

A use case is a plain synchronous function `use_case(tx, *args) -> Done[T]`. It touches nothing but `tx` and its
arguments, may run more than once (PostgreSQL retries a serialization failure: core.md §5), and returns its result and
its effects as data; the store performs the effects after COMMIT.

Rules for repositories that both engines obey:
- guard in the statement (`WHERE state = …`) and look at the row count; never "count, then insert";
- for "insert unless it is there" use `ON CONFLICT DO NOTHING` and look at the row count: after an IntegrityError a
  PostgreSQL transaction can only roll back;
- take the aggregate's row (an UPDATE, or SELECT … FOR UPDATE) before you record its event.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, TypeVar

import sqlalchemy as sa

from hub.storage.faults import is_of_store

T = TypeVar("T")

Effect = object
"""Something to be done after COMMIT; only `perform`, which the store was opened with, knows what it means."""


@dataclass(frozen=True, slots=True)
class Done(Generic[T]):
    """What a use case returns: its result, and the effects to perform once it is committed."""

    result: T
    effects: Sequence[Effect] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class NewEvent:
    """One change, for the event feed: who, what, from, to, cause (design.md §4).

    `subject` is the id of the thing that changed; `actor` is who did it (`token:…`, `runner:…`, `hub`); `cause` is the
    id of the request, fact or event that led here. `data` must hold no secret.
    """

    workspace_id: str
    kind: str
    subject: str
    actor: str
    old: str | None = None
    new: str | None = None
    cause: str | None = None
    task_id: str | None = None
    execution_id: str | None = None
    runner_id: str | None = None
    data: Mapping[str, Any] | None = None


@dataclass(slots=True, kw_only=True)
class Transaction:
    """One running transaction; good only inside the use case or query that it was handed to."""

    connection: sa.Connection
    now: datetime
    """The store's time of this operation, aware UTC; the only clock of a use case."""
    new_id: Callable[[str], str]
    """`new_id("tsk")` gives a fresh, time-ordered id `tsk_…`."""
    readonly: bool = False
    recorded: list[NewEvent] = field(default_factory=list)
    is_sqlite: bool = field(init=False)
    driver: Any = field(init=False)
    """SQLite's own connection, for `hub.storage.direct`; None on PostgreSQL."""

    def __post_init__(self) -> None:
        """Ask once, not at each statement."""
        self.is_sqlite = self.connection.dialect.name == "sqlite"
        self.driver = self.connection.connection.driver_connection if self.is_sqlite else None

    def record(self, event: NewEvent) -> None:
        """Append one row to the event feed, in this transaction.

        The row is written when the use case has returned, hence after the aggregate's row lock was taken (core.md §5);
        its dense position is given by the store. Raises RuntimeError in a read.
        """
        if self.readonly:
            raise RuntimeError("a query records nothing")
        self.recorded.append(event)

    @contextmanager
    def attempt(self) -> Iterator[None]:
        """A part of this transaction that whatever it raises takes back, rows and events; the rest stays.

        For a use case that tries several and tells what became of each; attempts do not nest. After the database's own
        trouble (`is_of_store`) nothing of the transaction can stay: let that through.
        """
        events = len(self.recorded)
        self.connection.exec_driver_sql("SAVEPOINT attempt")
        try:
            yield
        except Exception as error:
            if is_of_store(error):
                raise
            self.connection.exec_driver_sql("ROLLBACK TO SAVEPOINT attempt")
            self.connection.exec_driver_sql("RELEASE SAVEPOINT attempt")
            del self.recorded[events:]
            raise
        self.connection.exec_driver_sql("RELEASE SAVEPOINT attempt")
