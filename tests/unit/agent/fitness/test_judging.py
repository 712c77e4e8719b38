"""What is wrong with what was found, and since when."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from agent.desktops.facts import DesktopFacts
from agent.fitness.facts import Fault, MachineFacts, Wanted
from agent.fitness.judge import faults_of_desktop, faults_of_machine, misfit
from agent.fitness.standing import Standing, settle
from agent.wire.condition import FaultCode

NOW = datetime(2030, 1, 1, 12, tzinfo=UTC)
WANTED = Wanted(
    size=(1280, 720), dpi=96, memory_bytes=256 << 20, clock_s=60, applications={"sap": "/opt/sap", "browser": "/b"}
)
FINE = DesktopFacts(kind="x11", name=":0", width=1280, height=720, dpi=96, is_locked=False, is_disconnected=False)
WELL = MachineFacts(memory_bytes=1 << 30, clock_offset_s=3.0, clock_error_s=0.1, found=frozenset({"sap", "browser"}))


@pytest.mark.parametrize(
    ("facts", "codes", "said"),
    [
        (FINE, [], ""),
        (replace(FINE, is_locked=None, is_disconnected=None, width=None, height=None, dpi=None), [], ""),
        (replace(FINE, is_locked=True), [FaultCode.LOCKED], "locked"),
        (replace(FINE, is_disconnected=True), [FaultCode.DISCONNECTED], "no screen"),
        (replace(FINE, problem="no answer"), [FaultCode.GONE], "not reached: no answer"),
        (DesktopFacts(kind="none", problem="no DISPLAY"), [FaultCode.GONE], "no DISPLAY"),
        (replace(FINE, width=800, height=600), [FaultCode.WRONG_SIZE], "it is 800x600, and the setting"),
        (replace(FINE, dpi=144), [FaultCode.WRONG_DPI], "144 DPI"),
        (replace(FINE, in_front="Update"), [FaultCode.POPUP], "Update"),
        (replace(FINE, is_blank=True), [FaultCode.BLANK], "one colour"),
        (replace(FINE, is_locked=True, in_front="i3lock", is_blank=True), [FaultCode.LOCKED], "locked"),
    ],
)
def test_each_fault_of_a_desktop_is_named(facts: DesktopFacts, codes: Sequence[FaultCode], said: str) -> None:
    faults = faults_of_desktop(facts, WANTED)
    assert codes == [fault.code for fault in faults]
    assert all(said in fault.message for fault in faults)
    assert all(fault.remedy for fault in faults if fault.code is not FaultCode.GONE)


def test_what_a_bot_does_with_its_desktop_is_no_fault() -> None:
    """Its windows are in front, and it may show one colour; a lock is a fault all the same."""
    busy = replace(FINE, in_front="SAP Logon", is_blank=True)
    assert [] == faults_of_desktop(busy, WANTED, is_used=True)
    assert [FaultCode.LOCKED] == [
        fault.code for fault in faults_of_desktop(replace(busy, is_locked=True), WANTED, is_used=True)
    ]


def test_what_nobody_asked_for_is_no_fault() -> None:
    assert [] == faults_of_desktop(replace(FINE, width=1, height=1, dpi=300), Wanted())
    assert [] == faults_of_machine(MachineFacts(found=frozenset({"browser"})), Wanted())


@pytest.mark.parametrize(
    ("facts", "code", "said"),
    [
        (replace(WELL, disk_short="the disk is full"), FaultCode.LOW_DISK, "full"),
        (replace(WELL, memory_bytes=100 << 20), FaultCode.LOW_MEMORY, "100 MiB of memory left, less than 256"),
        (replace(WELL, clock_offset_s=86400.0), FaultCode.CLOCK_OFF, "1.0 days ahead of the hub's: one of the two"),
        (replace(WELL, clock_offset_s=-61.0, clock_error_s=0.5), FaultCode.CLOCK_OFF, "61 s behind"),
        (replace(WELL, found=frozenset({"browser"})), FaultCode.APPLICATION_MISSING, "sap is not at /opt/sap"),
        (
            replace(WELL, found=frozenset({"browser"}), barred=frozenset({"sap"})),
            FaultCode.APPLICATION_MISSING,
            "sap at /opt/sap can't be run (it has no x right)",
        ),
        (replace(WELL, found=frozenset({"sap"})), FaultCode.NO_BROWSER, "no browser is at /b"),
    ],
)
def test_each_fault_of_a_machine_is_named(facts: MachineFacts, code: FaultCode, said: str) -> None:
    (fault,) = faults_of_machine(facts, WANTED)
    assert (fault.code, said in fault.message, bool(fault.remedy)) == (code, True, True)


def test_a_clock_that_may_be_right_is_no_fault() -> None:
    """An answer that took long tells no more than that."""
    assert [] == faults_of_machine(replace(WELL, clock_offset_s=61.0, clock_error_s=2.0), WANTED)
    assert [] == faults_of_machine(WELL, WANTED)
    (fault,) = faults_of_machine(replace(WELL, found=frozenset()), Wanted())
    assert "chromium" in fault.message


def test_a_size_that_an_order_asks_for() -> None:
    assert misfit(FINE, "") == misfit(FINE, "1280x720") == ""
    assert misfit(FINE, "1920x1080") == "it is 1280x720, and the bot needs 1920x1080"
    assert "not known (Wayland)" in misfit(replace(FINE, width=None, no_size="Wayland"), "1920x1080")


def fault(code: FaultCode, message: str = "it is") -> Fault:
    """One that was found."""
    return Fault(code=code, message=message)


def after(seconds: float) -> datetime:
    """A later look."""
    return NOW + timedelta(seconds=seconds)


def test_a_fault_keeps_its_time_while_it_stays_and_mends_at_once() -> None:
    first = settle([fault(FaultCode.WRONG_SIZE, "800x600")], Standing(), NOW)
    later = settle([fault(FaultCode.WRONG_SIZE, "640x480")], first, after(2))
    assert [(one.since, one.message) for one in later.faults] == [(NOW, "640x480")]
    assert settle([], later, after(4)) == Standing()
    again = settle([fault(FaultCode.WRONG_SIZE)], settle([], later, after(4)), after(6))
    assert [one.since for one in again.faults] == [after(6)]


def test_figures_of_the_moment_tell_nothing_anew() -> None:
    """Bytes left change with every look: the hub is not told each of them."""
    first = settle([fault(FaultCode.LOW_DISK, "3 MiB left")], Standing(), NOW)
    assert settle([fault(FaultCode.LOW_DISK, "2 MiB left")], first, after(2)) == first


@pytest.mark.parametrize("code", [FaultCode.POPUP, FaultCode.BLANK, FaultCode.LOW_MEMORY])
def test_what_flaps_must_be_seen_twice_in_a_row(code: FaultCode) -> None:
    """Once and gone is nothing; twice is a fault since the first sight."""
    once = settle([fault(code)], Standing(), NOW)
    assert (once.faults, list(once.once.values())) == ((), [NOW])
    assert settle([], once, after(2)) == Standing()
    assert settle([fault(code)], settle([], once, after(2)), after(4)).faults == ()
    twice = settle([fault(code)], once, after(2))
    assert ([one.since for one in twice.faults], dict(twice.once)) == ([NOW], {})


def test_two_applications_are_two_faults() -> None:
    missing = [
        Fault(code=FaultCode.APPLICATION_MISSING, message="not there", application=name) for name in ("sap", "excel")
    ]
    first = settle(missing[:1], Standing(), NOW)
    both = settle(missing, first, after(2))
    assert [(one.application, one.since) for one in both.faults] == [("sap", NOW), ("excel", after(2))]
