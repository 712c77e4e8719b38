"""`botyard-agent service …`: the runner as a service of this machine (`packaging.md` §2). `agent/service` acts."""

import argparse
import json
from typing import TYPE_CHECKING, Any

from agent.command_line import folder
from agent.errors import EXIT_ASKED, SetupError, UsageError, of_system

if TYPE_CHECKING:
    from pathlib import Path

    from agent.service.acting import Service, Standing

EXIT_NOT_RUNNING = 3
EXIT_NOT_LINKED = 4
EXIT_NOT_INSTALLED = 5
_EXAMPLES = """examples:
  sudo botyard-agent service install              a service of this machine (Linux)
  botyard-agent service install --user ROBOT      the same on Windows, as an administrator; bots in ROBOT's session
  botyard-agent service install --mode session    in your own session, with your desktop
  botyard-agent service install --print           show the files and commands, do nothing
  botyard-agent service status --json
  botyard-agent service stop --now                ends the bots too
  sudo botyard-agent service uninstall --purge    leaves nothing behind

exit codes of status: 0 running and linked, 3 not running, 4 running but not linked, 5 not installed
"""
_WORDS = {
    "install": "install the service, or bring an older one up to date, and start it",
    "uninstall": "end the bots and remove the service; the runner's folder stays without --purge",
    "start": "start the installed service",
    "stop": "stop it until the next start; bots live on under their shims",
    "status": "say whether it is installed, runs and is linked",
}


def add_service(commands: Any) -> None:
    """Add `service` and its own commands to those of `botyard-agent`."""
    text = "install, start, stop and watch the runner as a service of this machine"
    service = commands.add_parser(
        "service",
        help=text,
        description=text,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    nouns = service.add_subparsers(metavar="COMMAND", required=True)
    parsers = {word: nouns.add_parser(word, help=help_, description=help_) for word, help_ in _WORDS.items()}
    for word, parser in parsers.items():
        parser.add_argument(
            "--home", type=folder, default=None, metavar="DIR", help="the runner's folder (BOTYARD_AGENT_HOME)"
        )
        parser.add_argument(
            "--mode",
            choices=["service", "session"],
            default=None,
            help="a service of the machine (usual for root, administrators), or of your own session (usual otherwise)",
        )
        parser.set_defaults(command=_service, word=word, user=None, print=False, purge=False, now=False, json=False)
        if word != "status":
            parser.add_argument("--print", action="store_true", help="show files and commands, do nothing")
    parsers["install"].add_argument(
        "--user", metavar="NAME", help="service mode: who runs it (botyard-agent); Windows: whose session the bots use"
    )
    parsers["uninstall"].add_argument(
        "--purge",
        action="store_true",
        help="remove home, logs, the service's user, and the program where one pasted line has put it",
    )
    parsers["stop"].add_argument("--now", action="store_true", help="end the bots first, by the kill ladder")
    parsers["status"].add_argument("--json", action="store_true", help="print one JSON object")


def _service(path: "Path", options: argparse.Namespace) -> int:
    try:
        service = _chosen(options)
        if options.print:
            _preview(service, options)
            return EXIT_ASKED
        return _act(service, options)
    except OSError as error:
        if isinstance(error, BrokenPipeError) and options.print:
            raise
        if isinstance(error, PermissionError) and error.filename:
            raise SetupError(f"{error.filename}: permission denied: run as its owner or as root") from None
        raise of_system(error, path) from None


def _preview(service: "Service", options: argparse.Namespace) -> None:
    for fault in _faults(service) if options.word == "install" else []:
        print(f"# install refuses this: {fault}")
    print(service.preview(options.word, purge=options.purge))


def _install(service: "Service") -> None:
    service.need_rights("install")  # before its settings are read, which are not everybody's
    if faults := _faults(service):
        raise SetupError("; ".join(faults))
    service.install()


def _faults(service: "Service") -> list[str]:
    """What is wrong with the settings that the service would find."""
    from pathlib import Path

    from agent.cli_settings import faults_of_service

    return faults_of_service(Path(service.home))


def _act(service: "Service", options: argparse.Namespace) -> int:
    match options.word:
        case "install":
            _install(service)
        case "uninstall":
            service.uninstall(purge=options.purge)
            if options.purge:
                from agent.service.program import remove_program

                remove_program(print)
        case "start":
            service.start()
        case "stop":
            service.stop(now=options.now)
        case _:
            return _status(service.standing(), as_json=options.json)
    return EXIT_ASKED


def _chosen(options: argparse.Namespace) -> "Service":
    """The service of the mode that was asked for; else the one that is installed, the usual one first."""
    from agent.mode import Mode
    from agent.service.acting import Service
    from agent.service.ground import SystemGround
    from agent.service.here import spec_here, this_system
    from agent.service.spec import System

    ground = SystemGround()
    as_service = this_system() is not System.MACOS and ground.is_admin()
    usual = Mode.SERVICE if as_service else Mode.SESSION
    modes = [Mode(options.mode)] if options.mode else [usual]
    if not options.mode and options.word != "install" and this_system() is not System.MACOS:
        modes += [mode for mode in Mode if mode is not usual]
    if options.user is not None and modes[0] is Mode.SESSION:
        raise UsageError("--user is for --mode service: a session's service runs as who installs it")
    found = [Service(spec_here(mode, options.home, options.user), ground, print) for mode in modes]
    return next((one for one in found if one.is_installed), found[0])


def _status(standing: "Standing", *, as_json: bool) -> int:
    if not standing.installed:
        state, code = "not installed", EXIT_NOT_INSTALLED
    elif not standing.running:
        state, code = "not running", EXIT_NOT_RUNNING
    elif standing.linked is None:
        # Only where its daemon can't be asked: it is not known to be unlinked.
        state, code = "running; its daemon did not say whether it is linked", EXIT_ASKED
    else:
        state, code = ("linked", EXIT_ASKED) if standing.linked else ("not linked", EXIT_NOT_LINKED)
    answer = standing.answer or {}
    if as_json:
        names = ("installed", "running", "linked", "home", "definition", "logs")
        facts = {"mode": str(standing.mode), **{name: getattr(standing, name) for name in names}}
        print(json.dumps({**facts, "state": state, "problem": answer.get("problem") or None}))
        return code
    print(f"botyard-agent as a {'service' if standing.mode == 'service' else 'session service'}: {state}")
    if standing.installed:
        print(f"  {standing.definition}")
        print(f"  home {standing.home}, logs: {standing.logs}")
    if answer.get("problem"):
        print(f"  {answer['problem']}")
    return code
