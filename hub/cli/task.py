"""`botyard task`: look at tasks, end them, run them again."""

from typing import Annotated, Any

import typer

from agent.wire.words import Outcome
from hub.cli import artifacts, held, limits, rows, show
from hub.cli.client import segment
from hub.cli.connected import connected
from hub.cli.following import outcome_line
from hub.cli.task_shown import name_of, print_late, print_task, state_of

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Look at tasks, end them, run them again.")

Task = Annotated[str, typer.Argument(help="Id or number of the task.")]


@app.command("list", epilog="Example: botyard task list --state running --automation invoices")
def list_(
    state: Annotated[str | None, typer.Option(help="waiting, queued, running, finished, or an outcome.")] = None,
    outcome: Annotated[str | None, typer.Option(help="succeeded, partial, failed, …")] = None,
    automation: Annotated[str | None, typer.Option(help="Label.")] = None,
    runner: Annotated[str | None, typer.Option(help="Name or id.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=500, help="How many.")] = 20,
    json_: show.Json = False,
) -> None:
    """List tasks, newest first."""
    if outcome is None and state in {*Outcome}:
        # The table has one word for both, and so people type it.
        state, outcome = None, state
    query = {"state": state, "outcome": outcome, "automation": automation, "runner": runner, "limit": limit}
    client = connected()
    page = client.get("/tasks", query)
    if not page["items"]:
        # A name that nothing has is a slip, not an empty list.
        for where, name in (("automations", automation), ("runners", runner)):
            if name is not None:
                client.get(f"/{where}/{segment(name)}")
    if json_:
        show.as_json(page)
        return
    show.table(
        ("task", "automation", "state", "runner", "asked", "message"),
        (
            (
                name_of(task),
                task["automation"],
                state_of(task),
                task["runner"],
                show.when(task["created_at"]),
                task["message"],
            )
            for task in page["items"]
        ),
    )


@app.command("show", epilog="Example: botyard task show 1042 --json")
def show_(task: Task, json_: show.Json = False) -> None:
    """Show a task: state, progress, outcome, what it said, its attempts, and what became of it when."""
    client = connected()
    found = client.get(f"/tasks/{segment(task)}")
    attempts = client.get(f"/tasks/{found['id']}/executions")["items"]
    steps = client.get(f"/tasks/{found['id']}/timeline")["items"]
    late = client.get(f"/tasks/{found['id']}/late-reports")["items"]
    if json_:
        show.as_json({**found, "executions": attempts, "timeline": steps, "late_reports": late})
        return
    print_task(found, attempts, steps)
    print_late(found, late)


@app.command(epilog="Example: botyard task why 1042")
def why(task: Task, json_: show.Json = False) -> None:
    """Say why a task does not run, and what to do about it."""
    client = connected()
    found = client.get(f"/tasks/{segment(task)}/why")
    if json_:
        show.as_json(found)
        return
    for reason in found["reasons"]:
        since = f" ({show.when(reason['since'])})" if reason["since"] else ""
        typer.echo(reason["message"] + since)
        if reason["remedy"]:
            typer.echo(f"  > {reason['remedy'].replace(' ID', f' {task}')}")
    if not found["reasons"]:
        now = client.get(f"/tasks/{segment(task)}")
        end = f"it has ended: {outcome_line(now)}" if now["outcome"] else f"it is {state_of(now)}"
        typer.echo(f"nothing holds task {name_of(now)}; {end}")


@app.command(epilog="Example: botyard task cancel 1042")
def cancel(
    task: Task,
    force: Annotated[
        bool, typer.Option("--force", help="Give up a runner that can't be reached, or a bot that can't be killed.")
    ] = False,
    json_: show.Json = False,
) -> None:
    """Cancel a task: at once before it runs, else the bot is asked, interrupted, ended."""
    _ended(connected().post(f"/tasks/{segment(task)}/cancel", {"force": force}), json_)


@app.command(epilog="Example: botyard task kill 1042")
def kill(task: Task, json_: show.Json = False) -> None:
    """Kill a task's whole process tree, now."""
    _ended(connected().post(f"/tasks/{segment(task)}/kill"), json_)


@app.command(epilog="Example: botyard task interrupt 1042")
def interrupt(task: Task, json_: show.Json = False) -> None:
    """Ask the bot to finish by itself."""
    _ended(connected().post(f"/tasks/{segment(task)}/interrupt"), json_)


@app.command(epilog="Example: botyard task restart 1042")
def restart(task: Task, json_: show.Json = False) -> None:
    """Run a task again: the next round of its number, which waits for no other task."""
    found = connected().post(f"/tasks/{segment(task)}/restart")
    if json_:
        show.as_json(found)
        return
    typer.echo(found["next_task"] or found["id"])


@app.command("limit", epilog="Example: botyard task limit 1042 --run-limit 4h --memory 2G")
def limit(
    task: Task,
    run_limit: limits.RunLimit = None,
    no_progress: limits.NoProgress = None,
    memory: limits.Memory = None,
    processes: limits.Processes = None,
    cpu_cores: limits.CpuCores = None,
    cpu_time: limits.CpuTime = None,
    disk: limits.Disk = None,
    json_: show.Json = False,
) -> None:
    """Change what a running bot may use, at once: time counted from its start, memory, processes, CPU, disk."""
    texts = limits.Texts(
        run_limit=run_limit,
        no_progress=no_progress,
        memory=memory,
        processes=processes,
        cpu_cores=cpu_cores,
        cpu_time=cpu_time,
        disk=disk,
    )
    said = texts.said()
    if not said:
        raise typer.BadParameter("name a limit, as in --run-limit 4h or --memory 2G")
    found = connected().patch(f"/tasks/{segment(task)}/limits", said)
    if json_:
        show.as_json(found)
        return
    typer.echo(f"{name_of(found)}: {limits.of_task(found) or 'the usual limits'}")


app.command("give-up", epilog="Example: botyard task give-up 1042")(held.give_up)
app.command("release-held", epilog="Example: botyard task release-held 1042")(held.release_held)
app.command("accept-late", epilog="Example: botyard task accept-late 1042")(held.accept_late)
app.command("artifacts", epilog=artifacts.EXAMPLES)(artifacts.artifacts)
app.command("rows", epilog=rows.EXAMPLES)(rows.rows)


def _ended(found: dict[str, Any], json_: bool) -> None:
    if json_:
        show.as_json(found)
        return
    asked = " (asked; it ends in stages)" if found["state"] == "running" else ""
    typer.echo(f"{name_of(found)}: {state_of(found)}{asked}")
