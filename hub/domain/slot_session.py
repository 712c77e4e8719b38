"""One live session as the credit book keeps it: its slots, and what keeps them from being given out."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from agent.wire.condition import Condition
from agent.wire.messages import Stamp
from hub.domain import condition as conditions
from hub.domain.credit import Credit, Mend

FRESH_S = 25.0
"""A credit not renewed for this long is not given out: it would be too old at the shim (limit 30 s, core.md D3)."""


@dataclass(slots=True, kw_only=True)
class Slot:
    """A slot that the runner said is free, and whether its credit is out."""

    generation: int
    stamp: Stamp
    received_s: float
    is_taken: bool = False


@dataclass(slots=True, kw_only=True)
class SlotSession:
    """What one live session offers."""

    workspace_id: str
    runner_id: str
    epoch: int
    labels: Mapping[str, str]
    is_open: bool = False
    is_ready: bool = True
    unfit: tuple[str, ...] = ()
    condition: Condition | None = None
    """As it was told last; what it says of a slot joins the labels of that slot."""
    is_closed: bool = False
    """By a fault of the machine."""
    own_labels: dict[int, dict[str, str]] = field(default_factory=dict)
    """Of slots that have a desktop; the others have `common_labels`."""
    common_labels: Mapping[str, str] = field(init=False)
    is_draining: bool = False
    in_window: bool = False
    builds: set[str] = field(default_factory=set)
    proven: set[str] = field(default_factory=set)
    """Bots that have succeeded there."""
    slots: dict[int, Slot] = field(default_factory=dict)
    withheld: dict[str, Mend] = field(default_factory=dict)
    waits_for_stamp: bool = False
    stale_in_a_row: int = 0
    paused_until_s: float = 0.0

    def __post_init__(self) -> None:
        """Nothing is known yet but what the runner's row says."""
        self.common_labels = self.labels

    def tell(self, condition: Condition) -> None:
        """Its slots are so now."""
        self.condition = condition
        self.is_closed = bool(conditions.closing(condition))
        self.common_labels = {**self.labels, **conditions.slot_labels(condition, -1)}
        self.own_labels = {
            one.slot: {**self.labels, **conditions.slot_labels(condition, one.slot)} for one in condition.desktops
        }

    def labels_of(self, slot: int) -> Mapping[str, str]:
        """What a task may need that gets this slot."""
        return self.own_labels.get(slot, self.common_labels)

    def has_desktop(self, slot: int) -> bool:
        """Whether the slot has one that can be used now."""
        return bool(self.own_labels) and conditions.DESKTOP in self.labels_of(slot)

    def serves(self, build_id: str) -> bool:
        """Whether its credits count for this build."""
        return build_id in self.builds and build_id not in self.withheld

    def end_withholding(self, mend: Mend) -> bool:
        """Builds that were withheld until this mend count again; False when there is none."""
        mended = [build_id for build_id, until in self.withheld.items() if until is mend]
        for build_id in mended:
            del self.withheld[build_id]
        return bool(mended)

    def is_giving(self, now_s: float) -> bool:
        """Whether any slot of it may be given out at all."""
        is_kept = self.is_draining or self.in_window or self.waits_for_stamp or self.is_closed
        return self.is_open and self.is_ready and not is_kept and now_s >= self.paused_until_s

    def free_slots(self, now_s: float) -> Iterator[tuple[int, Slot]]:
        """The slots that may be given out now."""
        if not self.is_giving(now_s):
            return
        for number, slot in self.slots.items():
            if not slot.is_taken and now_s - slot.received_s <= FRESH_S:
                yield number, slot

    def credit(self, number: int) -> Credit:
        """The credit of a slot, which is out from now on."""
        slot = self.slots[number]
        slot.is_taken = True
        return Credit(
            workspace_id=self.workspace_id,
            runner_id=self.runner_id,
            epoch=self.epoch,
            slot=number,
            generation=slot.generation,
            stamp=slot.stamp,
            labels=self.labels_of(number),
            builds=frozenset(self.builds.difference(self.withheld)),
        )


@dataclass(frozen=True, slots=True)
class SlotGroup:
    """Slots of a session that are labelled alike."""

    session: SlotSession
    labels: Mapping[str, str]

    def look(self, now_s: float) -> tuple[bool, list[int]]:
        """Whether the credit of any of them is not out, and which may be given out now."""
        session = self.session
        gives, is_mixed, has_untaken = session.is_giving(now_s), bool(session.own_labels), False
        free: list[int] = []
        for number, slot in session.slots.items():
            if slot.is_taken or (is_mixed and not self._has(number)):
                continue
            has_untaken = True
            if gives and now_s - slot.received_s <= FRESH_S:
                free.append(number)
        return has_untaken, free

    def _has(self, number: int) -> bool:
        labels = self.session.labels_of(number)
        return labels is self.labels or labels == self.labels
