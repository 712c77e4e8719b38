"""Is uv there? It makes environments in a fraction of pip's time, and finds other Pythons."""

from dataclasses import dataclass

from agent.doctor.finding import Finding, fine, warning, wrong

CHECK = "uv"


@dataclass(frozen=True, slots=True, kw_only=True)
class UvFacts:
    """It was run; without a path there is none."""

    path: str = ""
    version: str = ""
    complaint: str = ""


def judge(facts: UvFacts) -> Finding:
    """Without it pip does the work; one that is there and does not run is wrong."""
    if not facts.path:
        missing = "there is none: environments are made by venv and pip, slowly, and for one Python only"
        return warning(CHECK, missing, "pip install 'botyard[env]', or put uv on PATH")
    if not facts.version:
        return wrong(CHECK, f"{facts.path} does not run: {facts.complaint}", "install it again")
    return fine(CHECK, f"{facts.version} at {facts.path}")
