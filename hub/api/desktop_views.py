"""What an automation wants of desktops and programs, as clients send and see it."""

from typing import Annotated, Any

from pydantic import BaseModel, Field

from agent.wire.words import DesktopNeed
from hub.api.call import Strict, View
from hub.domain.desktop_wish import DesktopWish

MEMBERS = {
    "desktop": "desktop",
    "desktop_size": "size",
    "applications": "applications",
    "record": "record",
    "failure_screenshot": "failure_screenshot",
}
"""Of a body, and what `DesktopWish` calls them."""

Need = Annotated[
    DesktopNeed,
    Field(
        strict=False,
        description="required: one alone, without a fault; none: headless, in the background; any: with or without.",
    ),
]
Size = Annotated[
    str,
    Field(max_length=32, description="Pixels exactly, only with a required one; empty: any.", examples=["1920x1080"]),
]
Applications = Annotated[
    list[str],
    Field(
        description="Programs that must be there, by the names that runners tell.", examples=[["browser", "sap-gui"]]
    ),
]
Record = Annotated[bool, Field(description="Keep a recording of its desktop.")]
FailureScreenshot = Annotated[bool, Field(description="Keep a picture of its desktop where it fails.")]


class OnScreen(Strict):
    """What a new automation wants of the screen."""

    desktop: Need = DesktopNeed.ANY
    desktop_size: Size = ""
    applications: Applications = Field(default=[])
    record: Record = False
    failure_screenshot: FailureScreenshot = True


class OnScreenChanges(Strict):
    """What to change of it; absent members stay as they are."""

    desktop: Need | None = None
    desktop_size: Size | None = None
    applications: Applications | None = None
    record: Record | None = None
    failure_screenshot: FailureScreenshot | None = None


class OnScreenView(View):
    """What an automation wants of the screen."""

    desktop: DesktopNeed
    desktop_size: str
    applications: list[str]
    record: bool
    failure_screenshot: bool


def said(body: BaseModel) -> dict[str, Any]:
    """The members that were sent, as the domain has them."""
    sent = {inside: getattr(body, name) for name, inside in MEMBERS.items() if name in body.model_fields_set}
    found = {name: value for name, value in sent.items() if value is not None}
    if "applications" in found:
        found["applications"] = tuple(found["applications"])
    return found


def on_screen_members(wish: DesktopWish) -> dict[str, Any]:
    """The members of an `OnScreenView`."""
    found = {name: getattr(wish, inside) for name, inside in MEMBERS.items()}
    return {**found, "applications": list(wish.applications)}
