"""Is the home there, is it a runner's, and this machine's?"""

from dataclasses import dataclass
from pathlib import Path

from agent.doctor.finding import Deed, Finding, Mend, fine, wrong

CHECK = "home"


@dataclass(frozen=True, slots=True, kw_only=True)
class HomeFacts:
    """What was seen of it."""

    path: Path
    exists: bool = True
    is_folder: bool = True
    problem: str = ""
    """Why no daemon would start here: not enrolled, damaged, of another machine, not readable."""
    runner: str = ""
    hub: str = ""


def judge(facts: HomeFacts) -> Finding:
    """Missing, no folder, unusable, or a runner's."""
    if not facts.exists:
        make = Mend(deed=Deed.MAKE_FOLDER, path=facts.path)
        return wrong(CHECK, f"{facts.path} is not there", "give the right --home, or botyard-agent enroll", make)
    if not facts.is_folder:
        return wrong(CHECK, f"{facts.path} is a file where a folder has to be", "give another --home")
    if facts.problem:
        return wrong(CHECK, facts.problem, "botyard-agent run ends with 78 until that is mended")
    return fine(CHECK, f"{facts.path}: runner {facts.runner} of {facts.hub}")
