"""Tells the feed when a queue has run empty: an edge, once, whatever goes through it in between.

Looked at after changes, a burst together, and never on the way of an item: what filled and emptied a queue between two
looks is no edge. ``queue.emptied``: the last item that waited, or was postponed, is gone. ``queue.finished``: and
nothing of it is in work any more.
"""

from hub.domain.queue import Stock
from hub.storage import queue_watch
from hub.storage.transaction import Done, NewEvent, Transaction


def tell(tx: Transaction, workspace_id: str, queue_id: str) -> Done[bool]:
    """Record what changed since the feed was told last; False where nothing did, or another hub was first."""
    found = queue_watch.stock(tx, workspace_id, queue_id)
    if found is None or found.told is found.now or not queue_watch.told(tx, workspace_id, queue_id, found):
        return Done(result=False)
    for kind in _kinds(found.told, found.now):
        tx.record(
            NewEvent(
                workspace_id=workspace_id,
                kind=kind,
                subject=queue_id,
                actor="hub",
                old=found.told,
                new=found.now,
                data={"label": found.label},
            )
        )
    return Done(result=True)


def _kinds(told: Stock, now: Stock) -> list[str]:
    """What happened between the two; what is in work now has waited before."""
    if now is Stock.WAITING:
        return []
    kinds = [] if told is Stock.IN_WORK else ["queue.emptied"]
    return [*kinds, "queue.finished"] if now is Stock.NONE else kinds
