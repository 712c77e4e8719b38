"""`botyard trigger event`: made, tried on the last events, shown in a few words; bad words in one line."""

from tests.support.api_hub import ApiWorld
from tests.support.typed import Typed

CANCELED = ("--on", "task.settled", "--of", "invoices", "--state", "canceled")


async def test_it_is_tried_made_and_shown(world: ApiWorld, typed: Typed) -> None:
    """A dry run makes nothing."""
    task = await world.new_task()
    await world.call("POST", f"/tasks/{task['id']}/cancel")
    tried = await typed("trigger", "event", "watch", "invoices", *CANCELED, "--map", "n=event.data.number", "--dry-run")
    assert (tried.code, "n=1" in tried.text) == (0, True)
    assert "1 match, 1 task" in tried.err
    assert "none" in (await typed("trigger", "list")).text
    made = await typed("trigger", "event", "watch", "invoices", *CANCELED, "-p", "month=2026-03")
    assert made.text.strip() == "watch: active, task.settled of invoices (canceled)"
    away = ("--on", "runner.disconnected", "--for", "10m", "--overlap", "skip", "--json")
    assert (await typed("trigger", "event", "away", "invoices", *away)).json()["definition"]["for"] == "10m"
    await typed("trigger", "event", "quiet", "invoices", "--on", "task.created", "--absent", "1d")
    listed = (await typed("trigger", "list")).text
    assert "runner.disconnected for 10m" in listed
    assert "no task.created for 1d" in listed
    await typed("trigger", "pause", "watch")
    lines = [line.split() for line in (await typed("trigger", "show", "watch")).text.splitlines()]
    told = (["automation", "invoices"], ["state", "paused"], ["--of", "invoices"], ["--state", "canceled"])
    assert [] == [one for one in told if one not in lines]
    assert "1" in (await typed("trigger", "matches", "watch")).text


async def test_bad_words_are_one_line(typed: Typed) -> None:
    """With what may have been meant."""
    answer = await typed("trigger", "event", "watch", "invoices", "--on", "task.setled")
    assert (answer.code, "did you mean task.settled" in answer.err) == (2, True)
    answer = await typed("trigger", "event", "watch", "invoices")
    assert (answer.code, "--on" in answer.err) == (2, True)
    answer = await typed("trigger", "event", "watch", "invoices", "--on", "task.settled", "--map", "x")
    assert (answer.code, "is no parameter=expression" in answer.err) == (2, True)
