"""`botyard task`: look at tasks, end them, run them again."""

from typing import Annotated, Any

import typer

from hub.cli import artifacts, show
from hub.cli.client import segment
from hub.cli.connected import connected
from hub.cli.following import outcome_line

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Look at tasks, end them, run them again.")

Task = Annotated[str, typer.Argument(help="Id or number of the task.")]


@app.command("list", epilog="Example: botyard task list --state running --automation invoices")
def list_(
    state: Annotated[str | None, typer.Option(help="waiting, queued, running or finished.")] = None,
    outcome: Annotated[str | None, typer.Option(help="succeeded, partial, failed, …")] = None,
    automation: Annotated[str | None, typer.Option(help="Label.")] = None,
    runner: Annotated[str | None, typer.Option(help="Name or id.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=500, help="How many.")] = 20,
    json_: show.Json = False,
) -> None:
    """List tasks, newest first."""
    query = {"state": state, "outcome": outcome, "automation": automation, "runner": runner, "limit": limit}
    page = connected().get("/tasks", query)
    if json_:
        show.as_json(page)
        return
    show.table(
        ("task", "automation", "state", "runner", "asked", "message"),
        (
            (
                _name(task),
                task["automation"],
                _state(task),
                task["runner"],
                show.when(task["created_at"]),
                task["message"],
            )
            for task in page["items"]
        ),
    )


@app.command("show", epilog="Example: botyard task show 1042 --json")
def show_(task: Task, json_: show.Json = False) -> None:
    """Show a task: state, outcome, totals, output."""
    found = connected().get(f"/tasks/{segment(task)}")
    if json_:
        show.as_json(found)
        return
    _print(found)


@app.command(epilog="Example: botyard task why 1042")
def why(task: Task, json_: show.Json = False) -> None:
    """Say why a task does not run, and what to do about it."""
    client = connected()
    found = client.get(f"/tasks/{segment(task)}/why")
    if json_:
        show.as_json(found)
        return
    for reason in found["reasons"]:
        typer.echo(reason["message"])
    if not found["reasons"]:
        now = client.get(f"/tasks/{segment(task)}")
        end = f"it has ended: {outcome_line(now)}" if now["outcome"] else f"it is {_state(now)}"
        typer.echo(f"nothing holds task {_name(now)}; {end}")


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
    """Run a task again: the next round of its number."""
    found = connected().post(f"/tasks/{segment(task)}/restart")
    if json_:
        show.as_json(found)
        return
    typer.echo(found["next_task"] or found["id"])


app.command("artifacts", epilog=artifacts.EXAMPLES)(artifacts.artifacts)


def _ended(found: dict[str, Any], json_: bool) -> None:
    if json_:
        show.as_json(found)
        return
    asked = " (asked; it ends in stages)" if found["state"] == "running" else ""
    typer.echo(f"{_name(found)}: {_state(found)}{asked}")


def _print(task: dict[str, Any]) -> None:
    show.members(
        {
            "task": f"{_name(task)}  {task['id']}",
            "automation": task["automation"],
            "bot": task["bot"] + (f" {task['version']}" if task["version"] else ""),
            "state": _state(task),
            "ended": outcome_line(task) if task["outcome"] else None,
            "reported": task["report"] and task["report"]["status"],
            "amended": task["amendment"] and f"{task['amendment']['status']} by {task['amendment']['by']}",
            "runner": task["runner"],
            "parameters": " ".join(f"{name}={value}" for name, value in task["parameters"].items()),
            "output": _output(task),
            "message": _rest(task["message"]),
            "asked": f"{show.when(task['created_at'])} by {task['created_by']}",
            "not before": show.when(task["not_before"]),
            "started": show.when(task["started_at"]),
            "settled": show.when(task["settled_at"]),
            "next round": task["next_task"],
        }
    )


def _output(task: dict[str, Any]) -> str:
    """How much it printed, which is counted when it has ended."""
    if not task["outcome"] and task["started_at"]:
        return f"botyard logs -f {_name(task)}"
    output = task["output"]
    return f"{output['lines']} lines, {show.size(output['bytes'])}, {output['state']}"


def _rest(message: str | None) -> str | None:
    """A message of several lines, whole; one line stands in how the task ended."""
    text = (message or "").strip()
    return "\n" + "\n".join(f"  {line}" for line in text.splitlines()) if "\n" in text else None


def _name(task: dict[str, Any]) -> str:
    return str(task["number"]) + (f".{task['round']}" if task["round"] > 1 else "")


def _state(task: dict[str, Any]) -> str:
    if task["outcome"]:
        return str(task["outcome"]) + (f": {task['reason']}" if task["reason"] else "")
    if task["cancel_requested_at"]:
        return f"{task['state']} (canceling)"
    return f"{task['state']} (reported)" if task["report"] else str(task["state"])
