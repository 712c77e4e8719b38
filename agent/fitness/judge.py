"""What is wrong with what was found: no clock, no system, the same words for hub, `status` and `doctor`."""

from collections.abc import Iterator

from agent.desktops.facts import DesktopFacts
from agent.fitness.facts import BROWSER, Fault, MachineFacts, Wanted
from agent.wire.condition import UNREACHED, FaultCode

_MIB = 1024 * 1024
_RUNNABLE = "chmod +x it, or mend the setting applications"
_NAMED = "install one, or say where it is: the setting applications, as browser = ..."
_NTP = "let both keep their time by network (NTP); the hub's may be the wrong one"


def faults_of_machine(facts: MachineFacts, wanted: Wanted) -> list[Fault]:
    """All that is wrong beside the desktops; what is not known is no fault."""
    return [*_room(facts, wanted), *_clock(facts, wanted), *_programs(facts, wanted)]


def faults_of_desktop(facts: DesktopFacts, wanted: Wanted, *, is_used: bool = False) -> list[Fault]:
    """All that is wrong with one. While a bot has it (`is_used`), its windows and colours are the bot's."""
    if facts.kind in {"none", "unknown"} or facts.problem:
        problem = facts.problem or "the system does not tell it"
        return [Fault(code=FaultCode.GONE, message=f"{UNREACHED}{problem}", remedy=facts.remedy)]
    faults = [*_session(facts), *_measures(facts, wanted)]
    if not is_used and not faults:
        # Behind a lock screen, or without a screen, pictures and windows say nothing.
        faults += _view(facts)
    return faults


def lasting_view(facts: DesktopFacts) -> frozenset[FaultCode]:
    """What may go on being wrong with the view while a bot has a desktop: what the look does not clear.

    Nobody can tell then whose window is in front; one that was nobody's is there until none is.
    """
    codes = ((FaultCode.POPUP, bool(facts.in_front)), (FaultCode.BLANK, facts.is_blank))
    return frozenset(code for code, is_seen in codes if is_seen or facts.problem)


def misfit(facts: DesktopFacts, size: str) -> str:
    """Why a desktop is not of the size that an order asks for (``1920x1080``, or empty); empty where it is."""
    if not size:
        return ""
    if facts.width is None or facts.height is None:
        return f"its size is not known ({facts.no_size or 'not told'}), and the bot needs {size}"
    has = f"{facts.width}x{facts.height}"
    return "" if has == size else f"it is {has}, and the bot needs {size}"


def _room(facts: MachineFacts, wanted: Wanted) -> Iterator[Fault]:
    if facts.disk_short:
        yield Fault(
            code=FaultCode.LOW_DISK,
            message=facts.disk_short,
            remedy="free some space, or lower the setting keep_free",
        )
    if facts.memory_bytes is not None and facts.memory_bytes < wanted.memory_bytes:
        yield Fault(
            code=FaultCode.LOW_MEMORY,
            message=f"it has {facts.memory_bytes // _MIB} MiB of memory left, less than {wanted.memory_bytes // _MIB}",
            remedy="end programs that are not needed, add memory, or lower the setting keep_memory",
        )


def _clock(facts: MachineFacts, wanted: Wanted) -> Iterator[Fault]:
    offset_s = facts.clock_offset_s
    if offset_s is None or abs(offset_s) - facts.clock_error_s <= wanted.clock_s:
        return
    where = "ahead of" if offset_s > 0 else "behind"
    yield Fault(
        code=FaultCode.CLOCK_OFF,
        message=f"its clock is {duration(abs(offset_s))} {where} the hub's: one of the two is wrong",
        remedy=_NTP,
    )


def duration(seconds: float) -> str:
    """As people say it, in the unit that fits."""
    for unit, size, least in (("days", 86400, 0.9), ("hours", 3600, 1.5), ("minutes", 60, 1.5)):
        if seconds >= least * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s"


def _programs(facts: MachineFacts, wanted: Wanted) -> Iterator[Fault]:
    for name, program in sorted(wanted.applications.items()):
        if name not in facts.found and name != BROWSER:
            yield Fault(
                code=FaultCode.APPLICATION_MISSING,
                message=_missing(name, program, facts),
                remedy=_RUNNABLE if name in facts.barred else "install it, or mend the setting applications",
                application=name,
            )
    if BROWSER not in facts.found:
        place = wanted.applications.get(BROWSER)
        message = "no browser was found: chromium, chrome, firefox, edge"
        if place:
            message = _missing(BROWSER, place, facts) if BROWSER in facts.barred else f"no browser is at {place}"
        yield Fault(
            code=FaultCode.NO_BROWSER,
            message=message,
            remedy=_RUNNABLE if BROWSER in facts.barred else _NAMED,
            application=BROWSER,
        )


def _missing(name: str, program: str, facts: MachineFacts) -> str:
    return (
        f"{name} at {program} can't be run (it has no x right)"
        if name in facts.barred
        else f"{name} is not at {program}"
    )


def _session(facts: DesktopFacts) -> Iterator[Fault]:
    if facts.is_locked:
        yield Fault(
            code=FaultCode.LOCKED,
            message="the desktop is locked",
            remedy="unlock it, and switch the lock screen off for the robot's user",
        )
    if facts.is_disconnected:
        yield Fault(
            code=FaultCode.DISCONNECTED,
            message="its session has no screen now: it was disconnected, or another user is at the console",
            remedy="connect it to the console, or use a virtual desktop",
        )


def _measures(facts: DesktopFacts, wanted: Wanted) -> Iterator[Fault]:
    has = (facts.width, facts.height)
    if wanted.size is not None and None not in has and has != wanted.size:
        width, height = wanted.size
        yield Fault(
            code=FaultCode.WRONG_SIZE,
            message=f"it is {facts.width}x{facts.height}, and the setting desktop_size says {width}x{height}",
            remedy="set the size back, or change desktop_size",
        )
    if wanted.dpi is not None and facts.dpi is not None and facts.dpi != wanted.dpi:
        yield Fault(
            code=FaultCode.WRONG_DPI,
            message=f"it has {facts.dpi} DPI, and the setting desktop_dpi says {wanted.dpi}",
            remedy="set the scale back, or change desktop_dpi",
        )


def _view(facts: DesktopFacts) -> Iterator[Fault]:
    if facts.in_front:
        yield Fault(
            code=FaultCode.POPUP,
            message=f"a window that is no bot's is in front: {facts.in_front}",
            remedy="close it, and keep what opened it from doing so",
        )
    if facts.is_blank:
        yield Fault(
            code=FaultCode.BLANK,
            message="it shows one colour from edge to edge",
            remedy="end the screen saver, or log the robot's user on anew",
        )
