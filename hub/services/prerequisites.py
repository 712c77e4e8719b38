"""What a new task waits for: checked, awaited, and what it means for the task from the start."""

from collections.abc import Mapping
from dataclasses import dataclass

from agent.wire.words import Outcome
from hub.domain.prerequisite import PREREQUISITES_MAX, After, Standing, faults_of, standing
from hub.services.automations import invalid
from hub.storage import prerequisites as rows
from hub.storage.transaction import Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """The tasks that a new one waits for, with the outcomes of those that have finished, and what these mean."""

    after: After
    ends: Mapping[str, Outcome | None]
    standing: Standing

    @property
    def columns(self) -> dict[str, object]:
        """What the new task's row says of them."""
        left = 0 if self.standing is Standing.MET else max(1, list(self.ends.values()).count(None))
        return {"after": self.after.when, "open_prerequisites": left}


def accept(tx: Transaction, workspace_id: str, after: After, own_number: int) -> Accepted:
    """Begin to wait, for the task that has `own_number`: from now on their ends are told. Raises Invalid, every fault.

    The row of the task itself, and then `insert`, must follow in the same transaction.
    """
    known = rows.resolve(tx, workspace_id, after.tasks[:PREREQUISITES_MAX])
    faults = faults_of(after, known, own_number)
    if faults:
        raise invalid("after", "A task can't wait for these.", faults)
    ends = rows.begin(tx, workspace_id, list(known.values()))
    return Accepted(after=after, ends=ends, standing=standing(after.when, list(ends.values())))


def insert(tx: Transaction, workspace_id: str, task_id: str, accepted: Accepted) -> None:
    """Write down what the new task waits for."""
    rows.insert(tx, workspace_id, task_id, accepted.ends)
