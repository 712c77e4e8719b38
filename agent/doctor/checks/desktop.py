"""The desktop: is there one, how large, unlocked? Three lines, of the same look."""

from agent.desktops.facts import DesktopFacts
from agent.doctor.finding import Finding, fine, unknown, warning, wrong
from agent.fitness.facts import Wanted
from agent.fitness.judge import faults_of_desktop
from agent.wire.condition import FaultCode

CHECK, RESOLUTION, LOCK = "desktop", "resolution", "lock"
LEAST_WIDTH, LEAST_HEIGHT = 1024, 768
_USUAL_DPI = 96
_NEAR_DPI = 5
"""X servers work it out of a size in millimetres, and miss it by a little."""


def judge(facts: DesktopFacts) -> Finding:
    """One that is named and can't be reached is wrong; none is no fault where bots need none."""
    match facts.kind:
        case "unknown":
            return unknown(CHECK, facts.problem)
        case "none":
            return warning(CHECK, f"there is none: {facts.problem}", "nothing, unless bots need windows or a screen")
        case _ if facts.problem:
            return wrong(CHECK, f"{facts.name} is not reached: {facts.problem}", facts.remedy)
        case _:
            return fine(CHECK, f"{facts.kind} {facts.name}".strip())


def judge_resolution(facts: DesktopFacts, wanted: Wanted | None = None) -> Finding:
    """Bots that click and look for pictures want the size and scale that they were made with."""
    for fault in faults_of_desktop(facts, wanted or Wanted()):
        if fault.code in {FaultCode.WRONG_SIZE, FaultCode.WRONG_DPI}:
            return wrong(RESOLUTION, fault.message, fault.remedy)
    if facts.width is None or facts.height is None:
        return unknown(RESOLUTION, facts.no_size or "there is no desktop to ask")
    size = f"{facts.width}x{facts.height}"
    is_usual = facts.dpi is None or facts.dpi == (wanted.dpi if wanted else None)
    if facts.dpi is not None and not is_usual and abs(facts.dpi - _USUAL_DPI) > _NEAR_DPI:
        scale = f"{size}, scaled to {facts.dpi * 100 // _USUAL_DPI} %"
        return warning(RESOLUTION, scale, "set it to 100 %, unless bots were made for that scale")
    if facts.width < LEAST_WIDTH or facts.height < LEAST_HEIGHT:
        return warning(RESOLUTION, f"{size} is small", f"at least {LEAST_WIDTH}x{LEAST_HEIGHT} is usual")
    return fine(RESOLUTION, size if facts.dpi is None else f"{size}, {round(facts.dpi * 100 / _USUAL_DPI)} %")


def judge_lock(facts: DesktopFacts) -> Finding:
    """Behind a lock screen no bot sees or clicks anything."""
    if facts.is_locked is None:
        return unknown(LOCK, facts.no_lock or "there is no desktop to ask")
    if facts.is_locked:
        return wrong(LOCK, "the desktop is locked", "unlock it, and switch the lock screen off for the robot's user")
    return fine(LOCK, "not locked")
