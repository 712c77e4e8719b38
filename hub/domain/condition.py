"""What a runner's condition means: what bots in each of its slots can count on now, and what they could after a mend.

Desktops and applications are needs like labels, by names that nobody else may use (`RESERVED`)::

    botyard.desktop=""  botyard.desktop-size="1920x1080"  botyard.application.sap-gui=""

A slot *has* what the runner told of it. It can be *used* while what is told has no fault; a desktop that is locked is
still there, so builds are brought to it, and whoever asks is told the lock and not a missing desktop.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from agent.wire.condition import Condition, ConditionFault, DesktopState, FaultCode
from agent.wire.words import DesktopNeed
from hub.domain.desktop_wish import DesktopWish
from hub.domain.placement import fits

RESERVED = "botyard."
"""Labels and needs that begin so are the hub's own."""
DESKTOP = "botyard.desktop"
DESKTOP_SIZE = "botyard.desktop-size"
APPLICATION = "botyard.application."
BROWSER = "browser"
CLOSING = frozenset({FaultCode.LOW_DISK, FaultCode.LOW_MEMORY, FaultCode.CLOCK_OFF})
"""Faults of a machine that keep all work away."""
_OTHER_SIZE = frozenset({FaultCode.WRONG_SIZE, FaultCode.GONE})
"""While these stand, what size a desktop will have after the mend is not known."""
FaultKey = tuple[int | None, FaultCode, str | None]
"""(slot, or None for the machine; code; application): a fault that keeps these is the same one."""


# --- needs -----------------------------------------------------------------------------------------------------------


def needs_of(wish: DesktopWish) -> dict[str, str]:
    """The needs that a wish comes to."""
    found = {APPLICATION + name: "" for name in wish.applications}
    if wish.desktop is DesktopNeed.REQUIRED:
        found[DESKTOP] = ""
        if wish.size:
            found[DESKTOP_SIZE] = wish.size
    return found


def desktop_need(needs: Mapping[str, str], wish: DesktopWish) -> DesktopNeed:
    """What a task with these needs gets of its slot's desktop."""
    if DESKTOP in needs:
        return DesktopNeed.REQUIRED
    return DesktopNeed.NONE if wish.desktop is DesktopNeed.NONE else DesktopNeed.ANY


def plain(needs: Mapping[str, str]) -> dict[str, str]:
    """Those that people wrote."""
    return {name: value for name, value in needs.items() if not name.startswith(RESERVED)}


def reserved(needs: Mapping[str, str]) -> dict[str, str]:
    """Those that a wish came to."""
    return {name: value for name, value in needs.items() if name.startswith(RESERVED)}


def in_words(needs: Mapping[str, str]) -> dict[str, Mapping[str, str]]:
    """The needs by what people call them; a desktop and its size are one, so are all labels."""
    found: dict[str, Mapping[str, str]] = {}
    labels = plain(needs)
    if labels:
        named = ", ".join(f"{name}={value}" if value else name for name, value in sorted(labels.items()))
        found[f"the label {named}"] = labels
    if DESKTOP in needs:
        size = needs.get(DESKTOP_SIZE)
        found[f"a desktop of {size}" if size else "a desktop"] = {
            name: needs[name] for name in (DESKTOP, DESKTOP_SIZE) if name in needs
        }
    for name in sorted(needs):
        if name.startswith(APPLICATION):
            found[f"the application {name.removeprefix(APPLICATION)}"] = {name: ""}
    return found


# --- what a slot offers now ------------------------------------------------------------------------------------------


def slot_labels(condition: Condition | None, slot: int) -> dict[str, str]:
    """What bots in this slot can count on now, as labels; of a runner that told nothing none."""
    if condition is None:
        return {}
    found = {APPLICATION + name: "" for name in condition.applications}
    desktop = next((one for one in condition.desktops if one.slot == slot), None)
    if desktop is not None and not desktop.faults:
        found[DESKTOP] = ""
        if desktop.width is not None and desktop.height is not None:
            found[DESKTOP_SIZE] = f"{desktop.width}x{desktop.height}"
    return found


def closing(condition: Condition | None) -> tuple[ConditionFault, ...]:
    """Faults for which the whole machine gets nothing."""
    return () if condition is None else tuple(one for one in condition.faults if one.code in CLOSING)


def usable_slots(
    labels: Mapping[str, str], condition: Condition | None, slots: Iterable[int], needs: Mapping[str, str]
) -> tuple[int, ...]:
    """Which of the slots of a runner meet the needs as it is now; none while its machine is closed."""
    if closing(condition):
        return ()
    return tuple(slot for slot in slots if fits({**labels, **slot_labels(condition, slot)}, needs))


# --- what it has, fit or not -----------------------------------------------------------------------------------------


def could_fit(labels: Mapping[str, str], condition: Condition | None, needs: Mapping[str, str]) -> bool:
    """Whether the runner has what is needed: it meets the needs now, or will when what is wrong with it is mended."""
    own = reserved(needs)
    if not own:
        return fits(labels, needs)
    if condition is None or not fits(labels, plain(needs)):
        return False
    known = {*condition.applications, *(name for fault in condition.faults if (name := application_of(fault)))}
    wanted = {name.removeprefix(APPLICATION) for name in own if name.startswith(APPLICATION)}
    return wanted <= known and (DESKTOP not in own or bool(desktops_for(condition, own)))


def could_fit_as_stored(labels: Mapping[str, str], stored: Mapping[str, Any] | None, needs: Mapping[str, str]) -> bool:
    """`could_fit`, for whoever asks of a thousand runners: what they told is only read where it matters."""
    return could_fit(labels, read(stored), needs) if reserved(needs) else fits(labels, needs)


def desktops_for(condition: Condition, needs: Mapping[str, str]) -> tuple[DesktopState, ...]:
    """The desktops that have the size which is needed, or may have it once they are mended."""
    size = needs.get(DESKTOP_SIZE)
    return tuple(one for one in condition.desktops if size is None or _may_be(one, size))


def _may_be(desktop: DesktopState, size: str) -> bool:
    if desktop.faults and (desktop.width is None or desktop.height is None):
        return True
    is_open = any(fault.code in _OTHER_SIZE for fault in desktop.faults)
    return is_open or size == f"{desktop.width}x{desktop.height}"


def application_of(fault: ConditionFault) -> str | None:
    """Which application a fault is about, of those that are about one."""
    return fault.application or (BROWSER if fault.code is FaultCode.NO_BROWSER else None)


def hindering(condition: Condition, needs: Mapping[str, str]) -> tuple[tuple[DesktopState | None, ConditionFault], ...]:
    """What keeps a runner that has all that is needed from this work now, with the desktop where it is a desktop's.

    Of several desktops that of which the fewest faults have to be mended.
    """
    found: list[tuple[DesktopState | None, ConditionFault]] = [(None, fault) for fault in closing(condition)]
    for fault in condition.faults:
        name = application_of(fault)
        if name is not None and APPLICATION + name in needs and name not in condition.applications:
            found.append((None, fault))
    if DESKTOP in needs:
        nearest = min(desktops_for(condition, needs), key=lambda one: (len(one.faults), one.slot), default=None)
        found += [(nearest, fault) for fault in nearest.faults] if nearest else []
    return tuple(found)


# --- told ------------------------------------------------------------------------------------------------------------


def read(stored: Mapping[str, Any] | None) -> Condition | None:
    """A condition as it was stored."""
    return None if stored is None else Condition.model_validate(stored)


def settled(told: Condition, slots: int, now: datetime) -> Condition:
    """As it is kept: nothing is wrong since a moment that is still to come, whatever clock says so.

    A slot has one desktop, the first that is told for it; one of a slot that the runner does not have is none.
    """
    desktops = {one.slot: one for one in reversed(told.desktops) if one.slot < slots}
    return told.model_copy(
        update={
            "desktops": tuple(
                one.model_copy(update={"faults": _not_later(one.faults, now)})
                for one in sorted(desktops.values(), key=lambda one: one.slot)
            ),
            "faults": _not_later(told.faults, now),
        }
    )


def _not_later(faults: Sequence[ConditionFault], now: datetime) -> tuple[ConditionFault, ...]:
    return tuple(one if one.since <= now else one.model_copy(update={"since": now}) for one in faults)


def all_faults(condition: Condition | None) -> tuple[tuple[DesktopState | None, ConditionFault], ...]:
    """Everything that is wrong: of the machine first, then of each desktop."""
    if condition is None:
        return ()
    of_desktops = [(one, fault) for one in condition.desktops for fault in one.faults]
    return (*((None, fault) for fault in condition.faults), *of_desktops)


def fault_keys(condition: Condition | None) -> frozenset[FaultKey]:
    """What is wrong, without since when and in which words."""
    return frozenset(
        (desktop.slot if desktop else None, fault.code, fault.application) for desktop, fault in all_faults(condition)
    )


def fault_list(condition: Condition) -> list[list[int | str | None]]:
    """`fault_keys` as they are stored, always in the same order."""
    return sorted(([slot, code.value, application] for slot, code, application in fault_keys(condition)), key=repr)


def is_same(one: Condition | None, other: Condition) -> bool:
    """Whether nothing is news in the other; since when is none, for a clock that is off says it anew each time."""
    return one is not None and _without_since(one) == _without_since(other)


def _without_since(condition: Condition) -> dict[str, Any]:
    plain_text = condition.model_dump(mode="json")
    for faults in (plain_text["faults"], *(one["faults"] for one in plain_text["desktops"])):
        for fault in faults:
            del fault["since"]
    return plain_text


# --- words -----------------------------------------------------------------------------------------------------------

_WORDS = {FaultCode.LOCKED: "is locked", FaultCode.DISCONNECTED: "is disconnected"}
_IT = "it "
"""Messages that begin so are of the desktop: its name goes in its place."""


def sentence(desktop: DesktopState | None, fault: ConditionFault, now: datetime) -> str:
    """What is wrong and since when, to stand behind the runner's name: ``its desktop :0 is locked since 14:03 UTC``."""
    told = words(desktop.name if desktop is not None else None, fault.code, fault.message)
    return f"{told} since {moment(fault.since, now)}"


def words(desktop: str | None, code: str, message: str) -> str:
    """What is wrong; `desktop` is the name of the one that it is about."""
    if desktop is not None and code in _WORDS:
        told = f"its desktop {desktop} {_WORDS[FaultCode(code)]}"
    elif desktop is not None and message.startswith(_IT):
        told = f"its desktop {desktop} {message.removeprefix(_IT)}"
    elif desktop is not None and desktop not in message:
        told = f"on its desktop {desktop}: {message or code}"
    else:
        told = message or str(code)
    return told.rstrip(" .")


def moment(since: datetime, now: datetime) -> str:
    """A moment as people read it: the day only where it is another."""
    return f"{since:%H:%M} UTC" if since.date() == now.date() else f"{since:%Y-%m-%d %H:%M} UTC"
