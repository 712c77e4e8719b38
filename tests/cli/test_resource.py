"""`botyard resource`, and what automations share, as people type it."""

import pytest

from hub.cli.sharing import of_automation
from tests.support.api_hub import ApiWorld
from tests.support.typed import Typed


async def test_a_resource_is_made_shown_changed_used_and_deleted(world: ApiWorld, typed: Typed) -> None:
    made = await typed("resource", "create", "sap-licence", "--capacity", "3", "--name", "SAP GUI")
    assert "SAP GUI" in made.text
    await typed("resource", "edit", "sap-licence", "--account", "ana", "--account", "bob")
    shown = (await typed("resource", "show", "sap-licence", "--json")).json()
    assert (2, ["ana", "bob"]) == (shown["capacity"], shown["accounts"])
    await typed("automation", "edit", "invoices", "--use", "sap-licence", "--concurrency", "2", "--rate", "10/min")
    shared = await typed("automation", "show", "invoices")
    assert "2 at once, sap-licence=1, 10 in 1m" in shared.text
    await world.new_task()
    told = await typed("resource", "show", "sap-licence")
    assert "task 1 (invoices) waits since" in told.text
    assert "sap-licence" in (await typed("resource", "list")).text
    refused = await typed("resource", "delete", "sap-licence", "--yes")
    assert (1, True) == (refused.code, "is used by invoices" in refused.err)
    await typed("automation", "edit", "invoices", "--use", "none", "--concurrency", "none", "--rate", "none")
    assert "deleted" in (await typed("resource", "delete", "sap-licence", "--yes")).text


async def test_faults_are_told_each_on_a_line(world: ApiWorld, typed: Typed) -> None:
    answer = await typed(
        "automation", "edit", "invoices", "--use", "nope=2", "--concurrency", "-1", "--concurrency-key", "parameters."
    )
    assert 0 != answer.code
    for words in ("botyard resource create nope --capacity 2", "-1 is out of range", "does not compile"):
        assert words in answer.err
    nothing = await typed("resource", "edit", "nope")
    assert "nothing to change" in nothing.err


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("10/min", {"count": 10, "per_s": 60}),
        ("3/s", {"count": 3, "per_s": 1}),
        ("5/10min", {"count": 5, "per_s": 600}),
        ("none", None),
    ],
)
def test_rates_are_read(text: str, rate: dict[str, int] | None) -> None:
    assert {"rate": rate} == of_automation(None, None, None, text)
