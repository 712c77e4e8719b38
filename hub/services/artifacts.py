"""Files of executions: on their way in (bytes first, durable under their digest, then the fact that names them, §6),
shown, and asked for while a bot runs.
"""

from dataclasses import dataclass

from agent.wire.words import ExecutionState
from hub.errors import Conflict, NotFound
from hub.services import orders
from hub.services.bots import Speaker
from hub.services.effects import SendToRunner
from hub.storage import artifacts, executions, owned_blobs, runners
from hub.storage.artifacts import ArtifactRow
from hub.storage.blobs import Blob
from hub.storage.builds import own_blobs
from hub.storage.transaction import Done, NewEvent, Transaction

_NUMBER_DIGITS = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """A file that a bot left behind and that was not brought here, with the reason."""

    execution_id: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """Everything that is known of a task's files."""

    files: tuple[ArtifactRow, ...]
    left_out: tuple[LeftOut, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Which attempt was asked for its files."""

    execution_id: str
    runner: str


def is_own(tx: Transaction, speaker: Speaker) -> bool:
    """Whether this runner speaks for an execution of its own; also one that has settled: files may come late."""
    execution = executions.get(tx, speaker.workspace_id, speaker.execution_id)
    return execution is not None and execution.runner_id == speaker.runner_id


def has(tx: Transaction, workspace_id: str, sha256: str) -> bool:
    """Whether the workspace owns these bytes already."""
    return owned_blobs.size(tx, workspace_id, sha256) is not None


def own(tx: Transaction, workspace_id: str, blob: Blob) -> Done[None]:
    """The workspace owns a stored blob."""
    own_blobs(tx, workspace_id, {blob.sha256: blob.size_bytes})
    return Done(None)


def of_task(tx: Transaction, workspace_id: str, task_id: str, number: int) -> Listing:
    """The files of one round of a task, and what was left out."""
    return Listing(
        files=tuple(artifacts.of_task(tx, workspace_id, task_id, number)),
        left_out=tuple(
            LeftOut(execution_id=execution_id, text=text)
            for execution_id, text in artifacts.left_out(tx, workspace_id, task_id)
        ),
    )


def show(tx: Transaction, workspace_id: str, named: str) -> ArtifactRow:
    """The file of that number. Raises NotFound."""
    is_number = named.isascii() and named.isdigit() and len(named) <= _NUMBER_DIGITS
    found = artifacts.get(tx, workspace_id, int(named)) if is_number else None
    if found is None:
        text = f"There is no artifact {named[:32]!r} here. `botyard task artifacts TASK` lists a task's."
        raise NotFound("no_artifact", text)
    return found


def collect(tx: Transaction, workspace_id: str, task_id: str, actor: str) -> Done[Asked]:
    """Ask the runner of a running task to bring the files that are there now; its end brings them in any case.

    Raises Conflict for a task that does not run, or whose runner is not connected.
    """
    execution = executions.live_of_task(tx, workspace_id, task_id)
    if execution is None or execution.state != ExecutionState.RUNNING:
        raise Conflict("not_running", "This task does not run: its files come by themselves when it has ended.")
    runner = runners.get(tx, workspace_id, execution.runner_id)
    if runner is None or runner.session_epoch is None:
        text = "The task's runner is not connected. Its files come at the end; or ask again when it is back."
        raise Conflict("runner_away", text)
    event = NewEvent(
        workspace_id=workspace_id,
        kind="artifacts.asked",
        subject=task_id,
        actor=actor,
        task_id=task_id,
        execution_id=execution.id,
        runner_id=runner.id,
    )
    tx.record(event)
    order = SendToRunner(runner_id=runner.id, epoch=runner.session_epoch, message=orders.collect(execution))
    return Done(Asked(execution_id=execution.id, runner=runner.name), [order])
