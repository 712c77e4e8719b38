"""BotCity's view of a task: the finish report that comes in, the task object that goes out (`maestro.md` §3.2, §4).

Shared by the hub's adapter and the runner's gateway, so that both answer a bot with the same shape.
"""

from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from agent.wire.limits import MESSAGE_TEXT_MAX
from agent.wire.task import BotText, TaskSnapshot, Totals
from agent.wire.words import Outcome, ReportStatus, TaskState

FINISH_WORDS = ("SUCCESS", "FAILED", "PARTIALLY_COMPLETED")
STATE_WORDS = ("START", "RUNNING", "FINISHED", "CANCELED")
_STATUS = {
    "SUCCESS": ReportStatus.SUCCEEDED,
    "FAILED": ReportStatus.FAILED,
    "PARTIALLY_COMPLETED": ReportStatus.PARTIAL,
}


def _word(words: tuple[str, ...]) -> BeforeValidator:
    """Strings in any case, or C#'s ordinals (`maestro.md` §1.7)."""

    def read(value: object) -> object:
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < len(words):
            return words[value]
        return value.upper() if isinstance(value, str) else value

    return BeforeValidator(read)


FinishWord = Annotated[str, _word(FINISH_WORDS), Field(pattern="^(SUCCESS|FAILED|PARTIALLY_COMPLETED)$")]
StateWord = Annotated[str, _word(STATE_WORDS), Field(pattern="^(START|RUNNING|FINISHED|CANCELED)$")]


AFTER_FACT = "botyardAfterFact"


class TaskUpdate(BaseModel):
    """Body of ``POST /task/{id}``: says by its members what to do; unknown members are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)

    state: StateWord | None = None
    finish_status: FinishWord | None = Field(default=None, alias="finishStatus")
    finish_message: BotText | None = Field(default=None, alias="finishMessage")
    total_items: int | None = Field(default=None, alias="totalItems")
    processed_items: int | None = Field(default=None, alias="processedItems")
    failed_items: int | None = Field(default=None, alias="failedItems")
    interrupted: bool | None = None
    killed: bool | None = None
    after_fact: int | None = Field(default=None, alias=AFTER_FACT, ge=0, le=2**31 - 1)
    """Our own gateway's: a finish of the caller's own task for which its runner had no room, and the number of the
    newest fact there. Of nobody else it means anything.
    """

    @property
    def is_finish(self) -> bool:
        """True for a finish report, whichever way it is written."""
        return self.state == "FINISHED" or (self.state is None and self.finish_status is not None)

    @property
    def status(self) -> ReportStatus:
        """The reported status; a finish that names none means success (`maestro.md` §3.2)."""
        return _STATUS[self.finish_status or "SUCCESS"]

    @property
    def message(self) -> str | None:
        """The message, cut to what is kept."""
        return None if self.finish_message is None else self.finish_message[:MESSAGE_TEXT_MAX]

    @property
    def totals(self) -> Totals | None:
        """Items as reported; negative or missing ones are worked out or left out, never refused."""
        return Totals.reported(self.total_items, self.processed_items, self.failed_items)


def date_text(moment: datetime | None) -> str | None:
    """``YYYY-MM-DDTHH:MM:SS.mmm+00:00``, the only form that all clients read (`maestro.md` §1.5)."""
    return None if moment is None else moment.astimezone(UTC).isoformat(timespec="milliseconds")


def task_object(task: TaskSnapshot) -> dict[str, Any]:
    """The JSON object of a task, every member present (`maestro.md` §3.2)."""
    totals = task.totals
    state, finish_status = maestro_state(task.state, task.status)
    return {
        "id": task.number,
        "state": state,
        "parameters": task.parameters,
        "inputFile": None,
        "agentId": task.bot,
        "activityLabel": task.automation,
        "activityName": task.automation_name,
        "userEmail": task.created_by,
        "userCreationName": task.created_by,
        "organizationLabel": task.workspace,
        "repositoryLabel": "DEFAULT",
        "dateCreation": date_text(task.created_at),
        "dateLastModified": date_text(task.updated_at or task.created_at),
        "dateStartRunning": date_text(task.started_at),
        "minExecutionDate": date_text(task.not_before),
        "finishStatus": finish_status,
        "finishMessage": task.message if finish_status else None,
        "test": task.test,
        "interrupted": task.interrupted,
        "killed": task.killed,
        "timedOut": task.timed_out,
        "machineId": task.runner,
        "priority": task.priority,
        "totalItems": totals.total if totals else None,
        "processedItems": totals.processed if totals else None,
        "failedItems": totals.failed if totals else None,
    }


def maestro_state(state: str, status: str | None) -> tuple[str, str | None]:
    """(state, finishStatus) of a task: FINISHED from its first report on, CANCELED only as an outcome."""
    if status == Outcome.CANCELED:
        return "CANCELED", None
    if status is not None:
        word = {ReportStatus.SUCCEEDED: "SUCCESS", ReportStatus.PARTIAL: "PARTIALLY_COMPLETED"}.get(
            ReportStatus(status) if status in ReportStatus.__members__.values() else ReportStatus.FAILED, "FAILED"
        )
        return "FINISHED", word
    return ("RUNNING" if state == TaskState.RUNNING else "START"), None
