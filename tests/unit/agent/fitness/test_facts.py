"""The hub's time, programs on a machine, windows in front."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from agent.desktops.x11_windows import XWindow, in_front, is_one_colour
from agent.fitness.clock import HubClock
from agent.fitness.programs import barred_of, browsers, found_of

NOW = datetime(2030, 1, 1, 12, tzinfo=UTC)
S = 1_000_000_000


def test_the_hubs_time_goes_on_between_its_answers() -> None:
    """A jump of our wall clock shows against it without another answer; the error is half the way there and back."""
    clock = HubClock()
    assert clock.offset_s(NOW, 5 * S) == (None, 0.0)
    clock.heard(NOW, 10 * S, 12 * S)
    offset, error = clock.offset_s(NOW + timedelta(seconds=29), 40 * S)
    assert offset == pytest.approx(0.0)
    assert 1.0 <= error < 1.1
    offset, _ = clock.offset_s(NOW + timedelta(seconds=29, days=1), 40 * S)
    assert offset == pytest.approx(86400)


def test_an_answer_that_came_late_tells_nothing() -> None:
    clock = HubClock()
    clock.heard(NOW, 10 * S, 100 * S)
    clock.heard(NOW, 10 * S, 9 * S)
    assert clock.offset_s(NOW, 100 * S) == (None, 0.0)


def test_applications_are_found_by_path_and_by_name(tmp_path: Path) -> None:
    """What is no program, or is not there, is not found; a browser is, by itself, or only where it was named."""
    for name in ("sap", "chromium", "notes.txt"):
        (tmp_path / name).touch()
        (tmp_path / name).chmod(0o644 if name == "notes.txt" else 0o755)
    named = {"sap": str(tmp_path / "sap"), "tool": "sap", "text": str(tmp_path / "notes.txt"), "gone": "/no/such"}
    environment = {"PATH": str(tmp_path)}
    assert found_of(named, environment) == {"sap", "tool", "browser"}
    assert barred_of(named) == {"text"}, "it is there, and not to be run"
    assert found_of({"browser": "/no/such"}, environment) == frozenset()
    (tmp_path / "chromium").unlink()
    assert found_of({}, environment) == frozenset()


def test_browsers_stand_where_each_system_puts_them() -> None:
    windows = list(browsers({"ProgramFiles": r"C:\Program Files"}, "win32"))
    assert r"C:\Program Files\Google\Chrome\Application\chrome.exe" in windows
    assert "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome" in list(browsers({}, "darwin"))
    assert next(browsers({}, "linux")) == "chromium"


def window(name: str = "w", kind: str = "", *, is_managed: bool = True, covers_all: bool = False) -> XWindow:
    """One on a desktop."""
    kinds = frozenset({kind} if kind else ())
    return XWindow(name=name, is_managed=is_managed, kinds=kinds, covers_all=covers_all)


@pytest.mark.parametrize(
    ("windows", "is_virtual", "has_manager", "expected"),
    [
        ([], True, True, ""),
        ([window("editor")], False, True, ""),
        ([window("editor")], True, True, "editor"),
        ([window("editor", is_managed=False)], False, False, "editor"),
        ([window("editor"), window("Update", "DIALOG")], False, True, "Update"),
        ([window("menu", is_managed=False)], False, True, "menu"),
        ([window("", "DIALOG")], False, True, "a window without a name"),
        ([window("panel", "DOCK"), window("icons", "DESKTOP", covers_all=True)], True, True, ""),
        ([window("overlay", is_managed=False, covers_all=True)], False, True, ""),
    ],
)
def test_what_is_in_front(windows: list[XWindow], is_virtual: bool, has_manager: bool, expected: str) -> None:
    """On a person's desktop dialogs only, on one that we made any window; never panels and the background."""
    assert expected == in_front(windows, is_virtual=is_virtual, has_manager=has_manager)


def test_one_colour_is_told_from_two() -> None:
    """The last byte of a pixel is nobody's."""
    assert is_one_colour([b"\x01\x02\x03\x00" * 4, b"\x01\x02\x03\xff" * 4])
    assert not is_one_colour([b"\x01\x02\x03\x00" * 4, b"\x01\x02\x03\x00" * 3 + b"\x01\x02\x04\x00"])
    assert not is_one_colour([])
