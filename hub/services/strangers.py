"""Executions that a runner has and the store does not know: granted after the backup that was restored (R20).

Of a task that the store knows, one becomes an execution that has settled: its facts and output are kept, late, and a
running bot ends in its own time (core.md §4, late reports). Of a task that is unknown too, nothing can hang on: the bot
is stopped, and what it reports is an event.
"""

from collections.abc import Sequence

from agent.wire.codec import ProtocolError
from agent.wire.facts import Fact, FinalFact, ReportFact, VoidFact
from agent.wire.messages import Forget, Held
from agent.wire.words import ExecutionState, Outcome, Reason
from hub.services import held
from hub.services.effects import SendToRunner
from hub.services.subject import SessionKey
from hub.storage import executions, runners, tasks
from hub.storage import held as held_rows
from hub.storage.executions import ExecutionRow
from hub.storage.transaction import Effect, NewEvent, Transaction


def adopt(tx: Transaction, session: SessionKey, told: Held) -> ExecutionRow | None:
    """Make an unknown execution of a known task a late one of it; None where it stays a stranger.

    To be asked of a runner that shows what it has to a restored store, and of no other: a runner has no word in tasks
    that were never given to it.
    """
    if told.task_id is None or told.verdict == "void":
        return None
    task = tasks.get(tx, session.workspace_id, told.task_id, lock=True)
    if task is None or executions.get(tx, session.workspace_id, told.execution_id) is not None:
        return None
    target = tasks.target(tx, session.workspace_id, task.id, told.build_id)
    if target.build_id is None:  # a build of after the backup
        target = tasks.target(tx, session.workspace_id, task.id)
    runner = runners.get(tx, session.workspace_id, session.runner_id)
    if target.build_id is None or runner is None:
        return None
    values = {
        "workspace_id": session.workspace_id,
        "id": told.execution_id,
        "task_id": task.id,
        "runner_id": session.runner_id,
        "home_id": runner.home_id,
        "build_id": target.build_id,
        "build_digest": target.digest,
        "fence": told.fence,
        "state": ExecutionState.FINISHED,
        "epoch": 0,
        "slot": 0,
        "generation": 0,
        "on_disconnect": target.on_disconnect,
        "lost_after_s": target.lost_after_s,
        "outcome": Outcome.LOST,
        "reason": Reason.LINK_LOST,
    }
    if not held_rows.insert_late(tx, values):
        return None
    _record(tx, session, "execution.after_backup", told.execution_id, task.id, fence=told.fence, verdict=told.verdict)
    if told.verdict == "started":
        held.note_ran(tx, session, task.id, told.fence)
    return executions.get(tx, session.workspace_id, told.execution_id)


def take(tx: Transaction, session: SessionKey, group: Sequence[Fact]) -> list[Effect]:
    """Facts of an execution of which nothing is known: a report is an event, the last one lets the runner forget it.

    Raises ProtocolError for a broken checksum.
    """
    for fact in group:
        if not fact.is_intact():
            raise ProtocolError(f"fact {fact.seq} of {fact.execution_id} does not match its checksum")
        if isinstance(fact.body, ReportFact):
            said = fact.body.model_dump(mode="json", exclude={"kind"})
            _record(tx, session, "runner.stranger_reported", fact.execution_id, None, fence=fact.fence, report=said)
    last = max(group, key=lambda fact: fact.seq)
    if isinstance(last.body, VoidFact | FinalFact):
        message = Forget(execution_id=last.execution_id, fence=last.fence)
        return [SendToRunner(runner_id=session.runner_id, epoch=session.epoch, message=message)]
    return []


def _record(
    tx: Transaction, session: SessionKey, kind: str, execution_id: str, task_id: str | None, **data: object
) -> None:
    event = NewEvent(
        workspace_id=session.workspace_id,
        kind=kind,
        subject=execution_id if task_id else session.runner_id,
        actor=f"runner:{session.runner_id}",
        task_id=task_id,
        execution_id=execution_id,
        runner_id=session.runner_id,
        data=data,
    )
    tx.record(event)
