"""What the tasks of an automation share, as clients send and see it."""

from typing import Any

from pydantic import Field

from hub.api.call import Strict, View
from hub.domain.demand import Rate as KeptRate
from hub.domain.demand import Sharing

MEMBERS = frozenset({"concurrency", "concurrency_key", "uses", "rate"})


class Rate(Strict):
    """At most so many starts in any time of that length."""

    count: int = Field(ge=1, description="Starts.")
    per_s: int = Field(default=60, ge=1, le=86400, description="Seconds.")


class Shared(Strict):
    """Limits that the tasks of an automation have together."""

    concurrency: int | None = Field(
        default=None, description="At most so many at once; with a key: of each value. null: no limit."
    )
    concurrency_key: str | None = Field(
        default=None,
        description="CEL over `parameters`: tasks of one value count together, one at once unless `concurrency` says "
        "more. null: none.",
        examples=["parameters.customer"],
    )
    uses: dict[str, int] | None = Field(
        default=None,
        description="Units of resources that a task holds while it runs; all of them, {} for none.",
        examples=[{"sap-licence": 1}],
    )
    rate: Rate | None = Field(default=None, description="null: no limit.")


class SharedView(View):
    """Limits that the tasks of an automation have together; null is no limit."""

    concurrency: int | None
    concurrency_key: str | None
    uses: dict[str, int]
    rate: Rate | None


def said(body: Shared) -> dict[str, Any]:
    """The members that were sent, as the domain has them; `null` ends a limit."""
    found: dict[str, Any] = {name: getattr(body, name) for name in MEMBERS & body.model_fields_set}
    if "uses" in found:
        found["uses"] = found["uses"] or {}
    if body.rate is not None and "rate" in found:
        found["rate"] = KeptRate(count=body.rate.count, per_s=body.rate.per_s)
    return found


def shared_members(kept: Sharing) -> dict[str, Any]:
    """The members of a `SharedView`."""
    rate = kept.rate
    return {
        "concurrency": kept.concurrency,
        "concurrency_key": kept.concurrency_key,
        "uses": dict(kept.uses),
        "rate": Rate(count=rate.count, per_s=rate.per_s) if rate else None,
    }
