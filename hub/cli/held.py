"""`botyard task release-held`, `give-up`, `accept-late`: what a person decides when machines can't know."""

from typing import Annotated, Any

import typer

from hub.cli import show
from hub.cli.client import segment
from hub.cli.connected import connected
from hub.cli.failing import Exit, Failure
from hub.cli.task_shown import name_of, state_of

Task = Annotated[str, typer.Argument(help="Id or number of the task.")]


def release_held(
    task: Annotated[str | None, typer.Argument(help="Id or number of the task.")] = None,
    all_: Annotated[bool, typer.Option("--all", help="Every held task of the workspace.")] = False,
    json_: show.Json = False,
) -> None:
    """Let a task run that is held since the hub was restored; one that ran since the backup runs again then."""
    if (task is None) is not all_:
        raise Failure("name a task, or say --all for every held one.", Exit.USAGE)
    client = connected()
    if task is not None:
        _changed(client.post(f"/tasks/{segment(task)}/release-held"), json_)
        return
    released, left = 0, 1
    while left:
        found = client.post("/held/release")
        released, left = released + found["released"], found["left"] if found["released"] else 0
    if json_:
        show.as_json({"released": released})
        return
    typer.echo(f"{show.many(released, 'task')} released")


def give_up(task: Task, json_: show.Json = False) -> None:
    """Settle a task whose runner is gone for good: lost now instead of after 24 hours; it is not tried again."""
    _changed(connected().post(f"/tasks/{segment(task)}/give-up"), json_)


def accept_late(
    task: Task,
    report: Annotated[str | None, typer.Argument(help="Id of the late report; the last one if absent.")] = None,
    json_: show.Json = False,
) -> None:
    """Take a late report of a bot for the last word on its task: an amendment; the outcome stays what it is."""
    client = connected()
    if report is None:
        open_ = [one for one in client.get(f"/tasks/{segment(task)}/late-reports")["items"] if not one["accepted_at"]]
        if not open_:
            raise Failure(f"there is no late report of task {task} to accept; botyard task show {task} has what came.")
        report = str(open_[-1]["id"])
    _changed(client.post(f"/tasks/{segment(task)}/late-reports/{segment(report)}/accept"), json_)


def _changed(found: dict[str, Any], json_: bool) -> None:
    if json_:
        show.as_json(found)
        return
    amended = found["amendment"]
    typer.echo(f"{name_of(found)}: {state_of(found)}" + (f", amended: {amended['status']}" if amended else ""))
