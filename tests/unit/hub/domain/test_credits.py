"""The credit book: fresh, once, only while its session lives (core.md D2, D4, D7)."""

import pytest

from agent.wire.messages import Stamp
from agent.wire.words import VoidReason
from hub.domain.credits import FRESH_S, STALE_IN_A_ROW, STALE_PAUSE_S, Credit, CreditBook, Mend
from tests.support.clock import FakeClock

W, R, B = "wsp_1", "rnr_1", "bld_1"
LABELS = {"os": "linux"}
STAMP = Stamp(boot_ns=1, wall_ns=1)
LATER = Stamp(boot_ns=2, wall_ns=2)


@pytest.fixture
def book(clock: FakeClock) -> CreditBook:
    """A book with one open session of `R`, epoch 3, on which `B` is prepared; no slot is free yet."""
    made = CreditBook(clock.monotonic)
    made.open_session(W, R, 3, LABELS)
    made.resumed(R, 3, {B})
    return made


def offer(book: CreditBook, *, generation: int = 1, slot: int = 0, runner: str = R, epoch: int = 3) -> bool:
    return book.slot_free(runner, epoch, slot, generation, STAMP)


def take(book: CreditBook) -> Credit | None:
    return book.take(W, {}, B)


def test_a_credit_is_given_once(book: CreditBook) -> None:
    assert offer(book)
    credit = take(book)
    assert credit is not None
    assert (3, 0, 1, STAMP, frozenset({B})) == (
        credit.epoch,
        credit.slot,
        credit.generation,
        credit.stamp,
        credit.builds,
    )
    assert take(book) is None


def test_a_credit_comes_back_when_the_grant_did_not_happen(book: CreditBook) -> None:
    offer(book)
    credit = take(book)
    assert credit is not None
    book.put_back(credit)
    assert credit == take(book)


def test_a_repeated_offer_of_a_slot_whose_order_is_under_way_is_nothing_new(book: CreditBook) -> None:
    """D2: only a void (or an end) raises the generation and frees the slot."""
    offer(book)
    take(book)
    assert not offer(book, generation=1)
    assert take(book) is None
    assert offer(book, generation=2)
    assert not offer(book, generation=1), "an older one says nothing"
    credit = take(book)
    assert credit is not None
    assert 2 == credit.generation


def test_a_credit_of_an_older_generation_does_not_come_back(book: CreditBook) -> None:
    offer(book)
    old = take(book)
    assert old is not None
    offer(book, generation=2)
    book.slot_busy(R, 3, 0, 2)
    book.put_back(old)
    assert take(book) is None


def test_nothing_is_given_before_the_inventory_is_answered(clock: FakeClock) -> None:
    book = CreditBook(clock.monotonic)
    book.open_session(W, R, 1, LABELS)
    offer(book, epoch=1)
    assert not book.is_resumed(R, 1)
    assert take(book) is None
    book.resumed(R, 1, {B})
    assert book.is_resumed(R, 1)
    assert take(book) is not None


def test_a_credit_dies_with_its_session(book: CreditBook) -> None:
    offer(book)
    credit = take(book)
    assert credit is not None
    book.drop_session(R, 2)
    book.drop_session(R, 3)
    book.put_back(credit)
    assert take(book) is None
    book.open_session(W, R, 4, LABELS)
    book.resumed(R, 4, {B})
    book.put_back(credit)
    assert take(book) is None
    assert not offer(book, epoch=3), "a frame of another epoch is dropped (D5)"


def test_an_old_stamp_is_not_given_and_a_heartbeat_renews_it(book: CreditBook, clock: FakeClock) -> None:
    """D2, D3: a renewal is one stamp for every free slot; the shim refuses what is older than 30 s."""
    offer(book)
    clock.advance(FRESH_S + 1)
    assert take(book) is None
    book.renew(R, 3, LATER)
    credit = take(book)
    assert credit is not None
    assert LATER == credit.stamp


def test_a_busy_slot_is_withdrawn(book: CreditBook) -> None:
    offer(book)
    book.slot_busy(R, 3, 0, 1)
    assert take(book) is None
    assert offer(book, generation=1), "free again, and no order was under way"
    assert take(book) is not None


@pytest.mark.parametrize("needs", [{"os": "windows"}, {"sap": ""}])
def test_a_credit_counts_where_the_labels_fit(book: CreditBook, needs: dict[str, str]) -> None:
    offer(book)
    assert book.take(W, needs, B) is None
    assert book.take(W, {"os": "linux"}, B) is not None


def test_a_credit_counts_in_its_workspace_and_for_prepared_builds_only(book: CreditBook) -> None:
    offer(book)
    assert book.take("wsp_2", {}, B) is None
    assert book.take_any("wsp_2") is None
    assert book.take(W, {}, "bld_2") is None
    book.prepared(R, 3, "bld_2")
    assert book.take(W, {}, "bld_2") is not None
    offer(book, generation=2)
    book.unprepared(R, 3, B)
    assert take(book) is None


def test_the_runner_with_most_free_slots_is_taken_first(book: CreditBook) -> None:
    book.open_session(W, "rnr_2", 9, LABELS)
    book.resumed("rnr_2", 9, {B})
    offer(book)
    for slot in range(2):
        offer(book, slot=slot, runner="rnr_2", epoch=9)
    credit = take(book)
    assert credit is not None
    assert "rnr_2" == credit.runner_id


def test_any_credit_but_those_passed_over(book: CreditBook) -> None:
    for slot in range(2):
        offer(book, slot=slot)
    first = book.take_any(W, passed_over={(R, 0)})
    assert first is not None
    assert 1 == first.slot
    assert book.take_any(W, passed_over={(R, 0)}) is None


def test_a_runner_in_a_maintenance_window_gives_none(book: CreditBook) -> None:
    """Its credits are kept, and count again when the loop says that no window is open; a drain is another thing."""
    offer(book)
    book.in_window(R)
    assert (None, 0) == (take(book), book.offers(W)[R].free)
    assert set() == book.keep_windows({R, "rnr_unknown"})
    book.drain(R, on=True)
    assert {W} == book.keep_windows(())
    assert take(book) is None
    book.drain(R, on=False)
    assert take(book) is not None
    assert set() == book.keep_windows(())


@pytest.mark.parametrize("held_back", ["draining", "unfit"])
def test_a_draining_or_unfit_runner_gives_none(book: CreditBook, held_back: str) -> None:
    offer(book)
    if held_back == "draining":
        book.drain(R, on=True)
    else:
        book.renew(R, 3, LATER, ready=False)
    assert take(book) is None
    if held_back == "draining":
        book.drain(R, on=False)
    else:
        assert book.renew(R, 3, LATER, ready=True), "somebody should look again"
    assert take(book) is not None


def test_a_runner_that_drains_is_still_draining_after_its_resume(clock: FakeClock) -> None:
    book = CreditBook(clock.monotonic)
    book.open_session(W, R, 1, LABELS)
    book.resumed(R, 1, {B}, draining=True)
    offer(book, epoch=1)
    assert take(book) is None
    assert book.offers(W)[R].is_draining


# --- D7 ---


def test_a_build_that_is_gone_there_is_withheld_until_prepared_again(book: CreditBook) -> None:
    offer(book)
    book.voided(R, 3, B, VoidReason.BUILD_GONE)
    book.renew(R, 3, LATER)
    assert take(book) is None
    book.prepared(R, 3, B)
    assert take(book) is not None


@pytest.mark.parametrize("reason", [VoidReason.STALE, VoidReason.NO_SLOT, VoidReason.SHIM_GONE, VoidReason.UNFIT])
def test_an_order_that_came_back_waits_for_the_next_stamp(book: CreditBook, reason: VoidReason) -> None:
    offer(book)
    assert not book.voided(R, 3, B, reason)
    assert take(book) is None
    assert book.renew(R, 3, LATER)
    assert take(book) is not None


@pytest.mark.parametrize("reason", [VoidReason.CANCELED, VoidReason.DAEMON_RESTARTED, VoidReason.OLD_FENCE])
def test_other_voids_withhold_nothing(book: CreditBook, reason: VoidReason) -> None:
    offer(book)
    assert not book.voided(R, 3, B, reason)
    assert take(book) is not None


def test_three_stale_orders_in_a_row_pause_the_runner_for_a_minute(book: CreditBook, clock: FakeClock) -> None:
    """D7: in a row, with a stamp between them that said all was well again."""
    offer(book)
    told = []
    for _ in range(STALE_IN_A_ROW):
        told.append(book.voided(R, 3, B, VoidReason.STALE))
        book.renew(R, 3, LATER)
    assert [False, False, True] == told
    book.renew(R, 3, LATER)
    assert take(book) is None
    assert book.offers(W)[R].is_paused
    clock.advance(STALE_PAUSE_S)
    assert book.renew(R, 3, LATER)
    assert take(book) is not None


def test_one_stall_that_makes_all_its_orders_late_counts_once(book: CreditBook) -> None:
    """D7: a machine that stood still for a while is no machine whose clock a person must look at."""
    offer(book)
    assert not any(book.voided(R, 3, B, VoidReason.STALE) for _ in range(2 * STALE_IN_A_ROW))
    assert book.renew(R, 3, LATER)
    assert take(book) is not None


def test_an_order_that_ran_breaks_the_row(book: CreditBook) -> None:
    for _ in range(STALE_IN_A_ROW):
        assert not book.voided(R, 3, B, VoidReason.STALE)
        book.renew(R, 3, LATER)
        book.started(R, 3)


def test_a_credit_can_be_withheld_for_one_build_only(book: CreditBook) -> None:
    offer(book)
    book.prepared(R, 3, "bld_2")
    book.withhold(R, B, Mend.STAMP)
    assert take(book) is None
    credit = book.take(W, {}, "bld_2")
    assert credit is not None
    assert frozenset({"bld_2"}) == credit.builds


def test_what_an_ended_session_says_changes_nothing(book: CreditBook) -> None:
    book.drop_session(R, 3)
    book.slot_busy(R, 3, 0, 1)
    book.prepared(R, 3, B)
    book.unprepared(R, 3, B)
    book.started(R, 3)
    book.resumed(R, 3, {B})
    book.drain(R, on=True)
    book.withhold(R, B, Mend.STAMP)
    assert not book.renew(R, 3, STAMP)
    assert not book.voided(R, 3, B, VoidReason.STALE)
    assert {} == book.offers(W)
