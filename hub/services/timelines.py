"""The story of a task: its rows and the feed, put to `hub.domain.timeline`."""

from collections.abc import Mapping

from hub.domain.credits import Offer
from hub.domain.timeline import Moment, timeline
from hub.services import tasks, waiting
from hub.storage import timelines as rows
from hub.storage.transaction import Transaction


def show(tx: Transaction, workspace_id: str, task_id: str, offers: Mapping[str, Offer]) -> tuple[Moment, ...]:
    """Every step of a task with its length; `offers` is ``book.offers(workspace_id)``. Raises NotFound."""
    task = tasks.show(tx, workspace_id, task_id)
    reasons = waiting.why(tx, workspace_id, task_id, offers)
    return timeline(
        task,
        rows.attempts(tx, workspace_id, task_id),
        rows.signs(tx, workspace_id, task_id),
        waits_for=reasons[0].message if reasons else "",
        now=tx.now,
    )
