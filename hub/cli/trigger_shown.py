"""How `botyard trigger show` tells a trigger: what it is, then what was said of it under the names of its options."""

import json
from collections.abc import Mapping
from typing import Any

from hub.cli import show
from hub.domain.quantities import duration_text

_APART = {"definition", "parameters", "failed_in_a_row"}
_TOLD = {"kind", "cron", "every", "phrase", "zone"}
"""Members of a definition that stand in its `when` already."""
_TIMES = ("next_at", "trouble_since", "watched_at", "created_at", "updated_at")
_OPTIONS = {
    "event": {"automation": "of"},
    "file": {"parameter": "into", "stable_s": "stable"},
    "schedule": {"misfire_window_s": "misfire-window"},
}
"""Options that are not called as their members are, by kind of trigger."""


def shown(found: Mapping[str, Any], when: str) -> dict[str, Any]:
    """Names and values to print, `when` as its definition in a few words; nothing of it hides the trigger's own."""
    own = {name: value for name, value in found.items() if name not in _APART}
    own |= {name: show.when(found[name]) for name in _TIMES}
    own["failed_in_a_row"] = found["failed_in_a_row"] or None
    said = {name: value for name, value in found["definition"].items() if name not in _TOLD}
    options = _OPTIONS.get(found["kind"], {})
    typed = {f"--{options.get(name, name).replace('_', '-')}": _typed(name, value) for name, value in said.items()}
    return {**own, "when": when, **typed}


def _typed(name: str, value: Any) -> str | None:
    """A value as its option takes it; what may be given more than once stands side by side."""
    if isinstance(value, bool):
        return "yes" if value else None
    if name.endswith("_s") and isinstance(value, int | float):
        return duration_text(value).replace(" ", "")
    if isinstance(value, list):
        return "  ".join(map(str, value))
    if isinstance(value, Mapping):
        return "  ".join(f"{one}={expression}" for one, expression in value.items())
    return value if isinstance(value, str) or value is None else json.dumps(value)
