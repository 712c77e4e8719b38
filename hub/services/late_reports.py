"""Late reports: shown, and accepted by a person, which makes an amendment of one (core.md §4).

A settlement never changes by it (G2). A task that is held since its hub was restored has none yet: the accepted report
becomes it, and the task does not run again (R20).
"""

from agent.wire.facts import ReportFact
from agent.wire.maestro import TaskUpdate
from agent.wire.words import ReportStatus, TaskState
from hub.domain.task import TaskView
from hub.errors import Conflict, NotFound
from hub.services import tasks
from hub.storage import late_reports as rows
from hub.storage.late_reports import LateReport
from hub.storage.transaction import Done, Transaction

_WORDS = {ReportStatus.SUCCEEDED: "SUCCESS", ReportStatus.PARTIAL: "PARTIALLY_COMPLETED", ReportStatus.FAILED: "FAILED"}


def of_task(tx: Transaction, workspace_id: str, task_id: str) -> list[LateReport]:
    """Late reports of a task, oldest first."""
    return rows.of_task(tx, workspace_id, task_id)


def accept(tx: Transaction, workspace_id: str, task_id: str, report_id: str, actor: str) -> Done[TaskView]:
    """Take a late report for the last word on its task. Raises NotFound, and Conflict: accepted, or it runs again."""
    known = {report.id: report for report in rows.of_task(tx, workspace_id, task_id)}
    if report_id not in known:
        raise NotFound("no_late_report", f"There is no late report {report_id[:64]!r} of this task.")
    task = tasks.show(tx, workspace_id, task_id)
    if task.state is TaskState.RUNNING:
        raise Conflict("running", f"Task {task.number} runs just now: its own report counts. Cancel it first.")
    if not rows.accept(tx, workspace_id, report_id):
        raise Conflict("accepted", f"This late report of task {task.number} was accepted already.")
    return tasks.finish_by_person(tx, workspace_id, task_id, _update(known[report_id]), actor)


def _update(report: LateReport) -> TaskUpdate:
    said = ReportFact.model_validate(report.body)
    totals = said.totals
    return TaskUpdate.model_validate(
        {
            "state": "FINISHED",
            "finishStatus": _WORDS[said.status],
            "finishMessage": said.message,
            "totalItems": totals.total if totals else None,
            "processedItems": totals.processed if totals else None,
            "failedItems": totals.failed if totals else None,
        }
    )
