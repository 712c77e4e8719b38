"""Slots: how many bots may run here at once, and which of them can take one now (pure; `core.md` D2).

    empty --take--> used --release(tree empty)--> empty, generation + 1
                      +--release(survivors)--> stuck --cleared--> empty, generation + 1

A slot is *free*, and gives a credit, while it is empty and ready: an idle shim waits, its work folder is empty, and the
daemon takes new work. The generation rises with each use and each void, so that no credit is good for two starts.
"""

from dataclasses import dataclass

from agent.wire.messages import Permit


@dataclass(slots=True, kw_only=True)
class Slot:
    """One slot. ``used_by`` names the execution whose order or tree it holds."""

    number: int
    generation: int = 1
    used_by: str | None = None
    is_stuck: bool = False
    is_ready: bool = False

    @property
    def is_free(self) -> bool:
        """Whether it gives a credit, were the daemon to take work."""
        return self.used_by is None and self.is_ready


class Slots:
    """All slots of this runner."""

    def __init__(self, count: int) -> None:
        self._slots = [Slot(number=number) for number in range(count)]
        self.closed_because = ""
        """Why no slot gives a credit now (draining, unfit, stopping); empty while they do."""

    @property
    def count(self) -> int:
        """How many there are, adopted ones beyond the setting included."""
        return len(self._slots)

    def take(self, permit: Permit, execution_id: str) -> str:
        """Use up the permit's credit. Returns why it is worth nothing, or an empty text when the slot is taken."""
        if self.closed_because:
            return self.closed_because
        if permit.slot >= len(self._slots):
            return f"there is no slot {permit.slot}"
        slot = self._slots[permit.slot]
        if slot.used_by is not None or slot.generation != permit.generation:
            return f"slot {permit.slot} is used, or its credit was withdrawn"
        slot.used_by = execution_id
        return ""

    def adopt(self, number: int, execution_id: str, *, is_stuck: bool = False) -> None:
        """Mark a slot as used by an execution of an earlier daemon; made where the setting counts fewer now."""
        while len(self._slots) <= number:
            self._slots.append(Slot(number=len(self._slots)))
        slot = self._slots[number]
        if slot.used_by is None or not slot.is_stuck:
            slot.used_by, slot.is_stuck = execution_id, is_stuck

    def release(self, number: int | None, execution_id: str, *, tree_empty: bool) -> None:
        """The execution needs its slot no longer.

        Without a number (the void of an order that was never seen here) the credit that the hub used up may be any that
        is not in use: all of them are renewed (`core.md` D2).
        """
        if number is None:
            for slot in self._slots:
                if slot.used_by is None:
                    slot.generation += 1
            return
        slot = self._slots[number]
        if slot.used_by != execution_id:
            return
        slot.is_ready = False
        slot.is_stuck = not tree_empty
        if tree_empty:
            slot.used_by = None
            slot.generation += 1

    def cleared(self, number: int) -> None:
        """The survivors of a stuck slot are gone."""
        slot = self._slots[number]
        if slot.is_stuck:
            slot.is_stuck = False
            slot.used_by = None
            slot.generation += 1

    def set_ready(self, number: int, *, is_ready: bool) -> None:
        """Whether an idle shim and an empty work folder wait for the slot's next order."""
        self._slots[number].is_ready = is_ready

    def free(self) -> list[Slot]:
        """Slots that give a credit now."""
        return [] if self.closed_because else [slot for slot in self._slots if slot.is_free]

    def busy(self) -> list[Slot]:
        """Slots that give none."""
        free = {slot.number for slot in self.free()}
        return [slot for slot in self._slots if slot.number not in free]

    def wanting(self) -> list[int]:
        """Slots that are empty and not ready: somebody makes an idle shim and a work folder for them."""
        return [slot.number for slot in self._slots if slot.used_by is None and not slot.is_ready]

    def is_taken(self, number: int) -> bool:
        """Whether an execution has this slot."""
        return number < len(self._slots) and self._slots[number].used_by is not None

    def stuck(self) -> list[Slot]:
        """Slots whose last tree has survivors."""
        return [slot for slot in self._slots if slot.is_stuck]

    @property
    def running(self) -> int:
        """How many are in use."""
        return sum(slot.used_by is not None for slot in self._slots)
