"""A runner's condition as people read it: why it gets no work, and its desktops."""

from typing import Any

import typer

from hub.cli import show

_SCOPES = {"desktop": " (only what needs this desktop)", "application": " (only what needs it)"}


def echo(found: dict[str, Any]) -> None:
    """Why it gets no work, each reason with what ends it; then what desktops it has."""
    if found["no_work"]:
        is_idle = any(one["scope"] == "all" for one in found["no_work"])
        typer.echo("no work because:" if is_idle else "not all work because:")
    for one in found["no_work"]:
        since = f" since {show.when(one['since'])}" if one["since"] and one["code"] != "unfit" else ""
        typer.echo(f"  {one['code']}{since}: {show.one_line(one['message'])}{_SCOPES.get(one['scope'], '')}")
        if one["remedy"]:
            typer.echo(f"    {show.one_line(one['remedy'])}")
    if found["desktops"]:
        is_old = not found["connected"] and found["told_at"]
        typer.echo("desktops" + (f" as it told last, {show.when(found['told_at'])}:" if is_old else ":"))
    for one in found["desktops"]:
        typer.echo(f"  slot {one['slot']}: {_desktop(one)}")


def _desktop(one: dict[str, Any]) -> str:
    size = f" {one['width']}x{one['height']}" if one["width"] and one["height"] else ""
    kind = f"virtual {one['kind']}" if one["is_virtual"] else one["kind"]
    state = "fit" if one["is_fit"] else ", ".join(fault["code"] for fault in one["faults"])
    user = f" of {show.one_line(one['user'])}" if one["user"] else ""
    return f"desktop {show.one_line(one['name'])} ({kind}{size}{user}): {state}"
