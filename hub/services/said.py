"""What bots say of their work beside reports: outputs, summary, annotations, record log rows, progress.

None of it decides anything: outcomes are made of reports and exits alone (core.md §4). `SaidFact` and `RowFact` are
facts like the others, by (execution, seq), but stand in tables of their own.
"""

from collections.abc import Iterable, Sequence

from agent.wire.facts import Fact, RowFact, SaidFact
from agent.wire.messages import Progress
from hub.storage import said
from hub.storage.executions import ExecutionRow
from hub.storage.said import LogRow, RowFilter, SaidRow
from hub.storage.transaction import Done, Transaction


def is_kept_here(fact: Fact) -> bool:
    """Whether a fact stands in a table of its own, not among the facts."""
    return isinstance(fact.body, SaidFact | RowFact)


def keep(tx: Transaction, execution: ExecutionRow, fresh: Sequence[Fact]) -> None:
    """Keep what is said in these facts of one execution, late ones too: it is that execution's own."""
    rows = [_log_row(execution, fact, fact.body) for fact in fresh if isinstance(fact.body, RowFact)]
    if rows:
        said.add_rows(tx, rows)
    for fact in fresh:
        if isinstance(fact.body, SaidFact):
            said.put(tx, execution.workspace_id, execution.id, _said_row(fact, fact.body))


def note_progress(
    tx: Transaction, workspace_id: str, runner_id: str, epoch: int, told: Iterable[Progress]
) -> Done[None]:
    """Keep the newest progress of executions. One that is not this session's, or has settled, is dropped."""
    for one in told:
        values = {
            "execution": one.execution_id,
            "granted": one.fence,
            "runner": runner_id,
            "mine": epoch,
            "percent": one.percent,
            "said": one.text,
            "moment": one.at,
        }
        said.note_progress(tx, workspace_id, values)
    return Done(None)


def of_execution(tx: Transaction, workspace_id: str, execution_id: str | None) -> SaidRow | None:
    """What an attempt said at its end; None where it said nothing."""
    return None if execution_id is None else said.get(tx, workspace_id, execution_id)


def rows(tx: Transaction, workspace_id: str, task_id: str, wanted: RowFilter) -> list[LogRow]:
    """Rows that a task wrote, attempts in their order."""
    return said.rows(tx, workspace_id, task_id, wanted)


def _log_row(execution: ExecutionRow, fact: Fact, body: RowFact) -> dict[str, object]:
    return {
        "workspace_id": execution.workspace_id,
        "execution_id": execution.id,
        "seq": fact.seq,
        "task_id": execution.task_id,
        "log": body.log,
        "columns": [[name, value] for name, value in body.columns.items()],
        "at": body.at,
    }


def _said_row(fact: Fact, body: SaidFact) -> dict[str, object]:
    return {
        "seq": fact.seq,
        "outputs": [[name, value] for name, value in body.outputs.items()],
        "summary": body.summary,
        "summary_cut": body.summary_cut,
        "annotations": [one.model_dump(mode="json") for one in body.annotations],
        "counts": body.counts.model_dump(),
        "at": body.at,
    }
