"""`botyard automation`: defined and changed."""

from tests.support.api_hub import ApiWorld
from tests.support.typed import Typed


async def test_an_automation_is_changed_by_name(world: ApiWorld, typed: Typed) -> None:
    await typed("automation", "edit", "invoices", "--priority", "9", "--need", "os=linux", "--pause")
    shown = (await typed("automation", "show", "invoices", "--json")).json()
    assert (9, {"os": "linux"}, "paused") == (shown["priority"], shown["needs"], shown["state"])
    answer = await typed("run", "invoices")
    assert (1, True) == (answer.code, "paused" in answer.err)


async def test_what_it_wants_of_the_screen_is_said_in_options(world: ApiWorld, typed: Typed) -> None:
    desktop = ("--desktop", "required", "--desktop-size", "1920x1080", "--record")
    programs = ("--application", "browser", "--application", "sap-gui")
    await typed("automation", "create", "screen", "--bot", "invoices", *desktop, *programs)
    shown = await typed("automation", "show", "screen")
    assert "desktop required 1920x1080, browser, sap-gui, recorded" in shown.text
    changed = ("--desktop", "any", "--application", "none", "--no-record", "--no-failure-screenshot")
    await typed("automation", "edit", "screen", *changed)
    told = (await typed("automation", "show", "screen", "--json")).json()
    assert ("any", "", [], False, False) == tuple(
        told[name] for name in ("desktop", "desktop_size", "applications", "record", "failure_screenshot")
    )
    wrong = await typed("automation", "edit", "screen", "--desktop-size", "big")
    assert (2, True) == (wrong.code, "desktop_size" in wrong.err)
