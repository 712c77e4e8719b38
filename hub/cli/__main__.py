"""The command line's entry: finds the command, runs it, turns failures into one line and an exit code."""

import gc
import os
import sys
from collections.abc import Mapping
from importlib import import_module
from typing import Annotated, Any

# Plain help: rich's costs half a second of every --help.
os.environ.setdefault("TYPER_USE_RICH", "0")

import typer
from typer.core import TyperGroup

from hub.cli.failing import Exit, Failure, Refusal
from hub.cli.scripted import SCRIPTED, ReaderGone
from hub.cli.usage import in_our_words

COMMANDS = {
    "up": ("hub.cli.up", "Start a hub and a runner here."),
    "demo": ("hub.cli.demo", "Start a hub and a runner, deploy the sample bots, run one and follow it."),
    "deploy": ("hub.cli.deploy", "Deploy a bot; waits until it is ready, released, and prepared on a runner."),
    "run": ("hub.cli.run", "Ask for a task; prints its id first."),
    "logs": ("hub.cli.logs", "Print a task's output: the bytes as the bot wrote them."),
    "task": ("hub.cli.task", "Look at tasks, end them, run them again."),
    "automation": ("hub.cli.automation", "Define what can be asked for."),
    "resource": ("hub.cli.resource", "Share licences and accounts of which there is only so much."),
    "breaker": ("hub.cli.breaker", "Keep work from applications that are out of order."),
    "trigger": ("hub.cli.trigger", "Make tasks by themselves: at times, for items, files, calls, events."),
    "calendar": ("hub.cli.calendar", "Say which days are worked on."),
    "bot": ("hub.cli.bot", "Look at bots and builds; release a build."),
    "queue": ("hub.cli.queue", "Define queues, look at them, pause and resume them."),
    "item": ("hub.cli.item", "Add items, see what happened to one, order them about."),
    "runner": ("hub.cli.runner", "Bring runners in, watch, drain, revoke them."),
    "key": ("hub.cli.key", "Make, list and revoke keys."),
    "apply": (
        "hub.cli.apply",
        "Make things as files say: shows the plan, asks, does all of it or nothing; again changes nothing.",
    ),
    "export": (
        "hub.cli.export",
        "Print automations, queues, triggers, calendars and resources as YAML; defaults are left out.",
    ),
    "events": ("hub.cli.events", "Print the last events: who changed what, from, to."),
    "login": ("hub.cli.login", "Remember a hub and a key, for this user alone."),
    "support-bundle": ("hub.cli.support", "Write a zip for whoever helps you; works also when the hub is down."),
    "completion": ("hub.cli.completion", "Print the completion of a shell, for it to read at its start."),
    "hub": ("hub.cli.hub", "Run the server; back it up."),
}
"""Each names a module with a Typer called `app`, and says what it is for: a listing imports none of them."""


class LazyGroup(TyperGroup):
    """Commands that are imported when they are asked for (`libraries.md`)."""

    abouts: Mapping[str, str] = {name: about for name, (_, about) in COMMANDS.items()}
    """What each command is for."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Names, in the order in which people need them."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of that name, None for no such command."""
        del ctx
        if cmd_name not in COMMANDS:
            if cmd_name.startswith("-"):
                return None
            raise _no_command(cmd_name)
        command = typer.main.get_command(import_module(COMMANDS[cmd_name][0]).app)
        command.name = cmd_name
        return command

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """The listing in the help text."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl(list(self.abouts.items()))


app = typer.Typer(
    cls=LazyGroup,
    name="botyard",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    """Print the version and end, before anything else is looked at."""
    if wanted:
        from importlib.metadata import version as installed

        sys.stdout.write(f"botyard {installed('botyard')}\n")
        raise typer.Exit


@app.callback()
def botyard(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", is_eager=True, callback=_version)
    ] = False,
) -> None:
    """Deploy bots, run them on connected runners, follow them live, get their true final status.

    Begin with `botyard demo`, or `botyard up` and `botyard deploy PATH`.
    """


def main() -> None:
    """Run the command line; exits with the command's code."""
    # Imports make many objects and no garbage: looking for some would cost a tenth of a short command's time.
    gc.set_threshold(50_000, 20, 50)
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command; its exit code."""
    if arguments[:1] == ["__complete"]:
        from hub.cli.completing import complete

        return complete(arguments[1:], typer.main.get_command(app))
    for_scripts = "--json" in arguments[: arguments.index("--") if "--" in arguments else None]
    SCRIPTED.set(for_scripts)
    try:
        code = app(arguments, standalone_mode=False, prog_name="botyard")
    except (BrokenPipeError, ReaderGone):
        # The reader of a pipe has seen enough; Python must not complain at its exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.SUCCEEDED
    except typer.Abort:
        return Exit.DETACHED
    except Exception as error:  # the rim: people get a line, whoever sets BOTYARD_DEBUG the whole story
        if os.environ.get("BOTYARD_DEBUG") and not isinstance(error, Failure | typer.TyperException):
            raise
        return _tell(_failure_of(error), for_scripts=for_scripts)
    return code if isinstance(code, int) else int(Exit.SUCCEEDED)


def _failure_of(error: Exception) -> Failure:
    match error:
        case Failure():
            return error
        case typer.TyperException():
            return _usage(error)
        case OSError():
            return _of_system(error)
        case _:
            return _unforeseen(error)


def _tell(failure: Failure, *, for_scripts: bool) -> int:
    """One line, and one for each further fault; for scripts one JSON object."""
    if isinstance(failure, Refusal) and failure.status == 404:
        _suggest(failure)
    if for_scripts:
        import json

        sys.stderr.write(json.dumps(failure.as_json(), ensure_ascii=False) + "\n")
    else:
        for line in (f"botyard: {failure.message}", *failure.details):
            sys.stderr.write(line + "\n")
    return int(failure.code)


def _suggest(refusal: Refusal) -> None:
    from hub.cli.connected import connected
    from hub.cli.suggesting import with_suggestion

    refusal.message = with_suggestion(refusal, connected())


def _no_command(word: str) -> Failure:
    from hub.cli.suggesting import near

    names = near(word, list(COMMANDS))
    meant = f" Did you mean {' or '.join(names)}?" if names else ""
    return Failure(f"there is no command {word[:40]!r}.{meant} See botyard --help.", Exit.USAGE)


def _usage(wrong: typer.TyperException) -> Failure:
    """One line with the remedy, as for every other failure; a command that has commands shows them."""
    context = getattr(wrong, "ctx", None)
    path = context.command_path if context is not None else "botyard"
    if type(wrong).__name__ == "NoArgsIsHelpError":
        helped = "" if SCRIPTED.get() else (wrong.format_message() or "").rstrip()
        return Failure("a command is missing.", Exit.USAGE, [helped] if helped else [f"See {path} --help."])
    said = in_our_words(wrong.format_message())
    stop = "" if said.endswith((".", "?")) else "."
    return Failure(f"{said}{stop} See {path} --help.", Exit.USAGE)


def _of_system(error: OSError) -> Failure:
    where = f"{error.filename}: " if error.filename else ""
    match error:
        case FileExistsError() | NotADirectoryError():
            return Failure(f"{where}a file is where a folder has to be; name another place.", Exit.USAGE)
        case PermissionError():
            return Failure(f"{where}no permission; run as its owner, or name another place.")
        case _:
            return Failure(f"{where}{error.strerror or error}.")


def _unforeseen(error: Exception) -> Failure:
    first = (str(error).splitlines() or [""])[0][:200]
    text = f"this failed as nobody foresaw ({type(error).__name__}: {first})."
    return Failure(f"{text} BOTYARD_DEBUG=1 shows where; botyard support-bundle gathers what is needed to mend it.")


if __name__ == "__main__":
    main()
