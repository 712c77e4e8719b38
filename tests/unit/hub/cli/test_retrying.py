"""What follows a failure, as people write and read it."""

from typing import Any

import pytest
import typer

from hub.cli.retrying import line, of_automation

_WHOLE = {"limit": 3, "base_s": 30.0, "cap_s": 3600.0, "route": "retry", "then": "skip"}


@pytest.mark.parametrize(
    ("text", "cause", "policy"),
    [
        ("machine=3", "machine", {"limit": 3}),
        (
            "machine=3,other-runner,30s..1h,then-person",
            "machine",
            {"limit": 3, "route": "other_runner", "base_s": 30, "cap_s": 3600, "then": "person"},
        ),
        ("never-started=2,at-once", "never_started", {"limit": 2, "base_s": 0, "cap_s": 0}),
        ("business=skip", "business", {"route": "skip"}),
        ("bot=Stop", "bot", {"route": "stop"}),
    ],
)
def test_what_people_write(text: str, cause: str, policy: dict[str, Any]) -> None:
    assert {"retry": {"causes": {cause: policy}}} == of_automation(None, [text], None)


def test_all_of_it_together_and_nothing() -> None:
    said = of_automation(2, ["bot=1", "business=person"], "5")
    assert {"attempts", "causes", "stop_after"} == set(said["retry"])
    assert {} == of_automation(None, None, None)
    assert {"retry": {"stop_after": None}} == of_automation(None, None, "none")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("disk=3", "never-started, machine, bot, business"),
        ("machine", "CAUSE=POLICY"),
        ("machine=", "CAUSE=POLICY"),
        ("machine=often", "a number of tries"),
        ("machine=3,soon..later", "'soon' is no duration"),
        ("machine=3,none..1h", "no pause"),
    ],
)
def test_what_nobody_can_read_is_refused_with_a_remedy(text: str, told: str) -> None:
    with pytest.raises(typer.BadParameter, match=told):
        of_automation(None, [text], None)


def test_a_row_without_a_number_is_refused() -> None:
    with pytest.raises(typer.BadParameter, match="say 5, or none"):
        of_automation(None, None, "0")


@pytest.mark.parametrize(
    ("causes", "shown"),
    [
        ({}, "none"),
        ({"machine": {"route": "other_runner", "then": "person"}}, "machine=3,other-runner,30s..1h,then-person"),
        ({"never_started": {"base_s": 0.0, "cap_s": 0.0}}, "never-started=3,at-once"),
        ({"business": {"route": "stop"}}, "business=stop"),
    ],
)
def test_what_people_read_is_what_they_may_write(causes: dict[str, dict[str, Any]], shown: str) -> None:
    whole = {name: _WHOLE | own for name, own in causes.items()}
    assert shown == line({"attempts": 1, "causes": whole, "stop_after": None})
    if not causes:
        return
    read = of_automation(None, shown.split("; "), None)["retry"]["causes"]
    assert {name: one["route"] for name, one in whole.items()} == {
        name: one.get("route", "retry") for name, one in read.items()
    }


def test_the_short_form_and_the_row_are_shown_too() -> None:
    assert "3 in all; stops after 5 failed in a row" == line({"attempts": 3, "causes": {}, "stop_after": 5})
