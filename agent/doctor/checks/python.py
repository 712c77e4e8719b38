"""Is there a Python that bots' environments can stand on?"""

from dataclasses import dataclass

from agent.doctor.finding import Finding, fine, wrong

CHECK = "python"


@dataclass(frozen=True, slots=True, kw_only=True)
class PythonFacts:
    """It was run."""

    path: str
    version: str = ""
    """Empty where it did not run."""
    complaint: str = ""
    has_venv: bool = True
    """It can make environments without uv: the modules venv and ensurepip."""
    has_uv: bool = True


def judge(facts: PythonFacts) -> Finding:
    """Environments are made by uv, or by venv with pip."""
    if not facts.version:
        return wrong(CHECK, f"{facts.path} does not run: {facts.complaint}", "install Python 3.11 or newer")
    if not facts.has_venv and not facts.has_uv:
        what = f"{facts.version} at {facts.path} makes no environments: venv or ensurepip is missing, and so is uv"
        return wrong(CHECK, what, "install uv, or the system's package of venv (python3-venv)")
    return fine(CHECK, f"{facts.version} at {facts.path}")
