"""Is this machine's clock right? The hub's counts: permits, certificates and everything that people read."""

from dataclasses import dataclass

from agent.doctor.finding import Finding, fine, unknown, warning, wrong
from agent.fitness.judge import duration

CHECK = "clock"
WRONG_S = 60.0
ODD_S = 5.0
_REMEDY = "let the system keep its time by network (NTP), then look again"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockFacts:
    """How far it is ahead of the hub's (behind: negative), and by how much that may be wrong, in seconds."""

    offset_s: float | None = None
    error_s: float = 0.0
    why_unknown: str = ""


def judge(facts: ClockFacts, limit_s: float = WRONG_S) -> Finding:
    """What is certainly more than the setting `clock_limit` is wrong."""
    if facts.offset_s is None:
        return unknown(CHECK, f"the hub did not tell its time: {facts.why_unknown}")
    off = max(0.0, abs(facts.offset_s) - facts.error_s)
    where = "ahead of" if facts.offset_s > 0 else "behind"
    if off > limit_s:
        return wrong(CHECK, f"{duration(abs(facts.offset_s))} {where} the hub's", _REMEDY)
    if off > ODD_S:
        return warning(CHECK, f"{duration(abs(facts.offset_s))} {where} the hub's", _REMEDY)
    return fine(CHECK, f"as the hub's, within {max(1.0, abs(facts.offset_s) + facts.error_s):.0f} s")
