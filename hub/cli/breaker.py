"""`botyard breaker`: applications that are out of order, and what keeps work from them."""

from typing import Annotated, Any

import typer

from hub.cli import show
from hub.cli.client import segment
from hub.cli.connected import connected
from hub.cli.failing import Exit, Failure
from hub.domain.quantities import duration_text, read_duration

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Keep work from applications that are out of order.")

Label = Annotated[str, typer.Argument(help="The application, as queues name it.")]


@app.command("list", epilog="Example: botyard breaker list")
def list_(json_: show.Json = False) -> None:
    """List breakers: one for each application that failed once, or that somebody set up."""
    found = list(connected().all("/breakers", {"limit": 200}))
    if json_:
        show.as_json({"items": found})
        return
    show.table(
        ("application", "state", "since", "probe", "why"),
        ((one["label"], one["state"], show.when(one["opened_at"]), _probe(one), one["why"]) for one in found),
    )


@app.command("show", epilog="Example: botyard breaker show sap")
def show_(label: Label, json_: show.Json = False) -> None:
    """Show a breaker: its state, why, when a probe goes, and its policy."""
    found = connected().get(f"/breakers/{segment(label)}")
    if json_:
        show.as_json(found)
        return
    closing = f"after {found['close_after']} probes that pass ({found['probes_passed']} did, {found['probes_out']} out)"
    pauses = f"{duration_text(found['probe_after_s'])}, doubled up to {duration_text(found['cap_s'])}"
    show.members(
        {
            "application": f"{found['label']}  {found['id']}",
            "state": found["state"],
            "why": found["why"],
            "item": found["item"],
            "since": show.when(found["opened_at"]) if found["opened_at"] else None,
            "probe": _probe(found) or None,
            "opens after": f"{found['threshold']} system errors in a row ({found['failed_in_a_row']} so far)",
            "probes go after": pauses,
            "closes": closing,
            "gives a probe up after": duration_text(found["patience_s"]),
        }
    )


@app.command("open", epilog="Example: botyard breaker open sap --why 'maintenance until 18:00'")
def open_(
    label: Label,
    why: Annotated[str, typer.Option(help="For people who find their items waiting.")] = "",
    json_: show.Json = False,
) -> None:
    """Hand out no item of an application until somebody closes its breaker."""
    _changed(connected().post(f"/breakers/{segment(label)}/open", {"why": why}), json_)


@app.command(epilog="Example: botyard breaker close sap")
def close(label: Label, json_: show.Json = False) -> None:
    """Hand out items of an application again, at once."""
    _changed(connected().post(f"/breakers/{segment(label)}/close"), json_)


@app.command(epilog="Example: botyard breaker edit sap --threshold 3 --probe-after 1m")
def edit(
    label: Label,
    threshold: Annotated[int | None, typer.Option(min=1, help="System errors in a row that open it.")] = None,
    probe_after: Annotated[
        str | None, typer.Option(metavar="TIME", help="From opening to probe; doubled each time.")
    ] = None,
    cap: Annotated[str | None, typer.Option(metavar="TIME", help="No probe waits longer.")] = None,
    close_after: Annotated[int | None, typer.Option(min=1, help="Probes that must pass: 1, then 2, then 4.")] = None,
    patience: Annotated[str | None, typer.Option(metavar="TIME", help="A probe that takes longer is given up.")] = None,
    json_: show.Json = False,
) -> None:
    """Set up a breaker, or change what is named; all else stays."""
    times = {"probe_after": probe_after, "cap": cap, "patience": patience}
    said: dict[str, Any] = {f"{name}_s": _time(name, text) for name, text in times.items() if text is not None}
    counts = {"threshold": threshold, "close_after": close_after}
    said |= {name: value for name, value in counts.items() if value is not None}
    if not said:
        raise Failure("nothing to change was named; see botyard breaker edit --help.", Exit.USAGE)
    _changed(connected().patch(f"/breakers/{segment(label)}", said), json_)


def _time(name: str, text: str) -> float:
    hint = f"--{name.replace('_', '-')}"
    try:
        found = read_duration(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=hint) from None
    if found is None:
        raise typer.BadParameter(f"{text!r} is no time: say 30s, 10m, 1h", param_hint=hint)
    return found


def _probe(one: dict[str, Any]) -> str:
    if one["state"] == "closed":
        return ""
    if one["state"] == "half_open":
        return f"{one['probes_out']} out, {one['probes_passed']} of {one['close_after']} passed"
    return f"at {show.when(one['probe_at'])}" if one["probe_at"] else "when somebody closes it"


def _changed(found: dict[str, Any], json_: bool) -> None:
    if json_:
        show.as_json(found)
        return
    typer.echo(f"{found['label']}: {found['state']}" + (f" ({found['why']})" if found["why"] else ""))
