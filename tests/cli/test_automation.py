"""`botyard automation`: defined and changed."""

from tests.support.api_hub import ApiWorld
from tests.support.typed import Typed


async def test_an_automation_is_changed_by_name(world: ApiWorld, typed: Typed) -> None:
    await typed("automation", "edit", "invoices", "--priority", "9", "--need", "os=linux", "--pause")
    shown = (await typed("automation", "show", "invoices", "--json")).json()
    assert (9, {"os": "linux"}, "paused") == (shown["priority"], shown["needs"], shown["state"])
    answer = await typed("run", "invoices")
    assert (1, True) == (answer.code, "paused" in answer.err)
