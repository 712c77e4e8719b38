"""Does this machine go to sleep by itself?"""

from agent.desktops.facts import PowerFacts
from agent.doctor.finding import Finding, fine, unknown, warning, wrong

CHECK = "power"
_REMEDY = "switch sleep off while on mains power"


def judge(facts: PowerFacts) -> Finding:
    """A machine that sleeps runs no bots."""
    if facts.on_battery:
        return warning(CHECK, "it runs on its battery", "plug it in")
    if facts.can_sleep is False:
        return fine(CHECK, "it does not sleep")
    if facts.sleeps_after_s is None:
        return unknown(
            CHECK, facts.why_unknown or "it can sleep; whether it does by itself can't be told here", _REMEDY
        )
    if facts.sleeps_after_s > 0:
        minutes = facts.sleeps_after_s / 60
        return wrong(CHECK, f"it goes to sleep after {minutes:.0f} minutes without a user", _REMEDY)
    return fine(CHECK, "it does not go to sleep by itself")
