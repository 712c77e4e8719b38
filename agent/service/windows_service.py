"""The service of Windows: what the service manager is told, pure. `scm_windows.py` tells it, `host_windows.py` is it.

    definition (JSON, beside the program: only administrators write there) --load--> service manager, event source

Exit codes (`packaging.md` §2) as the service manager understands them. It restarts after 5 s, 30 s, 60 s and then every
60 s what ends with any code but 0, and what ends without a word; so a daemon that a person has to mend (78, 2) reports
0, is not restarted, and says why in the Event Log and in its log.
"""

import json
from dataclasses import dataclass, replace

from agent.errors import EXIT_ASKED, EXIT_SETUP, EXIT_USAGE
from agent.service.spec import NAME, Command, File, Spec, Verb
from agent.service.windows_words import image_path

DISPLAY_NAME = "Botyard agent"
RESTART_AFTER_S = (5, 30, 60)
RESET_AFTER_S = 24 * 3600
PRESHUTDOWN_S = 20
_SERVICE_SPECIFIC = 1066
"""ERROR_SERVICE_SPECIFIC_ERROR: the code of our own stands beside it."""
_FINAL = frozenset({EXIT_ASKED, EXIT_SETUP, EXIT_USAGE})
_RUNNING = "running"


@dataclass(frozen=True, slots=True)
class Reported:
    """The two codes of SERVICE_STOPPED."""

    win32: int
    own: int

    @property
    def is_restarted(self) -> bool:
        """Whether the service manager starts it again."""
        return self.win32 != 0


def reported(exit_code: int) -> Reported:
    """What the daemon's exit code is told as."""
    return Reported(0, 0) if exit_code in _FINAL else Reported(_SERVICE_SPECIFIC, exit_code)


def files(spec: Spec) -> tuple[File, ...]:
    """The definition."""
    words = ("-I", "-m", "agent.service.host_windows", "--home", spec.home, "--user", spec.user)
    body = {
        "name": NAME,
        "display_name": DISPLAY_NAME,
        "description": "Runs bots for a Botyard hub, in the session of the robots' user.",
        "image_path": image_path(spec.python, *words),
        "home": spec.home,
        "user": spec.user,
        "delayed": True,
        "restart_after_s": list(RESTART_AFTER_S),
        "reset_after_s": RESET_AFTER_S,
        "restart_on_exit_codes": True,
        "preshutdown_s": PRESHUTDOWN_S,
    }
    return (File(path=_path(spec), text=json.dumps(body, indent=2) + "\n"),)


def commands(verb: Verb, spec: Spec) -> tuple[Command, ...]:
    """What is run for a step: our own few lines over the service manager's calls, which answer in no language."""

    def of(*words: str, ok: frozenset[int] | None = frozenset({0})) -> Command:
        return Command(argv=(spec.python, "-I", "-m", "agent.service.scm_windows", *words), ok=ok)

    match verb:
        case Verb.PREPARE:
            return (of("secure", spec.home),)
        case Verb.LOAD:
            return (of("load", _path(spec)),)
        case Verb.START | Verb.RESTART | Verb.STOP | Verb.UNLOAD:
            return (of(verb, NAME),)
        case Verb.STATE:
            return (of(verb, NAME, ok=None),)
        case Verb.PURGE:
            return (of("tidy", spec.home),)
        case Verb.CHECK | Verb.OWN | Verb.FORGET:
            return ()


def paths(spec: Spec, *, purge: bool) -> tuple[str, ...]:
    """Files that an uninstall removes."""
    del purge
    return (_path(spec),)


def leftovers(spec: Spec) -> tuple[str, ...]:
    """Nothing beside the home."""
    del spec
    return ()


def is_running(code: int, output: str) -> bool:
    """Whether the service's state says so."""
    return code == 0 and output.strip() == _RUNNING


def link_told(output: str) -> bool | None:
    """Nothing: it knows of no links."""
    del output
    return None


def as_installed(spec: Spec, text: str) -> Spec:
    """`spec` with the home and the user that a definition names."""
    try:
        body = json.loads(text)
    except ValueError:
        return spec
    if not isinstance(body, dict):
        return spec
    return replace(spec, home=str(body.get("home") or spec.home), user=str(body.get("user") or spec.user))


def logs(spec: Spec) -> str:
    """Its file; start, stop and failure stand in the Event Log, too."""
    return f"{spec.home}\\logs\\agent.log"


def _path(spec: Spec) -> str:
    return f"{spec.definitions}\\{NAME}.service.json"
