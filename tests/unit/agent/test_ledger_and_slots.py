"""What an order meets here: slots and their generations, fences, tombstones (`core.md` D2, D5, D6, D8)."""

import pytest

from agent.ledger import Admission, Ledger
from agent.slots import Slots
from agent.spool import Tombstone
from agent.wire.words import VoidReason
from tests.support.session import exe, start, tsk


def ready_slots(count: int = 1) -> Slots:
    """Slots that all have their idle shim."""
    slots = Slots(count)
    for number in range(count):
        slots.set_ready(number, is_ready=True)
    return slots


def generations(slots: Slots) -> dict[int, int]:
    """Free slots and their generations."""
    return {slot.number: slot.generation for slot in slots.free()}


# --- slots -----------------------------------------------------------------------------------------------------------


def test_a_slot_without_an_idle_shim_gives_no_credit() -> None:
    """D2: no zygote or no idle shim: no credit."""
    slots = Slots(2)
    assert (generations(slots), slots.wanting()) == ({}, [0, 1])
    slots.set_ready(1, is_ready=True)
    assert (generations(slots), slots.wanting()) == ({1: 1}, [0])


def test_a_credit_is_used_up_by_its_order() -> None:
    """D2: one credit, one start; the generation rises with each use."""
    slots = ready_slots()
    assert slots.take(start().permit, exe(1)) == ""
    assert (generations(slots), slots.running) == ({}, 1)
    assert "used" in slots.take(start().permit, exe(2))
    slots.release(0, exe(1), tree_empty=True)
    assert slots.wanting() == [0]
    slots.set_ready(0, is_ready=True)
    assert generations(slots) == {0: 2}
    assert "withdrawn" in slots.take(start(generation=1).permit, exe(3))
    assert slots.take(start(generation=2).permit, exe(3)) == ""


def test_survivors_keep_their_slot_until_they_are_gone() -> None:
    """§2: a slot gives a credit when its last tree is empty."""
    slots = ready_slots()
    slots.take(start().permit, exe(1))
    slots.release(0, exe(1), tree_empty=False)
    assert (slots.wanting(), [slot.number for slot in slots.stuck()]) == ([], [0])
    slots.cleared(0)
    assert slots.wanting() == [0]
    slots.cleared(0)
    assert slots.running == 0


def test_the_void_of_an_unknown_order_renews_every_unused_credit() -> None:
    """D2: a void of a permit, even of an unknown order, raises the generation and is the free event."""
    slots = ready_slots(3)
    slots.take(start(slot=1).permit, exe(1))
    slots.release(None, exe(9), tree_empty=True)
    assert generations(slots) == {0: 2, 2: 2}


def test_a_release_by_another_execution_changes_nothing() -> None:
    """A late event of one that was refused must not free the slot of another."""
    slots = ready_slots()
    slots.take(start().permit, exe(1))
    slots.release(0, exe(2), tree_empty=True)
    assert slots.running == 1


def test_closed_slots_take_nothing_and_give_no_credit() -> None:
    """Draining, stopping, unfit."""
    slots = ready_slots()
    slots.closed_because = "draining"
    assert (generations(slots), [slot.number for slot in slots.busy()]) == ({}, [0])
    assert slots.take(start().permit, exe(1)) == "draining"
    assert "no slot 7" in ready_slots().take(start(slot=7).permit, exe(1))


def test_an_adopted_execution_holds_its_slot_even_beyond_the_setting() -> None:
    """D5: resume and credits are built from the table joined with the folders."""
    slots = Slots(1)
    slots.adopt(2, exe(1))
    assert (slots.count, slots.wanting(), slots.running) == (3, [0, 1], 1)
    slots.adopt(0, exe(2), is_stuck=True)
    slots.adopt(0, exe(3))
    assert [slot.used_by for slot in slots.stuck()] == [exe(2)]


# --- ledger ----------------------------------------------------------------------------------------------------------


def test_an_order_is_entered_with_its_slot() -> None:
    """D5: it is in the table when `admit` returns."""
    ledger, slots = Ledger(), ready_slots()
    assert ledger.admit(start(1, fence=4), slots).admission is Admission.ENTERED
    entered = ledger[exe(1)]
    assert (entered.task_id, entered.fence, entered.slot) == (tsk(1), 4, 0)
    assert exe(1) in ledger
    assert ledger.all() == [entered]


def test_a_second_start_is_known() -> None:
    """D5: a second Start of an execution gets the first answer."""
    ledger, slots = Ledger(), ready_slots(2)
    ledger.admit(start(1), slots)
    assert ledger.admit(start(1, slot=1), slots).admission is Admission.KNOWN
    assert slots.running == 1


@pytest.mark.parametrize("newest_is", ["held", "buried", "buried before this daemon"])
def test_a_lower_fence_of_the_same_task_is_refused(newest_is: str) -> None:
    """D5, D8: also when the newer one was forgotten: tombstones stay."""
    # given
    stone = Tombstone(execution_id=exe(1), task_id=tsk(1), fence=5, outcome="final")
    ledger, slots = Ledger([stone] if newest_is == "buried before this daemon" else []), ready_slots(2)
    if newest_is != "buried before this daemon":
        ledger.admit(start(1, fence=5), slots)
    if newest_is == "buried":
        assert ledger.bury(exe(1), "final") == stone

    # when
    admitted = ledger.admit(start(2, fence=4, slot=1), slots)

    # then
    assert (admitted.admission, admitted.reason) == (Admission.REFUSED, VoidReason.OLD_FENCE)
    assert ledger[exe(2)].slot is None
    assert ledger.admit(start(3, fence=1, slot=1, task=2), slots).admission is Admission.ENTERED


def test_what_was_forgotten_never_starts_again() -> None:
    """D8: tombstones (execution, fence, outcome)."""
    ledger, slots = Ledger(), ready_slots()
    ledger.admit(start(1), slots)
    ledger.bury(exe(1), "final")
    assert ledger.admit(start(1), slots).admission is Admission.BURIED
    assert not ledger.enter_unknown(exe(1), tsk(1), 1)
    assert exe(1) not in ledger


def test_an_order_without_a_credit_is_entered_to_be_voided() -> None:
    """D2, D7."""
    ledger = Ledger()
    admitted = ledger.admit(start(1), Slots(0))
    assert (admitted.admission, admitted.reason) == (Admission.REFUSED, VoidReason.NO_SLOT)
    assert exe(1) in ledger


def test_an_unknown_execution_is_entered_once() -> None:
    """D6: cancel of an unknown execution makes a durable void."""
    ledger = Ledger()
    assert ledger.enter_unknown(exe(1), tsk(1), 2)
    assert not ledger.enter_unknown(exe(1), tsk(1), 2)
    assert ledger.admit(start(1, fence=2), ready_slots()).admission is Admission.KNOWN
