"""The story of a task: its rows and the feed, put to `hub.domain.timeline`."""

from collections.abc import Mapping

from hub.domain.condition import desktop_need
from hub.domain.credits import Offer
from hub.domain.desktop_wish import DesktopWish
from hub.domain.task_signs import Counted
from hub.domain.timeline import Moment, timeline
from hub.services import tasks, waiting
from hub.storage import tasks as task_rows
from hub.storage import timelines as rows
from hub.storage.transaction import Transaction


def show(tx: Transaction, workspace_id: str, task_id: str, offers: Mapping[str, Offer]) -> tuple[Moment, ...]:
    """Every step of a task with its length; `offers` is ``book.offers(workspace_id)``. Raises NotFound."""
    task = tasks.show(tx, workspace_id, task_id)
    reasons = waiting.why(tx, workspace_id, task_id, offers)
    attempts = rows.attempts(tx, workspace_id, task_id)
    return timeline(
        task,
        attempts,
        rows.signs(tx, workspace_id, task_id, {one.runner_id for one in attempts}),
        waits_for=reasons[0].message if reasons else "",
        now=tx.now,
        counted=_counted(tx, workspace_id, task_id),
    )


def _counted(tx: Transaction, workspace_id: str, task_id: str) -> Counted:
    needs, _ = task_rows.placement_of(tx, workspace_id, task_id)
    wish = DesktopWish.read(task_rows.target(tx, workspace_id, task_id).desktop)
    return Counted(needs=needs, desktop=desktop_need(needs, wish))
