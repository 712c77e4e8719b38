"""What `queue show` and `item show` say of an application that is out of order."""

from typing import Any

from hub.cli import show


def line(found: dict[str, Any]) -> str | None:
    """Which application holds it, since when, why, and what ends that; None where nothing does."""
    one = found["breaker"]
    if one is None:
        return None
    name, why = one["application"], f" ({one['why']})" if one["why"] else ""
    if one["next_probe"]:
        then = f"a probe goes at {show.when(one['next_probe'])}"
    elif one["state"] == "half_open":
        then = "probes are under way"
    else:
        then = f"until somebody closes it: botyard breaker close {name}"
    return f"{name} is out of order since {show.when(one['since'])}{why}; {then}"
