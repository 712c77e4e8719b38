"""The table of executions on this machine, and what an order meets in it (pure; `core.md` D5, D6, D8).

An order is entered in the same step in which its `Start` was decoded. Whatever comes for an execution that is not here
(`Query`, `Stop`, a refused `Start`) makes an entry too: its durable `void` is the answer.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from agent.execution import LocalExecution
from agent.slots import Slots
from agent.spool import Tombstone
from agent.wire.messages import Start
from agent.wire.words import VoidReason


class Admission(StrEnum):
    """What became of a `Start`."""

    ENTERED = "entered"
    """It is new and has its slot: hand it over."""
    REFUSED = "refused"
    """It is new and is entered to be voided."""
    KNOWN = "known"
    """It is here already: its first answer stands, and is sent again if it was not acknowledged."""
    BURIED = "buried"
    """It was here and was forgotten at the hub's word: it never starts again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Admitted:
    """An admission, and for a refused order the reason."""

    admission: Admission
    reason: VoidReason = VoidReason.UNKNOWN
    message: str = ""


class Ledger:
    """Executions by id, tombstones, and the highest fence of each task."""

    def __init__(self, tombstones: Iterable[Tombstone] = ()) -> None:
        self._executions: dict[str, LocalExecution] = {}
        self._tombstones: dict[str, Tombstone] = {}
        self._fences: dict[str, int] = {}
        for stone in tombstones:
            self._bury(stone)

    def __getitem__(self, execution_id: str) -> LocalExecution:
        return self._executions[execution_id]

    def __contains__(self, execution_id: str) -> bool:
        return execution_id in self._executions

    def all(self) -> list[LocalExecution]:
        """What a resume names, oldest first."""
        return list(self._executions.values())

    def tombstones(self) -> list[Tombstone]:
        """What was here and was forgotten at the hub's word."""
        return list(self._tombstones.values())

    def put(self, execution: LocalExecution) -> None:
        """Enter an execution, or its next value."""
        self._executions[execution.execution_id] = execution
        self._fences[execution.task_id] = max(execution.fence, self._fences.get(execution.task_id, 0))

    def admit(self, start: Start, slots: Slots) -> Admitted:
        """Decide on an order and enter it. A lower fence of the same task is an order of the past (D5)."""
        known = self._known(start.execution_id)
        if known is not None:
            return known
        if start.fence < self._fences.get(start.task_id, 0):
            return self._refuse(start, VoidReason.OLD_FENCE, "a newer order of this task was here")
        why_not = slots.take(start.permit, start.execution_id)
        if why_not:
            return self._refuse(start, VoidReason.NO_SLOT, why_not)
        self.put(_entry(start.execution_id, start.task_id, start.fence, start.permit.slot))
        return Admitted(admission=Admission.ENTERED)

    def enter_unknown(self, execution_id: str, task_id: str, fence: int) -> bool:
        """Enter an execution of which nothing is known here, to be voided. False when it is, or was, here."""
        if self._known(execution_id) is not None:
            return False
        self.put(_entry(execution_id, task_id, fence, None))
        return True

    def bury(self, execution_id: str, outcome: str) -> Tombstone:
        """Forget an execution; what stays of it."""
        gone = self._executions.pop(execution_id)
        stone = Tombstone(execution_id=execution_id, task_id=gone.task_id, fence=gone.fence, outcome=outcome)
        self._bury(stone)
        return stone

    def _known(self, execution_id: str) -> Admitted | None:
        if execution_id in self._executions:
            return Admitted(admission=Admission.KNOWN)
        if execution_id in self._tombstones:
            return Admitted(admission=Admission.BURIED)
        return None

    def _refuse(self, start: Start, reason: VoidReason, message: str) -> Admitted:
        self.put(_entry(start.execution_id, start.task_id, start.fence, None))
        return Admitted(admission=Admission.REFUSED, reason=reason, message=message)

    def _bury(self, stone: Tombstone) -> None:
        self._tombstones[stone.execution_id] = stone
        self._fences[stone.task_id] = max(stone.fence, self._fences.get(stone.task_id, 0))


def _entry(execution_id: str, task_id: str, fence: int, slot: int | None) -> LocalExecution:
    return LocalExecution(execution_id=execution_id, task_id=task_id, fence=fence, slot=slot)
