"""What a condition means: which slots can be used, what a runner has in spite of a fault, and how that is told."""

from datetime import timedelta
from typing import Any

import pytest

from agent.wire.condition import Condition, ConditionFault, DesktopKind, DesktopState, FaultCode
from agent.wire.words import DesktopNeed
from hub.domain import condition as conditions
from hub.domain.automation import Definition, faults_of, label_faults
from hub.domain.desktop_wish import DesktopWish
from tests.support.clock import START

ANY = DesktopWish()
HEADLESS = DesktopWish(desktop=DesktopNeed.NONE)
REQUIRED = DesktopWish(desktop=DesktopNeed.REQUIRED)
FULL_HD = DesktopWish(desktop=DesktopNeed.REQUIRED, size="1920x1080")
EXCEL = DesktopWish(applications=("excel",))
BROWSER = DesktopWish(applications=("browser",))


def fault(code: str, application: str | None = None, **rest: Any) -> ConditionFault:
    said = {"message": f"it is {code}", "remedy": "mend it.", "since": START, **rest}
    return ConditionFault(code=FaultCode(code), application=application, **said)


def desktop(slot: int = 0, *wrong: str, size: tuple[int | None, int | None] = (1920, 1080)) -> DesktopState:
    faults = tuple(fault(one) for one in wrong)
    width, height = size
    return DesktopState(slot=slot, kind=DesktopKind.X11, name=f":{slot}", width=width, height=height, faults=faults)


def told(*desktops: DesktopState, has: str = "", wrong: tuple[ConditionFault, ...] = ()) -> Condition:
    return Condition(desktops=desktops, applications=tuple(has.split()), faults=wrong)


@pytest.mark.parametrize(
    ("condition", "wish", "usable", "could"),
    [
        (None, ANY, (0, 1), True),
        (None, REQUIRED, (), False),
        (None, EXCEL, (), False),
        (told(), HEADLESS, (0, 1), True),
        (told(), REQUIRED, (), False),
        (told(desktop()), ANY, (0, 1), True),
        (told(desktop()), HEADLESS, (0, 1), True),
        (told(desktop()), REQUIRED, (0,), True),
        (told(desktop(), desktop(1)), REQUIRED, (0, 1), True),
        (told(desktop(), desktop(1, size=(1280, 720))), FULL_HD, (0,), True),
        (told(desktop(size=(1280, 720))), FULL_HD, (), False),
        (told(desktop(size=(None, None))), FULL_HD, (), False),
        (told(desktop(0, "locked", size=(None, None))), FULL_HD, (), True),
        (told(desktop(0, "locked")), REQUIRED, (), True),
        (told(desktop(0, "locked")), ANY, (0, 1), True),
        (told(desktop(0, "locked"), desktop(1)), REQUIRED, (1,), True),
        (told(desktop(0, "popup", size=(1280, 720))), FULL_HD, (), False),
        (told(desktop(0, "wrong_size", size=(1280, 720))), FULL_HD, (), True),
        (told(desktop(0, "gone", size=(1280, 720))), FULL_HD, (), True),
        (told(has="excel browser"), EXCEL, (0, 1), True),
        (told(has="browser"), EXCEL, (), False),
        (told(wrong=(fault("application_missing", "excel"),)), EXCEL, (), True),
        (told(wrong=(fault("application_missing", "excel"),)), ANY, (0, 1), True),
        (told(wrong=(fault("no_browser"),)), BROWSER, (), True),
        (told(wrong=(fault("low_disk"),)), ANY, (), True),
        (told(wrong=(fault("low_memory"),)), HEADLESS, (), True),
        (told(desktop(), wrong=(fault("clock_off"),)), REQUIRED, (), True),
    ],
)
def test_which_slots_can_be_used_and_what_a_runner_has(
    condition: Condition | None, wish: DesktopWish, usable: tuple[int, ...], could: bool
) -> None:
    needs = {"os": "linux", **conditions.needs_of(wish)}
    assert usable == conditions.usable_slots({"os": "linux"}, condition, range(2), needs)
    assert could == conditions.could_fit({"os": "linux"}, condition, needs)
    assert () == conditions.usable_slots({}, condition, range(2), needs)
    assert not conditions.could_fit({}, condition, needs)
    assert could == conditions.could_fit_as_stored(
        {"os": "linux"}, condition.model_dump(mode="json") if condition else None, needs
    )
    if could and condition is not None:
        assert bool(usable) != bool(conditions.hindering(condition, needs)), (
            "what is not usable has a fault that says why"
        )


@pytest.mark.parametrize("code", list(FaultCode))
def test_every_fault_hinders_the_work_that_it_is_about(code: FaultCode) -> None:
    """12 faults: of the machine, of its desktop, of an application; each named, none lets the work through."""
    if code in conditions.CLOSING:
        condition, wish = told(desktop(), wrong=(fault(code),)), ANY
    elif code in {FaultCode.APPLICATION_MISSING, FaultCode.NO_BROWSER}:
        name = "browser" if code is FaultCode.NO_BROWSER else "excel"
        condition, wish = told(desktop(), wrong=(fault(code, name),)), DesktopWish(applications=(name,))
    else:
        condition, wish = told(desktop(0, code)), REQUIRED
    needs = conditions.needs_of(wish)
    assert () == conditions.usable_slots({}, condition, range(1), needs)
    assert [code] == [one.code for _, one in conditions.hindering(condition, needs)]
    assert conditions.could_fit({}, condition, needs)


def test_the_desktop_with_fewest_faults_is_named() -> None:
    condition = told(desktop(0, "locked", "popup"), desktop(1, "popup"))
    ((nearest, wrong),) = conditions.hindering(condition, conditions.needs_of(REQUIRED))
    assert nearest is not None
    assert (1, FaultCode.POPUP) == (nearest.slot, wrong.code)


@pytest.mark.parametrize(
    ("where", "wrong", "said"),
    [
        (desktop(), fault("locked"), "its desktop :0 is locked since 12:00 UTC"),
        (desktop(), fault("disconnected"), "its desktop :0 is disconnected since 12:00 UTC"),
        (
            desktop(),
            fault("popup", message="a window is in front"),
            "on its desktop :0: a window is in front since 12:00 UTC",
        ),
        (desktop(), fault("blank", message=":0 is one colour."), ":0 is one colour since 12:00 UTC"),
        (desktop(), fault("gone", message="it is not reached"), "its desktop :0 is not reached since 12:00 UTC"),
        (None, fault("low_disk", message="3 MB are free"), "3 MB are free since 12:00 UTC"),
        (None, fault("clock_off", message=""), "clock_off since 12:00 UTC"),
        (None, fault("low_disk", since=START - timedelta(days=2)), "it is low_disk since 2029-12-30 12:00 UTC"),
    ],
)
def test_a_fault_is_a_sentence(where: DesktopState | None, wrong: ConditionFault, said: str) -> None:
    assert said == conditions.sentence(where, wrong, START)


def test_what_is_kept_is_of_slots_that_exist_and_not_of_the_future() -> None:
    later = START + timedelta(days=1)
    late = fault("low_disk", since=later)
    said = told(desktop(1), desktop(0, "locked"), desktop(0), desktop(7), wrong=(late,))
    kept = conditions.settled(said, 2, START)
    assert [(0, 1), (1, 0)] == [(one.slot, len(one.faults)) for one in kept.desktops]
    assert START == kept.faults[0].since
    assert conditions.is_same(kept, conditions.settled(said, 2, later)), "since when is no news of a clock that is off"
    assert not conditions.is_same(kept, conditions.settled(told(desktop(1)), 2, START))
    assert not conditions.is_same(None, told())


@pytest.mark.parametrize(
    ("wish", "fields"),
    [
        (ANY, []),
        (FULL_HD, []),
        (DesktopWish(size="1920x1080"), ["desktop_size"]),
        (DesktopWish(desktop=DesktopNeed.REQUIRED, size="big"), ["desktop_size"]),
        (DesktopWish(desktop=DesktopNeed.REQUIRED, size="20000x1"), ["desktop_size"]),
        (DesktopWish(desktop=DesktopNeed.NONE, size="0x0", record=True), ["desktop_size", "desktop_size", "record"]),
        (DesktopWish(applications=("Excel", "sap", "sap")), ["applications.0", "applications.2"]),
        (DesktopWish(applications=tuple(f"a{n}" for n in range(65))), ["applications"]),
    ],
)
def test_every_fault_of_a_wish_is_told_at_once(wish: DesktopWish, fields: list[str]) -> None:
    found = faults_of(Definition(label="a", bot="a", on_screen=wish))
    assert fields == [one.field for one in found]
    assert all(one.message and one.remedy for one in found)
    assert DesktopWish.read(wish.stored()) == wish


@pytest.mark.parametrize("name", ["botyard.desktop", "Botyard.anything", "botyard."])
def test_nobody_writes_reserved_names(name: str) -> None:
    (found,) = label_faults("needs", {name: "x", "botyard-desk": "fine"})
    assert f"needs.{name}" == found.field
    assert "hub's own" in found.message
