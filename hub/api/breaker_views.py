"""How the views of queues and items name the breaker that holds items back."""

from datetime import datetime

from pydantic import Field

from hub.api.call import View
from hub.domain.breaker import BreakerState
from hub.storage.breakers import BreakerRow


class HeldBy(View):
    """An application that is out of order."""

    application: str = Field(description="The queue's target; `GET /breakers/{application}` tells more.")
    state: BreakerState
    since: datetime | None
    next_probe: datetime | None = Field(
        description="When one item is tried. Null: half open, probes are under way; open, somebody must close it."
    )
    why: str | None


def held_by(row: BreakerRow | None) -> HeldBy | None:
    """A breaker that is not closed, as clients see it beside what it holds."""
    if row is None:
        return None
    next_probe = row.probe_at if row.state == BreakerState.OPEN else None
    state = BreakerState(row.state)
    return HeldBy(application=row.label, state=state, since=row.opened_at, next_probe=next_probe, why=row.why)
