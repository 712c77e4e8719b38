"""Are the settings right? The same as `botyard-agent run --check-config` says."""

from dataclasses import dataclass

from agent.doctor.finding import Finding, fine, warning, wrong

CHECK = "settings"
_REMEDY = "botyard-agent run --check-config shows each value and where it comes from"


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsFacts:
    """What is wrong with them, what is odd, how many somebody chose."""

    faults: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    chosen: int = 0


def judge(facts: SettingsFacts) -> Finding:
    """Any fault keeps the daemon from starting."""
    if facts.faults:
        return wrong(CHECK, "; ".join(facts.faults), _REMEDY)
    if facts.notes:
        return warning(CHECK, "; ".join(facts.notes), _REMEDY)
    return fine(CHECK, f"{facts.chosen} chosen, the others have their defaults")
