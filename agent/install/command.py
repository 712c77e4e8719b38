"""The command line of a bundle. The hub's `install.sh` types it; people add options behind `install`."""

import argparse
import asyncio
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from agent.command_line import OneLineParser, folder, label, parse_labels, runner_name, slots
from agent.errors import AgentError, SetupError, of_system
from agent.install.acting import TOKEN_PREFIX, Installation
from agent.install.asking import SystemTools
from agent.install.wish import Place, User, Wish, place
from agent.mode import Mode
from agent.ports.files import SystemDisk
from agent.service.spec import System


def main(arguments: Sequence[str] | None = None) -> int:
    """Install the bundle that this runs from; the exit code."""
    bundle = Path(sys.argv[0]).absolute()
    options = _parser().parse_args(arguments)
    try:
        wish = wish_of(options)
        where = place(wish, _user())
        with _alone(where):
            made = Installation(wish, where, bundle, SystemTools(), SystemDisk())
            asyncio.run(made.run(_read_token, _say))
    except AgentError as error:
        sys.stderr.write(f"botyard: {error}\n")
        return error.exit_code
    except OSError as error:
        known = of_system(error, Path(error.filename or "/"))
        sys.stderr.write(f"botyard: {known}\n")
        return known.exit_code
    return 0


def wish_of(options: argparse.Namespace) -> Wish:
    """What the words mean. Raises UsageError for words that contradict each other."""
    parse_labels(options.label)
    enrolment: list[str] = ["--insecure"] if options.insecure else []
    for name in ("ca", "name", "slots"):
        value = getattr(options, name)
        enrolment += [] if value is None else [f"--{name}", str(value)]
    for pair in options.label:
        enrolment += ["--label", pair]
    return Wish(
        hub=options.hub,
        hub_id=options.hub_id,
        mode=None if options.mode is None else Mode(options.mode),
        home=options.home,
        enrolment=tuple(enrolment),
        again=options.again,
        with_service=not options.no_service,
    )


class _Parser(OneLineParser):
    speaker = "botyard"


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="install",
        allow_abbrev=False,
        description="Makes this machine a runner; the enrolment token comes by standard input.",
    )
    parser.add_argument("--hub", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--hub-id", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--insecure", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--ca", help=argparse.SUPPRESS)
    parser.add_argument("--mode", choices=["service", "session"], help="usual: service for root on Linux, else session")
    parser.add_argument("--home", type=folder, metavar="DIR", help="the runner's folder")
    parser.add_argument("--name", type=runner_name, help="the runner's name; the host's where not given")
    parser.add_argument(
        "--label", type=label, action="append", default=[], metavar="K=V", help="what tasks ask for; repeatable"
    )
    parser.add_argument("--slots", type=slots(1), metavar="N", help="bots at once (default 1)")
    parser.add_argument("--again", action="store_true", help="be another runner than before, also of another hub")
    parser.add_argument("--no-service", action="store_true", help="install and enrol only")
    return parser


def _user() -> User:
    system = System.MACOS if sys.platform == "darwin" else System.LINUX
    return User(system=system, is_admin=_is_root(), folder=Path.home(), environment=os.environ)


def _say(line: str) -> None:
    with suppress(OSError):  # the terminal may be gone, and the runner has to come back all the same
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()


def _read_token() -> str:
    token = "" if sys.stdin is None or sys.stdin.isatty() else sys.stdin.readline().strip()
    if token and not token.startswith(TOKEN_PREFIX):
        raise SetupError(f"that is no enrolment token (they begin with {TOKEN_PREFIX}): paste the whole line")
    return token


if sys.platform == "win32":

    def _is_root() -> bool:
        return False

    def _lock(file: int) -> None:
        del file

else:
    import fcntl

    def _is_root() -> bool:
        return os.geteuid() == 0

    def _lock(file: int) -> None:
        fcntl.flock(file, fcntl.LOCK_EX)


@contextmanager
def _alone(where: Place) -> Iterator[None]:
    """Two lines that are pasted at once wait for each other, and the second finds all of it done.

    The lock is on a folder that is there already, so that a refusal has written nothing.
    """
    file = os.open(where.lock, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
    try:
        _lock(file)
        yield
    finally:
        os.close(file)
