"""Is the hub reached, is it the right one, and does it let this runner in?"""

from dataclasses import dataclass

from agent.doctor.finding import Finding, fine, unknown, wrong

CHECK = "link"


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkFacts:
    """How far it went: name > connection and TLS > /healthz > the hub's proof > its answer to this runner."""

    why_unknown: str = ""
    origin: str = ""
    unresolved: str = ""
    unreached: str = ""
    status: int | None = None
    """Of ``/healthz``."""
    unproven: str = ""
    """Why what answers there is not the hub that enrolment pinned."""
    refused: str = ""
    """What the hub said to this runner's hello."""
    is_final: bool = False
    """Trying again is useless: the daemon ends with 78."""
    is_let_in: bool = False
    not_asked: str = ""
    """Why the hub was not asked whether it lets this runner in."""


def judge(facts: LinkFacts) -> Finding:
    """The first step that failed, with what mends it."""
    if facts.why_unknown:
        return unknown(CHECK, facts.why_unknown)
    failed = _failed(facts)
    if failed is not None:
        return wrong(CHECK, *failed)
    if facts.is_let_in:
        return fine(CHECK, f"{facts.origin} is the hub of the enrolment, and lets this runner in")
    return unknown(
        CHECK, f"{facts.origin} is the hub of the enrolment; whether it lets this runner in: {facts.not_asked}"
    )


def _failed(facts: LinkFacts) -> tuple[str, str] | None:
    """What failed and what mends it; None where nothing did."""
    if facts.unresolved:
        name = f"{facts.origin}: its name has no address ({facts.unresolved})"
        return name, "look at the name and at DNS; another address: botyard-agent enroll --again"
    if facts.unreached:
        return facts.unreached, "look at the hub, at both clocks, and at the way between (address, firewall, proxy)"
    if facts.status != 200:
        return f"{facts.origin} answered {facts.status} where a hub says that it lives", "is that the hub?"
    if facts.unproven:
        return facts.unproven, "if the hub was replaced: botyard-agent enroll --again; else find out who answers"
    if facts.refused and facts.is_final:
        return f"the hub will not let this runner in: {facts.refused}", "botyard-agent enroll --again"
    if facts.refused:
        return f"the hub does not let this runner in now: {facts.refused}", "the daemon tries again by itself"
    return None
