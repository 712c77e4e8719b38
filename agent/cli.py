"""`botyard-agent`: the runner's command line (`design.md` §5). argparse, because it imports in 8 ms.

Exit codes: 0 done or asked to stop; 75 try again; 78 will not get better alone; 2 usage; 3 not running; 4 not linked;
5 not installed; 1 the doctor found something wrong.
"""

import argparse
import asyncio
import json
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.cli_service import add_service
from agent.command_line import OneLineParser, folder, label, parse_labels, runner_name, slots
from agent.config import current_environment, home_folder, load_settings
from agent.errors import EXIT_ASKED, EXIT_TRY_AGAIN, AgentError, of_system
from agent.ports.shells import SHELLS, WORD, script

if TYPE_CHECKING:
    from agent.config import Settings
    from agent.home import Membership

EXIT_NOT_RUNNING = 3
EXIT_NOT_LINKED = 4
_EXAMPLES = """examples:
  botyard-agent enroll https://hub.example.com --token - < token
  botyard-agent enroll http://127.0.0.1:8040 --token token.txt --name vm-1 --label site=berlin --slots 2
  botyard-agent run
  botyard-agent run --check-config
  botyard-agent sample-config > agent.toml
  botyard-agent status --json
  botyard-agent doctor --fix
  botyard-agent stop --now        ends the bots too
  botyard-agent service --help    start with the machine, or with your session
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return its exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words[:1] == [WORD]:
        from agent.completing import complete

        return complete(words[1:], _parser())
    options = _parser().parse_args(words)
    home = Path()
    try:
        home = home_folder(options.home, current_environment())
        code: int = options.command(home, options)
        sys.stdout.flush()
    except AgentError as error:
        print(f"botyard-agent: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return EXIT_ASKED
    except BrokenPipeError:
        # The reader of a pipe has seen enough; Python must not complain at its exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_ASKED
    except OSError as error:
        known = of_system(error, home)
        print(f"botyard-agent: {known}", file=sys.stderr)
        return known.exit_code
    return code


def _parser() -> argparse.ArgumentParser:
    parser = OneLineParser(
        prog="botyard-agent",
        description="The runner of a robot machine: takes work from a Botyard hub and runs bots.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    enroll = _add(commands, "enroll", "make this machine a runner of a hub, once", _enroll)
    enroll.add_argument("url", metavar="URL", help="the hub's address, such as https://hub.example.com")
    enroll.add_argument("--token", required=True, metavar="-|FILE", help="where the enrolment token is: - is stdin")
    enroll.add_argument("--insecure", action="store_true", help="allow plain http to another machine")
    enroll.add_argument("--name", type=runner_name, default="", help="the runner's name; the host's where not given")
    enroll.add_argument(
        "--label", type=label, action="append", default=[], metavar="K=V", help="what tasks ask for; repeatable"
    )
    enroll.add_argument("--slots", type=slots(1), default=1, metavar="N", help="bots at once (default 1)")
    enroll.add_argument("--ca", default=None, metavar="FILE", help="a private authority's certificate, PEM; kept")
    enroll.add_argument("--again", action="store_true", help="make this home another runner; what it held is gone")
    run = _add(commands, "run", "run the daemon in the foreground", _run)
    run.add_argument(
        "--slots", type=slots(0), default=None, metavar="N", help="bots at once; enrolment's where not given"
    )
    run.add_argument(
        "--mode", choices=["service", "session"], default=None, help="bots find a home of their own, or this session's"
    )
    run.add_argument("--log-format", choices=["text", "json"], default=None, help="form of the log (default text)")
    run.add_argument("--log-level", choices=["DEBUG", "INFO", "WARNING", "ERROR"], default=None, help="least level")
    run.add_argument(
        "--check-config", action="store_true", help="print the settings in force and their sources; run not"
    )
    run.add_argument(
        "--log-file", default=None, metavar="FILE", help="log there, 10 MB and 4 older files, not to stderr"
    )
    _add(commands, "sample-config", "print an agent.toml with each setting's meaning, unit and default", _sample_config)
    status = _add(commands, "status", "say whether the daemon runs and is linked, and what it does", _status)
    status.add_argument("--json", action="store_true", help="print one JSON object")
    doctor = _add(commands, "doctor", "try by doing whether this machine is fit to be a runner", _doctor)
    doctor.add_argument("--fix", action="store_true", help="mend what is safe to mend, and say so")
    doctor.add_argument("--json", action="store_true", help="print one JSON object")
    drain = _add(commands, "drain", "take no new work; bots that run are left alone", _drain)
    drain.add_argument("--off", action="store_true", help="take work again")
    stop = _add(commands, "stop", "stop the daemon; bots live on under their shims", _stop)
    stop.add_argument("--now", action="store_true", help="end the bots first, by the kill ladder")
    add_service(commands)
    completion = _add(commands, "completion", "print what a shell reads so that Tab completes commands", _completion)
    completion.add_argument("shell", choices=list(SHELLS), help="the shell that reads it")
    return parser


def _add(commands: Any, name: str, text: str, command: Any) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text)
    parser.add_argument(
        "--home", type=folder, default=None, metavar="DIR", help="the runner's folder (BOTYARD_AGENT_HOME)"
    )
    parser.set_defaults(command=command)
    return parser


def _enroll(path: Path, options: argparse.Namespace) -> int:
    from agent.daemon.root import agent_version
    from agent.enrol import Wish, enrol, read_token
    from agent.home import Home
    from agent.keys import key_fingerprint
    from agent.ports import SystemDisk

    labels = parse_labels(options.label)
    settings = load_settings(path, current_environment(), {})
    _need_room(settings, options.slots, path)
    wish = Wish(
        url=options.url,
        token=read_token(options.token),
        insecure=options.insecure,
        name=options.name,
        labels=labels,
        slots=options.slots,
        ca=None if options.ca is None else Path(options.ca),
        known_ca=settings.authority(path),
        proxy=settings.proxy,
        again=options.again,
        version=agent_version(),
    )
    home = Home.lock(path, SystemDisk())
    try:
        made = enrol(home, wish)
    finally:
        home.release()
    print(f"runner {made.name} ({made.runner_id}) of workspace {made.workspace}")
    print(f"hub {made.hub_url}, key {key_fingerprint(made.hub_key)}")
    return EXIT_ASKED


def _need_room(settings: "Settings", count: int, path: Path) -> None:
    """Raise UsageError where this machine can't hold so many bots, before the token is used."""
    from agent.desktops.choice import choose, too_much
    from agent.desktops.making import host_here
    from agent.errors import UsageError

    host = host_here(path)
    if told := too_much(count, choose(settings, count, host).virtual, host.memory_bytes):
        raise UsageError(f"--slots {count}: {told}")


def _run(path: Path, options: argparse.Namespace) -> int:
    from agent import log
    from agent.daemon.root import run
    from agent.home import Home
    from agent.ports import SystemDisk
    from agent.ports.stalls import stalls_told
    from agent.ports.starter import end_with_starter

    async def daemon() -> int:
        with stalls_told():
            return await run(home, settings)

    given = {name: getattr(options, name) for name in ("slots", "mode", "log_format", "log_level")}
    chosen = {name: value for name, value in given.items() if value is not None}
    if options.check_config:
        from agent.cli_settings import check_config

        return check_config(path, options.home, chosen)
    settings = load_settings(path, current_environment(), chosen)
    log_file = None if options.log_file is None else Path(options.log_file)
    log.set_up(settings.log_level, settings.log_format, log_file)
    home = Home.of_runner(path, SystemDisk())
    end_with_starter()
    try:
        home.check_rights()
        return asyncio.run(daemon())
    except Exception as error:
        if isinstance(error, AgentError):
            raise
        # Whatever nobody met ends the daemon; the next one begins with what is durable (G9).
        logging.getLogger(__name__).exception("the daemon has failed")
        return EXIT_TRY_AGAIN
    finally:
        home.release()


def _sample_config(path: Path, options: argparse.Namespace) -> int:
    from agent.config_shown import sample

    del path, options
    sys.stdout.write(sample())
    return EXIT_ASKED


def _status(path: Path, options: argparse.Namespace) -> int:
    from agent.home import read_membership
    from agent.ports import SystemDisk

    membership = read_membership(path, SystemDisk())
    try:
        answer = _ask(path, "status")
    except AgentError:
        answer = {**_identity(path, membership), "running": False}
        _show(answer, as_json=options.json)
        return EXIT_NOT_RUNNING
    _show({"running": True, **_identity(path, membership), **answer}, as_json=options.json)
    return EXIT_ASKED if answer["linked"] else EXIT_NOT_LINKED


def _identity(path: Path, membership: "Membership") -> dict[str, Any]:
    """Who this home is, which needs no daemon."""
    return {
        "runner": membership.name,
        "id": membership.runner_id,
        "workspace": membership.workspace,
        "hub": membership.hub_url,
        "home": str(path),
    }


def _doctor(path: Path, options: argparse.Namespace) -> int:
    from agent.doctor.command import run_doctor

    return run_doctor(path, should_fix=options.fix, as_json=options.json)


def _drain(path: Path, options: argparse.Namespace) -> int:
    answer = _ask(path, "resume" if options.off else "drain")
    busy = sum(one["phase"] in {"ordered", "handed_over", "started"} for one in answer["executions"])
    print("takes work again" if options.off else f"takes no new work; {busy} bots still run")
    return EXIT_ASKED


def _stop(path: Path, options: argparse.Namespace) -> int:
    _ask(path, "stop-now" if options.now else "stop")
    now = "ending all bots, then stopping; it goes on in the background: botyard-agent status tells when it has ended"
    print(now if options.now else "stopping; bots live on")
    return EXIT_ASKED


def _completion(path: Path, options: argparse.Namespace) -> int:
    del path
    sys.stdout.write(script("botyard-agent", options.shell))
    return EXIT_ASKED


def _ask(path: Path, word: str) -> dict[str, Any]:
    from agent.daemon.control import ask
    from agent.folders import Folders

    return asyncio.run(ask(Folders(home=path).control, word))


def _show(answer: dict[str, Any], *, as_json: bool) -> None:
    from agent.cli_status import lines

    print(json.dumps(answer) if as_json else "\n".join(lines(answer)))
