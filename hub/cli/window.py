"""`botyard runner window`: plan when a runner gets no new work."""

from typing import Annotated, Any

import typer

from hub.cli import show
from hub.cli.client import segment
from hub.cli.connected import connected
from hub.cli.moments import coming

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Plan when a runner gets no new work.")

Name = Annotated[str, typer.Argument(help="Name or id of the runner.")]


@app.command(epilog="Example: botyard runner window add desk-1 --from 22:00 --to +6h --reason 'Windows updates'")
def add(
    name: Name,
    to: Annotated[str, typer.Option(help="Its end: +6h (from its start), 04:00, 2026-04-01T04:00 (local time).")],
    reason: Annotated[str, typer.Option(help="Why, for people: shown where tasks wait.")],
    from_: Annotated[str | None, typer.Option("--from", help="Its start: +2h, 22:00, …; now, unless given.")] = None,
    json_: show.Json = False,
) -> None:
    """Plan a window: the runner gets no new work from its start to its end; its bots go on."""
    start = coming(from_, "--from") if from_ else None
    end = coming(to, "--to", start)
    body = {"starts_at": start and start.isoformat(), "ends_at": end.isoformat(), "reason": reason}
    found = connected().post(f"/runners/{segment(name)}/windows", body)
    if json_:
        show.as_json(found)
        return
    typer.echo(found["id"])
    show.note(f"{name} gets no new work {_span(found)}")


@app.command("list", epilog="Example: botyard runner window list desk-1")
def list_(name: Name, json_: show.Json = False) -> None:
    """List a runner's windows, those of the last 30 days too."""
    found = connected().get(f"/runners/{segment(name)}/windows")
    if json_:
        show.as_json(found)
        return
    show.table(
        ("window", "from", "to", "reason", "by"),
        (
            (one["id"], show.when(one["starts_at"]), show.when(one["ends_at"]), one["reason"], one["created_by"])
            for one in found["items"]
        ),
    )


@app.command(epilog="Example: botyard runner window remove desk-1 wnd_0190f3a1c2d84b6e9f00112233445566")
def remove(
    name: Name, window: Annotated[str, typer.Argument(help="Id of the window.")], json_: show.Json = False
) -> None:
    """Take a window back; one that is open ends at once."""
    found = connected().delete(f"/runners/{segment(name)}/windows/{segment(window)}")
    if json_:
        show.as_json(found)
        return
    typer.echo(f"{found['id']}: removed")


def _span(one: dict[str, Any]) -> str:
    return f"from {show.when(one['starts_at'])} to {show.when(one['ends_at'])}"
