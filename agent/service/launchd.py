"""The LaunchAgent of macOS, as a text, and the command lines of launchctl. Written by the manual, run by nobody yet."""

import plistlib
from dataclasses import replace
from xml.parsers.expat import ExpatError

from agent.service.spec import Command, File, Spec, Verb

LABEL = "dev.botyard.agent"
_NOT_LOADED = frozenset({0, 3, 113})


def files(spec: Spec) -> tuple[File, ...]:
    """The property list."""
    return (File(path=_path(spec), text=_plist(spec)),)


def commands(verb: Verb, spec: Spec) -> tuple[Command, ...]:
    """What is run for a step. It starts by being loaded, and stays loaded after an exit with 0."""
    domain = f"gui/{spec.uid}"
    target = f"{domain}/{LABEL}"
    away = Command(argv=("launchctl", "bootout", target), ok=_NOT_LOADED)
    match verb:
        case Verb.LOAD:
            log_folder = Command(argv=("mkdir", "-p", _log_folder(spec)))
            return (log_folder, Command(argv=("launchctl", "enable", target)))
        case Verb.START | Verb.RESTART:
            return (away, Command(argv=("launchctl", "bootstrap", domain, _path(spec)), tries=5))
        case Verb.STOP | Verb.UNLOAD:
            return (away,)
        case Verb.STATE:
            return (Command(argv=("launchctl", "print", target), ok=None),)
        case Verb.CHECK | Verb.PREPARE | Verb.OWN | Verb.FORGET | Verb.PURGE:
            return ()


def paths(spec: Spec, *, purge: bool) -> tuple[str, ...]:
    """Files that an uninstall removes."""
    del purge
    return (_path(spec),)


def leftovers(spec: Spec) -> tuple[str, ...]:
    """Folders that a purge removes beside the home."""
    return (_log_folder(spec),)


def is_running(code: int, output: str) -> bool:
    """Whether `launchctl print` tells of a process."""
    return code == 0 and "state = running" in (line.strip() for line in output.splitlines())


def link_told(output: str) -> bool | None:
    """Nothing: it knows of no links."""
    del output
    return None


def as_installed(spec: Spec, text: str) -> Spec:
    """`spec` with the home that a property list names."""
    try:
        return replace(spec, home=str(plistlib.loads(text.encode())["WorkingDirectory"]))
    except (ValueError, LookupError, TypeError, ExpatError):
        return spec


def logs(spec: Spec) -> str:
    """Its file."""
    return f"{_log_folder(spec)}/agent.log"


def _path(spec: Spec) -> str:
    return f"{spec.definitions}/Library/LaunchAgents/{LABEL}.plist"


def _log_folder(spec: Spec) -> str:
    return f"{spec.definitions}/Library/Logs/Botyard"


def _plist(spec: Spec) -> str:
    body = {
        "Label": LABEL,
        "ProgramArguments": [*spec.argv, "--log-file", logs(spec)],
        "WorkingDirectory": spec.home,
        "RunAtLoad": True,
        "KeepAlive": {"SuccessfulExit": False},
        "ThrottleInterval": 10,
        "ExitTimeOut": 90,
        "AbandonProcessGroup": True,  # shims live on
        "ProcessType": "Interactive",
        "LimitLoadToSessionType": "Aqua",
        "StandardErrorPath": f"{_log_folder(spec)}/start.log",
    }
    return plistlib.dumps(body, sort_keys=False).decode()
