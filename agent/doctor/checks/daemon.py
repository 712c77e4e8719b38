"""Does a daemon run here, and does it answer?"""

from dataclasses import dataclass
from pathlib import Path

from agent.doctor.finding import Deed, Finding, Mend, fine, unknown, warning, wrong

CHECK = "daemon"


@dataclass(frozen=True, slots=True, kw_only=True)
class DaemonFacts:
    """The lock of the home, and what answers at its control socket."""

    control: Path
    why_unknown: str = ""
    is_held: bool = False
    """A process has the home's lock."""
    can_be_asked: bool = True
    """False on Windows, where there is no such socket yet."""
    answers: bool = False
    version: str = ""
    unfit: tuple[str, ...] = ()
    has_socket: bool = False
    """There is a control socket in the home, whoever left it."""


def judge(facts: DaemonFacts) -> Finding:
    """Running and answering; a socket that nobody serves is a leftover."""
    if facts.why_unknown:
        return unknown(CHECK, facts.why_unknown)
    if facts.is_held and not facts.can_be_asked:
        return unknown(CHECK, "it runs; on this system it can't be asked how it is")
    if facts.is_held and not facts.answers:
        return wrong(CHECK, "it runs, and does not answer", "restart it: its bots live on under their shims")
    if facts.is_held and facts.unfit:
        return warning(CHECK, f"it runs and takes no work: {'; '.join(facts.unfit)}", "see the other lines")
    if facts.is_held:
        return fine(CHECK, f"it runs, version {facts.version}")
    start = "botyard-agent run, or start its service"
    if facts.has_socket:
        left = Mend(deed=Deed.REMOVE_FILE, path=facts.control)
        return warning(CHECK, "it does not run, and was killed: its control socket is left over", start, left)
    return warning(CHECK, "it does not run", start)
