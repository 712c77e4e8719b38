"""Whom does TLS to the hub trust?"""

from dataclasses import dataclass
from datetime import datetime

from agent.doctor.finding import Finding, fine, unknown, warning, wrong

CHECK = "ca"
SOON_DAYS = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorityFacts:
    """The private authority's file, read as the link reads it."""

    now: datetime
    why_unknown: str = ""
    is_needed: bool = True
    """False for plain http."""
    path: str = ""
    fault: str = ""
    ends_at: datetime | None = None
    """The first end of a certificate in the file."""


def judge(facts: AuthorityFacts) -> Finding:
    """A file that can't be read, or whose certificate has ended, is wrong."""
    if facts.why_unknown:
        return unknown(CHECK, facts.why_unknown)
    if facts.fault:
        return wrong(CHECK, facts.fault, "mend ca in agent.toml: a PEM file of the authority")
    if not facts.is_needed:
        return fine(CHECK, "none is needed: the hub is spoken to in plain http")
    if not facts.path:
        return fine(CHECK, "the system's own authorities")
    if facts.ends_at is None:
        return unknown(CHECK, f"{facts.path}, beside the system's; when it ends can't be read")
    day = facts.ends_at.date().isoformat()
    if facts.ends_at <= facts.now:
        return wrong(
            CHECK, f"{facts.path} ended on {day}", "fetch the authority's new certificate (or mend this clock)"
        )
    if (facts.ends_at - facts.now).days < SOON_DAYS:
        return warning(CHECK, f"{facts.path} ends on {day}", "fetch the authority's new certificate")
    return fine(CHECK, f"{facts.path} until {day}, beside the system's")
