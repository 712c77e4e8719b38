"""Options for what an automation wants of desktops and programs, and the same as people read it."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from hub.cli.usage import contradiction, none_or, one_way
from hub.domain.quantities import NONE

ANY = "any"
Desktop = Annotated[
    str | None,
    typer.Option(
        metavar="any|none|required",
        help="required: it gets a desktop of its own that is fit, or waits; none: headless; any: with or without.",
    ),
]
DesktopSize = Annotated[
    str | None, typer.Option(metavar="WIDTHxHEIGHT", help="Pixels exactly, with --desktop required; or any.")
]
Application = Annotated[
    list[str] | None,
    typer.Option(
        "--application", help="A program that must be there, as browser; repeat it. Replaces all; none: none."
    ),
]
Record = Annotated[list[bool] | None, typer.Option("--record/--no-record", help="Keep a recording of its desktop.")]
FailureScreenshot = Annotated[
    list[bool] | None,
    typer.Option("--failure-screenshot/--no-failure-screenshot", help="Keep a picture of its desktop where it fails."),
]


def of_automation(
    desktop: str | None,
    size: str | None,
    application: list[str] | None,
    record: list[bool] | None,
    failure_screenshot: list[bool] | None,
) -> dict[str, Any]:
    """The members that were given, as the API has them. A desktop that is not required any more has no size either.

    Raises Failure that names both options where two contradict each other.
    """
    said: dict[str, Any] = {
        "desktop": desktop,
        "record": one_way(record, "--record", "--no-record"),
        "failure_screenshot": one_way(failure_screenshot, "--failure-screenshot", "--no-failure-screenshot"),
        "applications": none_or(application, "--application", NONE),
    }
    if desktop == NONE and said["record"]:
        raise contradiction("--desktop none", "--record", "a recording shows a desktop; say any or required")
    if desktop in {ANY, NONE} and size not in {None, ANY}:
        raise contradiction(f"--desktop {desktop}", f"--desktop-size {size}", "a size needs --desktop required")
    if size is not None:
        said["desktop_size"] = "" if size == ANY else size
    elif desktop is not None and desktop != "required":
        said["desktop_size"] = ""
    return {name: value for name, value in said.items() if value is not None}


def line(found: Mapping[str, Any]) -> str | None:
    """What it wants of the screen, in one line; None where it says nothing."""
    parts = []
    if found["desktop"] != ANY:
        size = f" {found['desktop_size']}" if found["desktop_size"] else ""
        parts.append(f"desktop {found['desktop']}{size}")
    parts += found["applications"]
    if found["record"]:
        parts.append("recorded")
    if not found["failure_screenshot"]:
        parts.append("no picture where it fails")
    return ", ".join(parts) or None
