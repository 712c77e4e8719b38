"""What somebody probably meant: names that the hub has, near to one that it has not."""

import difflib

from hub.cli.client import Client
from hub.cli.failing import Failure, Refusal

_KNOWN = {
    "no_automation": ("/automations", "label"),
    "no_runner": ("/runners", "name"),
    "no_bot": ("/bots", "name"),
    "no_trigger": ("/triggers", "label"),
    "no_calendar": ("/calendars", "label"),
}
"""Where the names are, by the hub's word for what is missing."""


def near(name: str, known: list[str]) -> list[str]:
    """Up to three known names that `name` may be a slip of; upper and lower case are one."""
    folded = {one.casefold(): one for one in known}
    return [folded[one] for one in difflib.get_close_matches(name.casefold(), folded, n=3, cutoff=0.6)]


def with_suggestion(refusal: Refusal, client: Client) -> str:
    """The refusal's sentence, with the names that come near where the hub knows some."""
    where = _KNOWN.get(refusal.problem_code)
    name = refusal.about.get("name")
    if where is None or not isinstance(name, str):
        return refusal.message
    path, member = where
    try:
        names = near(name, [str(one[member]) for one in client.get(path, {"limit": 200})["items"]])
    except Failure:
        return refusal.message
    return f"{refusal.message} Did you mean {' or '.join(names)}?" if names else refusal.message
