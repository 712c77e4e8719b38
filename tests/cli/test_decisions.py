"""What `task release-held`, `give-up` and `accept-late` say of bad input: one line, a code, nothing changed."""

import json

import pytest

from tests.support.api_hub import ApiWorld
from tests.support.typed import Typed

NOBODYS = "tsk_" + "0" * 32
VERBS = ("release-held", "give-up", "accept-late")


@pytest.mark.parametrize("verb", VERBS)
async def test_what_is_not_there_or_not_allowed_is_one_line(
    world: ApiWorld, typed: Typed, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    """core.md §4, S35: an unknown task, one of another workspace, no right, no key: refused alike, with the remedy."""
    task = await world.new_task()
    cases = {(who, which): 1 for who in ("admin", "foreign") for which in (NOBODYS, "77", "no such thing")}
    cases |= {("foreign", task["id"]): 1, ("viewer", task["id"]): 1, ("revoked", task["id"]): 1}
    for (who, which), code in cases.items():
        monkeypatch.setenv("BOTYARD_TOKEN", world.secrets[who])
        told = await typed("task", verb, which)
        assert (code, 1, "") == (told.code, len(told.err.splitlines()), told.text), (who, which, told.err)
        scripted = await typed("task", verb, which, "--json")
        said = json.loads(scripted.err)
        assert (code, code) == (scripted.code, said["exit_code"])
        assert said["error"]
        assert said["code"]
    assert [] == (await world.get("/events?type=task.released"))["items"]
    assert "queued" == (await world.get(f"/tasks/{task['id']}"))["state"]


@pytest.mark.parametrize("verb", VERBS)
async def test_a_hub_that_is_away_is_said_so(
    world: ApiWorld, typed: Typed, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    """design.md §5: 7 where the hub was not reached, 2 for a word too many or too few."""
    monkeypatch.setenv("BOTYARD_URL", "http://127.0.0.1:1")
    told = await typed("task", verb, "1")
    assert (7, 1) == (told.code, len(told.err.splitlines()))
    assert "no answer from the hub" in told.err
    told = await typed("task", verb, *(() if verb != "release-held" else ("1", "--all")))
    assert (2, 1) == (told.code, len(told.err.splitlines())), told.err
    told = await typed("task", verb, "1", "2", "3")
    assert (2, 1) == (told.code, len(told.err.splitlines())), told.err


async def test_a_late_report_of_another_task_is_not_accepted(world: ApiWorld, typed: Typed) -> None:
    """S35: a report is found through its own task only."""
    await world.new_task()
    told = await typed("task", "accept-late", "1", "lrp_1")
    assert (1, 1) == (told.code, len(told.err.splitlines()))
    assert "There is no late report 'lrp_1' of this task" in told.err
