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

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, TypeVar

import sqlalchemy as sa

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

    def __post_init__(self) -> None:
        """Ask the dialect once, not at each statement."""
        self.is_sqlite = self.connection.dialect.name == "sqlite"

    def record(self, event: NewEvent) -> None:
        """Append one row to the event feed, in this transaction.

        The row is written when the use case has returned, hence after the aggregate's row lock was taken (core.md §5);
        its dense position is given by the store. Raises RuntimeError in a read.
        """
        if self.readonly:
            raise RuntimeError("a query records nothing")
        self.recorded.append(event)
