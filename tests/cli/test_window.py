"""`botyard runner window`: planned, listed, taken back; and a drain with its reason."""

from tests.support.api_hub import ApiWorld
from tests.support.typed import Typed


async def test_a_window_is_planned_listed_and_taken_back(world: ApiWorld, typed: Typed) -> None:
    span = ("--from", "2030-01-02T22:00", "--to", "+6h")
    made = await typed("runner", "window", "add", "desk-1", *span, "--reason", "updates")
    window_id = made.text.strip()
    assert (0, True) == (made.code, window_id.startswith("wnd_"))
    assert "desk-1 gets no new work from 2030-01-02 22:00 to 2030-01-03 04:00" in made.err
    assert 1 == len((await world.get("/runners/desk-1/windows"))["items"])
    listed = (await typed("runner", "window", "list", "desk-1")).text
    assert window_id in listed
    assert "updates" in listed
    assert f"{window_id}: removed\n" == (await typed("runner", "window", "remove", "desk-1", window_id)).text
    assert [] == (await typed("runner", "window", "list", "desk-1", "--json")).json()["items"]


async def test_bad_words_are_refused_in_one_line(world: ApiWorld, typed: Typed) -> None:
    for options in (("--to", "soon", "--reason", "a"), ("--from", "+2d", "--to", "+400d", "--reason", "a")):
        refused = await typed("runner", "window", "add", "desk-1", *options)
        assert refused.code != 0
        assert "Traceback" not in refused.err
    gone = await typed("runner", "window", "remove", "desk-1", "wnd_1")
    assert (1, True) == (gone.code, "window list desk-1" in gone.err)


async def test_a_drain_says_why_where_runners_are_looked_at(world: ApiWorld, typed: Typed) -> None:
    told = await typed("runner", "drain", "desk-1", "--reason", "broken screen")
    assert "desk-1: connected (draining: broken screen)\n" == told.text
    assert "(draining: broken screen)" in (await typed("runner", "list")).text
    assert "broken screen (by token:" in (await typed("runner", "show", "desk-1")).text
    assert "desk-1: connected\n" == (await typed("runner", "resume", "desk-1")).text
