"""What facts are about: an execution and its task, locked, and as they stand after each fact of a group."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from agent.wire.codec import ProtocolError
from agent.wire.words import ExecutionState
from hub.domain.execution import ExecutionEvent
from hub.domain.execution import move as move_execution
from hub.domain.task import IllegalMove
from hub.storage import executions
from hub.storage.executions import ExecutionRow
from hub.storage.tasks import TaskRow
from hub.storage.transaction import NewEvent, Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionKey:
    """The session through which something came; every write for its runner is guarded by its epoch (P2)."""

    workspace_id: str
    runner_id: str
    epoch: int


@dataclass(slots=True, kw_only=True)
class Subject:
    """An execution and its task while facts are taken: locked, and as they stand after each change.

    Changes of the execution gather until `write`: a group of facts is one UPDATE. Nobody else may write the row before.
    """

    read: ExecutionRow
    """The execution as it stood before any of it."""
    task: TaskRow
    session: SessionKey | None = None
    """Where the facts came from."""
    _changes: dict[str, object] = field(init=False, default_factory=dict)
    _unwritten: dict[str, object] = field(init=False, default_factory=dict)
    _stored_state: str = field(init=False)

    def __post_init__(self) -> None:
        """What was read is what stands in the store."""
        self._stored_state = self.read.state

    @property
    def execution(self) -> ExecutionRow:
        """The execution with all changes; made for each look, which costs as much as a statement."""
        known = {name: value for name, value in self._changes.items() if name in ExecutionRow.__slots__}
        return replace(self.read, **known) if known else self.read  # type: ignore[arg-type]  # columns of the same names

    @property
    def state(self) -> ExecutionState:
        """Where the execution stands after all changes."""
        return ExecutionState(str(self._changes.get("state", self.read.state)))

    def change(self, values: Mapping[str, object]) -> None:
        """Set columns of the execution."""
        self._changes |= values
        self._unwritten |= values

    def write(self, tx: Transaction) -> None:
        """Write what has changed."""
        if not self._unwritten:
            return
        if not executions.change(tx, self.read, self._unwritten, seen=self._stored_state):
            raise RuntimeError(f"execution {self.read.id} changed under its own lock")
        self._stored_state, self._unwritten = self.state, {}

    def move(self, tx: Transaction, event: ExecutionEvent, values: Mapping[str, object], cause: str = "") -> None:
        """Move the execution, with its event row. Raises ProtocolError where the machine has no such move."""
        old = self.state
        new = following(self.read.id, old, event)
        self.change({**values, "state": new})
        record(tx, self.read, f"execution.{new}", old=old, new=new, cause=cause or None)


def following(execution_id: str, state: ExecutionState, event: ExecutionEvent) -> ExecutionState:
    """The state that follows. A fact out of its order is the runner's breach, not a defect of the hub."""
    try:
        return move_execution(execution_id, state, event)
    except IllegalMove as error:
        raise ProtocolError(str(error)) from error


def record(  # noqa: PLR0913 - an event, field by field
    tx: Transaction,
    execution: ExecutionRow,
    kind: str,
    *,
    subject: str | None = None,
    old: str | None = None,
    new: str | None = None,
    cause: str | None = None,
    data: Mapping[str, object] | None = None,
) -> None:
    """Record an event of the execution, by its runner."""
    event = NewEvent(
        workspace_id=execution.workspace_id,
        kind=kind,
        subject=subject or execution.id,
        actor=f"runner:{execution.runner_id}",
        old=old,
        new=new,
        cause=cause,
        task_id=execution.task_id,
        execution_id=execution.id,
        runner_id=execution.runner_id,
        data=data,
    )
    tx.record(event)
