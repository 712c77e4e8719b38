"""Runners whose machine fails again and again: counted as executions end, then kept from work until a person says so.

`hub.domain.quarantine` decides; `hub.services.failing_runners` looks whenever a row of failures has grown.
"""

from agent.wire.words import Outcome, Reason
from hub.domain.quarantine import Failed, Row, Sign, longer, sign_of, verdict
from hub.services.effects import DrainRunner, RunnerFailed
from hub.storage import alerts, runners
from hub.storage.executions import ExecutionRow
from hub.storage.tasks import Target, TaskRow
from hub.storage.transaction import Done, Effect, NewEvent, Transaction

FAILING = "runner_failing"
"""Kind of the alert."""


def note(
    tx: Transaction, task: TaskRow, target: Target, execution: ExecutionRow, ended: tuple[Outcome, Reason | None]
) -> list[Effect]:
    """Count what an execution's end says of its machine; most ends cost nothing."""
    match sign_of(*ended):
        case Sign.GOOD if target.runner_failed_in_a_row:
            runners.change(tx, execution.workspace_id, execution.runner_id, {"failed_in_a_row": 0, "failing": None})
            return []
        case Sign.BAD:
            row = runners.get(tx, execution.workspace_id, execution.runner_id, lock=True)
            if row is None:
                return []
            failed = Failed(
                task_id=task.id,
                automation_id=task.automation_id,
                outcome=ended[0],
                reason=ended[1],
                granted_at=execution.granted_at,
                ended_at=tx.now,
            )
            counted = longer(Row.read(row.failed_in_a_row, row.failing), failed)
            values = {"failed_in_a_row": counted.count, "failing": counted.stored()}
            runners.change(tx, row.workspace_id, row.id, values)
            return [RunnerFailed(workspace_id=row.workspace_id, runner_id=row.id)]
        case _:
            return []


def bench(tx: Transaction, threshold: int) -> Done[int]:
    """Keep from work every runner whose failures in a row are too many, of all workspaces; how many that were."""
    effects: list[Effect] = []
    for workspace_id, runner_id in runners.failing(tx, threshold):
        row = runners.get(tx, workspace_id, runner_id, lock=True)
        why = verdict(Row.read(row.failed_in_a_row, row.failing), threshold) if row and not row.benched_at else None
        if row is None or why is None:
            continue
        runners.change(tx, workspace_id, runner_id, {"benched_at": tx.now, "quarantine_reason": why})
        _tell(tx, workspace_id, runner_id, why)
        remedy = f"Mend the machine, then botyard runner resume {row.name}."
        alerts.raise_alert(tx, workspace_id, FAILING, runner_id, f"{row.name} gets no work: {why}. {remedy}")
        effects.append(DrainRunner(runner_id=runner_id, on=True))
    return Done(len(effects), effects)


def _tell(tx: Transaction, workspace_id: str, runner_id: str, why: str) -> None:
    tx.record(
        NewEvent(
            workspace_id=workspace_id,
            kind="runner.quarantined",
            subject=runner_id,
            actor="hub",
            runner_id=runner_id,
            data={"why": why, "by": "failures"},
        )
    )
