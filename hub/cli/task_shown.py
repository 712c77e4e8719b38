"""What `botyard task show` prints: the task, how far it is, what it said, its attempts, and what became of it when."""

import sys
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from hub.cli import limits, show
from hub.cli.following import outcome_line


def print_task(task: dict[str, Any], attempts: Sequence[dict[str, Any]], steps: Sequence[dict[str, Any]]) -> None:
    """Print a task for people."""
    show.members(_members(task))
    _print_said(task)
    tried = [one for one in attempts if one["state"] != "void"]
    if len(tried) > 1:
        sys.stdout.write("\n")
        show.table(("attempt", "runner", "state", "exit", "ran", "output"), _rows(tried))
    if steps:
        sys.stdout.write("\n")
        _print_steps(steps)


def print_late(task: dict[str, Any], reports: Sequence[dict[str, Any]]) -> None:
    """What came after the settlement, and changed nothing."""
    if reports:
        sys.stdout.write("\nlate reports\n")
    for one in reports:
        said = f": {show.one_line(one['message'])}" if one["message"] else ""
        todo = f"botyard task accept-late {name_of(task)} {one['id']}"
        kept = f"accepted {show.when(one['accepted_at'])}" if one["accepted_at"] else todo
        sys.stdout.write(f"  {show.when(one['received_at'])}  {one['status']} by {one['runner']}{said}  ({kept})\n")


def name_of(task: dict[str, Any]) -> str:
    """A task as people name it: its number, and the round behind it when it is not the first."""
    return str(task["number"]) + (f".{task['round']}" if task["round"] > 1 else "")


def state_of(task: dict[str, Any]) -> str:
    """How it stands, in a few words."""
    if task["held"] and not task["outcome"]:
        return f"{task['state']} (held: {task['held']})"
    if task["outcome"]:
        return str(task["outcome"]) + (f": {task['reason']}" if task["reason"] else "")
    if task["cancel_requested_at"]:
        return f"{task['state']} (canceling)"
    if task["report"] and task["state"] == "running":
        return f"{task['state']} (reported {task['report']['status']})"
    if awaited := _still_awaited(task):
        return f"{task['state']} (for {', '.join(awaited[:3])}{', …' if awaited[3:] else ''})"
    progress = task["progress"]
    if progress and task["state"] == "running" and progress["percent"] is not None:
        return f"{task['state']} {progress['percent']:.0f}%"
    return str(task["state"])


def _members(task: dict[str, Any]) -> dict[str, object]:
    report, amendment = task["report"], task["amendment"]
    return {
        "task": f"{name_of(task)}  {task['id']}",
        "automation": task["automation"],
        "bot": task["bot"] + (f" {task['version']}" if task["version"] else ""),
        "state": state_of(task),
        "progress": _progress(task),
        "ended": outcome_line(task) if task["outcome"] else None,
        "reported": report and f"{report['status']}{_by(report)}",
        "amended": amendment and f"{amendment['status']}{_by(amendment)}",
        "runner": task["runner"],
        "priority": task["priority"],
        "after": _after(task),
        "parameters": " ".join(f"{name}={value}" for name, value in task["parameters"].items()),
        "limits": limits.of_task(task),
        "output": _output(task),
        "message": _rest(task["message"]),
        "asked": f"{show.when(task['created_at'])} by {task['created_by']}",
        "next round": task["next_task"],
    }


def _still_awaited(task: dict[str, Any]) -> list[str]:
    """Names of the tasks that hold a waiting one."""
    if task["state"] != "waiting" or task["after"] is None:
        return []
    return [name_of(one) for one in task["after"]["tasks"] if one["outcome"] is None]


def _after(task: dict[str, Any]) -> str | None:
    """What it waits for, each with its end."""
    if task["after"] is None:
        return None
    how = {"succeeded": "all succeeded", "finished": "all finished", "any": "any one succeeded"}[task["after"]["when"]]
    told = [f"{name_of(one)} {one['outcome'] or one['state']}" for one in task["after"]["tasks"]]
    return f"{how}: {', '.join(told)}"


def _progress(task: dict[str, Any]) -> str | None:
    """The newest, while it runs."""
    progress = task["progress"]
    if progress is None or task["outcome"]:
        return None
    percent = "" if progress["percent"] is None else f"{progress['percent']:.0f}%"
    words = (percent, show.one_line(progress["text"]), f"({show.when(progress['at'])})")
    return " ".join(word for word in words if word)


def _print_said(task: dict[str, Any]) -> None:
    """Outputs, warnings and the summary, in this order: the short ones first."""
    if task["outputs"]:
        sys.stdout.write("\noutputs\n")
        show.members({f"  {show.one_line(name)}": show.one_line(value) for name, value in task["outputs"].items()})
    if task["annotations"]:
        told = [(level, count) for level, count in task["annotation_counts"].items() if count]
        counts = ", ".join(f"{count} {level}{'' if count == 1 else 's'}" for level, count in told)
        sys.stdout.write(f"\nannotations ({counts})\n")
        for one in task["annotations"]:
            title = f"{show.one_line(one['title'])}: " if one["title"] else ""
            sys.stdout.write(f"  {one['level']:<7}  {title}{show.one_line(one['text'])}\n")
    if task["summary"]:
        sys.stdout.write(f"\n{show.plain(task['summary'].rstrip())}\n{'(cut)' if task['summary_cut'] else ''}")


def _rows(attempts: Sequence[dict[str, Any]]) -> list[tuple[object, ...]]:
    return [
        (
            number,
            one["runner"],
            one["outcome"] or one["state"],
            _exit(one),
            _ran(one),
            show.many(one["output"]["lines"], "line"),
        )
        for number, one in enumerate(attempts, 1)
    ]


def _exit(one: dict[str, Any]) -> str:
    if one["exit_signal"] is not None:
        return f"signal {one['exit_signal']}"
    return "" if one["exit_code"] is None else str(one["exit_code"])


def _ran(one: dict[str, Any]) -> str:
    if one["started_at"] is None or one["ended_at"] is None:
        return ""
    return show.lasted(_moment(one["ended_at"]).timestamp() - _moment(one["started_at"]).timestamp())


def _print_steps(steps: Sequence[dict[str, Any]]) -> None:
    """One line a step: when, how long it lasted, what it was."""
    day = ""
    for step in steps:
        then = _moment(step["at"]).astimezone()
        if f"{then:%Y-%m-%d}" != day:
            day = f"{then:%Y-%m-%d}"
            sys.stdout.write(f"{day}\n")
        lasted = "" if step["lasted_s"] is None else show.lasted(step["lasted_s"])
        what = f"{step['step'].replace('_', ' '):<10}  {step['text']}".rstrip()
        sys.stdout.write(f"  {then:%H:%M:%S}.{then.microsecond // 1000:03d}  {lasted:>8}  {what}\n")


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _by(report: dict[str, Any]) -> str:
    return f" by {report['by']}" if report["by"] else ""


def _output(task: dict[str, Any]) -> str:
    """How much it printed, which is counted when it has ended."""
    if not task["outcome"] and task["started_at"]:
        return f"botyard logs -f {name_of(task)}"
    output = task["output"]
    return f"{show.many(output['lines'], 'line')}, {show.size(output['bytes'])}, {output['says']}"


def _rest(message: str | None) -> str | None:
    """A message of several lines, whole; one line stands in how the task ended."""
    text = (message or "").strip()
    return "\n" + "\n".join(f"  {show.plain(line)}" for line in text.splitlines()) if "\n" in text else None
