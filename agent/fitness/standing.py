"""Since when faults stand (pure): the time stays while a fault stays, and what flaps must be seen at two looks.

not seen --seen--> once --seen--> standing, since the first of the two
   ^                 |               |
   +---- not seen ---+-- not seen ---+          what does not flap stands at the first look
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from agent.fitness.facts import Fault, what_of
from agent.wire.condition import FAULT_TEXT_MAX, FAULTS_MAX, ConditionFault, FaultCode

FLAPPING = frozenset({FaultCode.POPUP, FaultCode.BLANK, FaultCode.LOW_MEMORY})
"""A menu that closes by itself, a screen that is drawn anew, a program's peak: none of it is a fault."""
_FIGURES = frozenset({FaultCode.LOW_DISK, FaultCode.LOW_MEMORY, FaultCode.CLOCK_OFF})
"""Their messages have figures that change with each look: the first is kept, so that nothing is told anew."""

What = tuple[FaultCode, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What stands of one subject: the machine, or a desktop."""

    faults: tuple[ConditionFault, ...] = ()
    once: Mapping[What, datetime] = field(default_factory=dict)
    """What was seen at the last look only, and when."""


def settle(found: Sequence[Fault], earlier: Standing, now: datetime, lasting: Collection[FaultCode] = ()) -> Standing:
    """What stands after another look, at `now`. What stands already of `lasting` stays, found or not."""
    known = {what_of(fault): fault for fault in earlier.faults}
    faults: list[ConditionFault] = []
    once: dict[What, datetime] = {}
    for fault in found[:FAULTS_MAX]:
        before = known.get(fault.what)
        if before is not None:
            is_kept = fault.code in _FIGURES
            faults.append(before if is_kept else told(fault, before.since))
        elif fault.code in FLAPPING and fault.what not in earlier.once:
            once[fault.what] = now
        else:
            faults.append(told(fault, earlier.once.get(fault.what, now)))
    whats = {what_of(fault) for fault in faults}
    kept = [fault for what, fault in known.items() if fault.code in lasting and what not in whats]
    return Standing(faults=(*faults, *kept)[:FAULTS_MAX], once=once)


def told(fault: Fault, since: datetime) -> ConditionFault:
    """As it travels."""
    return ConditionFault(
        code=fault.code,
        message=fault.message[:FAULT_TEXT_MAX],
        remedy=fault.remedy[:FAULT_TEXT_MAX],
        since=since,
        application=fault.application,
    )
