"""The list of kinds is what the sources record."""

import re
from pathlib import Path

from hub.domain.event_kinds import FAMILIES, KINDS, expand, remedy_of

HUB = Path(__file__).resolve().parents[4] / "hub"
NO_KINDS = frozenset({"bot.py", "bot.js", "hub.db"})
"""What only looks like one."""


def test_every_kind_that_is_recorded_is_known() -> None:
    """Whoever records a new one adds it to the list."""
    named = re.compile(rf'"((?:{"|".join(sorted(FAMILIES))})\.[a-z_]+)"')
    found = {kind for file in (HUB / "services").rglob("*.py") for kind in named.findall(file.read_text("utf-8"))}
    assert found - KINDS - NO_KINDS == set()


def test_patterns_name_families() -> None:
    """And what is none is told with what may have been meant."""
    assert {"queue.emptied", "queue.paused"} < expand(["queue.*"])
    assert expand(["task.settled", "nothing.*", "nothing"]) == {"task.settled"}
    assert remedy_of("runner.disconected").startswith("did you mean runner.disconnected")
    assert "families are" in remedy_of("xyzzy")
