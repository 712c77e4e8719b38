"""What may follow on a command line of `botyard`: commands, options, words of closed lists, and names that the hub has.

Silent whatever fails: a Tab is no question to the hub that anybody wants to see refused.
"""

import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from agent.ports.shells import answer
from agent.wire.words import Kind, Outcome, TaskState
from hub.cli.client import Client
from hub.cli.connected import connected

ASK_FOR_S = 2.0
"""A hub that takes longer is not waited for."""
NEWEST = 30
Found = Iterable[tuple[str, str]]


def complete(words: Sequence[str], group: Any) -> int:
    """Answer a shell: `words` are those behind the program's name, the last one is being typed."""
    typed = words[-1] if words else ""
    try:
        sys.stdout.write(answer(_candidates(list(words[:-1]), typed, group), typed))
    except (Exception, SystemExit):  # noqa: BLE001  # the rim: a shell shows whatever is said in the middle of a line
        return 1
    return 0


def _candidates(before: list[str], typed: str, group: Any) -> Found:
    path, command, positional, awaits = _where(before, group)
    if awaits is not None:
        return _values(path, awaits)
    if typed.startswith("-"):
        return _options(command)
    if hasattr(command, "list_commands"):
        return _commands(command, top=not path)
    arguments = [one for one in command.params if one.param_type_name == "argument"]
    if not arguments:
        return ()
    return _values(path, arguments[min(positional, len(arguments) - 1)])


def _where(before: Sequence[str], group: Any) -> tuple[str, Any, int, Any | None]:
    """(words of the command, the command, how many arguments it has, the option that awaits its value)."""
    command, path, positional, awaits = group, "", 0, None
    for word in before:
        if awaits is not None:
            awaits = None
        elif word.startswith("-") and len(word) > 1:
            option = next((one for one in command.params if word in (*one.opts, *one.secondary_opts)), None)
            awaits = option if option is not None and not option.is_flag else None
        elif hasattr(command, "get_command"):
            found = command.get_command(None, word)
            if found is None:
                raise LookupError(word)
            command, path = found, f"{path} {word}".strip()
        else:
            positional += 1
    return path, command, positional, awaits


def _commands(command: Any, *, top: bool) -> Found:
    names = [name for name in command.list_commands(None) if not name.startswith("_")]
    if top:
        return [(name, command.abouts[name]) for name in names]
    return [(name, command.get_command(None, name).get_short_help_str(60)) for name in names]


def _options(command: Any) -> Found:
    found = [("--help", "Show this message and exit.")]
    for one in command.params:
        if one.param_type_name == "option":
            found += [(name, one.help or "") for name in (*one.opts, *one.secondary_opts) if name.startswith("--")]
    return found


def _values(path: str, parameter: Any) -> Found:
    name = str(parameter.name)
    fixed = _FIXED.get(name)
    if fixed is not None:
        return [(word, "") for word in fixed]
    ask = _ASKED.get((path.partition(" ")[0], name)) or _ASKED.get(("", name))
    if ask is None:
        return ()
    client = connected()
    client.timeout_s = ASK_FOR_S
    return ask(client)


def _automations(client: Client) -> Found:
    return [(one["label"], one["name"]) for one in client.get("/automations", {"limit": 200})["items"]]


def _tasks(client: Client) -> Found:
    return [
        (str(one["number"]), f"{one['automation']} {one['outcome'] or one['state']}")
        for one in client.get("/tasks", {"limit": NEWEST})["items"]
    ]


def _runners(client: Client) -> Found:
    return [(one["name"], one["state"]) for one in client.get("/runners", {"limit": 200})["items"]]


def _bots(client: Client) -> Found:
    return [(one["name"], one["released_version"] or "") for one in client.get("/bots", {"limit": 200})["items"]]


def _keys(client: Client) -> Found:
    return [(one["id"], one["name"]) for one in client.get("/keys", {"limit": 200})["items"]]


_FIXED: dict[str, Sequence[str]] = {
    "state": tuple(TaskState),
    "outcome": tuple(Outcome),
    "role": ("viewer", "operator", "developer", "admin"),
    "report": ("required", "optional", "default"),
    "on_disconnect": ("keep", "stop"),
    "kind": tuple(Kind),
    "shell": ("bash", "zsh", "fish"),
}
_ASKED: dict[tuple[str, str], Callable[[Client], Found]] = {
    ("", "automation"): _automations,
    ("run", "label"): _automations,
    ("automation", "label"): _automations,
    ("", "task"): _tasks,
    ("", "runner"): _runners,
    ("runner", "name"): _runners,
    ("", "bot"): _bots,
    ("bot", "name"): _bots,
    ("key", "key"): _keys,
}
"""Which names of the hub a parameter takes: by (first word of the command, name); the command "" is any."""
