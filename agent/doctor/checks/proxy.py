"""Which proxy stands on the way to the hub? Whether it lets through is tried with the link."""

from dataclasses import dataclass

from agent.doctor.finding import Finding, fine, unknown, wrong

CHECK = "proxy"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyFacts:
    """What the link would use; never a password."""

    why_unknown: str = ""
    fault: str = ""
    shown: str = ""
    is_setting: bool = False
    """Chosen in the settings, not by the environment or the system."""


def judge(facts: ProxyFacts) -> Finding:
    """One that can't be used ends the daemon."""
    if facts.why_unknown:
        return unknown(CHECK, facts.why_unknown)
    if facts.fault:
        return wrong(CHECK, facts.fault, "mend proxy in agent.toml, or the variable")
    source = "the setting proxy" if facts.is_setting else "environment or system"
    return fine(CHECK, f"{facts.shown} ({source})" if facts.shown else f"none, the direct way ({source})")
