"""Items as JSON, with and without their model."""

from datetime import UTC, datetime
from typing import Any

import pytest

from hub.api.item_views import item_json, item_view, items_json
from hub.api.items import Taken, Worked
from hub.domain.item import NO_DEADLINE
from hub.storage.items import ItemRow

AT = datetime(2026, 3, 1, 10, 0, 0, 1000, tzinfo=UTC)


def row(**members: Any) -> ItemRow:
    """An item."""
    plain: dict[str, Any] = dict.fromkeys(ItemRow.__slots__)
    plain |= {"id": "itm_1", "workspace_id": "wsp_1", "queue_id": "que_1", "state": "processing", "payload": {}}
    plain |= {"priority": 5, "rank": 1, "deadline": NO_DEADLINE, "tries": 0, "attempts": 1, "crashes": 0, "fence": 1}
    plain |= {"created_by": "token:ana", "created_at": AT, "updated_at": AT.replace(microsecond=0)}
    return ItemRow(**plain | members)


@pytest.mark.parametrize(
    "members",
    [
        {},
        {"payload": {"b": [1, 2.5, None, True], "a": {"é": '\u2028 \\ " \n \u0001'}}, "tags": ["x", "y"]},
        {"payload": {"n": 2**63 - 1, "m": -(2**63), "f": 1e300, "g": 1e-7}, "deadline": AT, "lease_until": AT},
        {"progress": [1], "result": "done", "error_class": "business", "message": "no", "finished_at": AT},
        {"reference": "4711", "holder": "token:ana", "execution_id": "exe_1", "task_id": "tsk_1", "runner_id": "rnr_1"},
    ],
)
def test_the_short_way_to_json_is_the_models(members: dict[str, Any]) -> None:
    """An answer that is not made through `Item` has the same bytes."""
    item = row(**members)
    assert item_json(item) == item_view(item).model_dump_json().encode()
    assert items_json([item]) == Taken(items=[item_view(item)]).model_dump_json().encode()
    assert items_json([item], completed=3) == Worked(completed=3, items=[item_view(item)]).model_dump_json().encode()
