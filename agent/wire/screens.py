"""Looking at a desktop: asked for by a message, answered by HTTPS, beside the bots' output and never before it.

`show_screen` says until when somebody looks; it is repeated while somebody does. The runner PUTs to `SCREEN_ROUTE` with
its session's ticket: ``image/png`` is a picture that changed, ``application/json`` a `ScreenNews`. 204: go on; 410:
nobody looks any more.
"""

from typing import Annotated, Literal

from pydantic import Field

from agent.wire.task import BotText, WireModel

SCREEN_ROUTE = "/runner/v1/screens/{slot}/{look}"
SCREEN_MAX_BYTES = 8 * 1024 * 1024
"""Of one picture."""
SCREEN_TEXT_MAX = 500
SCREEN_NEWS_MAX_BYTES = 8 * 1024
SCREEN_BEAT_S = 2.0
"""So often a picture that did not change is said to be the same."""

LookId = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]


class ShowScreen(WireModel):
    """Somebody looks at the desktop of a slot, for so long from now on; the pictures are the acknowledgement."""

    type: Literal["show_screen"] = "show_screen"
    slot: int = Field(ge=0)
    look: LookId
    """Another one begins anew: the newest picture is sent, changed or not."""
    every_s: float = Field(default=0.5, ge=0.1, le=60)
    """At most one picture in this time."""
    lease_s: float = Field(ge=0, le=60)
    """0: nobody looks any more."""


class ScreenNews(WireModel):
    """What is said instead of a picture."""

    state: Literal["same", "trouble"]
    message: Annotated[BotText, Field(max_length=SCREEN_TEXT_MAX)] = ""
    """Why there is no picture: one sentence."""


def screen_path(slot: int, look: str) -> str:
    """Where a picture of this look goes."""
    return SCREEN_ROUTE.format(slot=slot, look=look)
