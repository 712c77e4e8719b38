"""macOS: may bots see the screen and use mouse and keyboard? (`packaging.md` §6, TCC.)"""

from dataclasses import dataclass

from agent.doctor.finding import Finding, fine, unknown, wrong

CHECK = "permissions"


@dataclass(frozen=True, slots=True, kw_only=True)
class PermissionFacts:
    """What the system answers for this very interpreter; None where it can't be asked."""

    may_control: bool | None = None
    may_capture: bool | None = None


def judge(facts: PermissionFacts) -> Finding:
    """Both are granted to the interpreter, and lost when it is replaced."""
    if facts.may_control is None or facts.may_capture is None:
        return unknown(CHECK, "the system does not tell whether Accessibility and Screen Recording are granted")
    granted = {"Accessibility": facts.may_control, "Screen Recording": facts.may_capture}
    missing = [name for name, is_granted in granted.items() if not is_granted]
    if missing:
        where = "System Settings > Privacy & Security: remove Python there, and add it again"
        return wrong(CHECK, f"not granted: {', '.join(missing)}", where)
    return fine(CHECK, "Accessibility and Screen Recording are granted")
