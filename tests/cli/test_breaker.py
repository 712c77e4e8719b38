"""`botyard breaker`, and what follows a failure of an automation: what people type and see (issue 5, R60)."""

from hub.cli import held_back
from tests.support.api_hub import ApiWorld
from tests.support.typed import Typed


async def test_a_breaker_is_set_up_opened_shown_and_closed(world: ApiWorld, typed: Typed) -> None:
    assert 0 == (await typed("breaker", "edit", "sap", "--threshold", "3", "--probe-after", "1m", "--cap", "10m")).code
    opened = await typed("breaker", "open", "sap", "--why", "maintenance until 18:00")
    assert b"sap: open (maintenance until 18:00" in opened.out
    listed = (await typed("breaker", "list")).out.decode()
    assert ["open", True] == ["open" if "open" in listed else listed, "when somebody closes it" in listed]
    shown = (await typed("breaker", "show", "sap")).out.decode()
    assert "3 system errors in a row (0 so far)" in shown
    assert "1m, doubled up to 10m" in shown
    assert "open" == (await typed("breaker", "show", "sap", "--json")).json()["state"]
    assert b"sap: closed\n" == (await typed("breaker", "close", "sap")).out


async def test_queues_and_items_say_which_application_holds_them_back(world: ApiWorld, typed: Typed) -> None:
    """With the one change that ends it, where only somebody can."""
    await typed("queue", "create", "orders", "--target", "sap")
    await typed("item", "add", "orders", "number=1", "--reference", "1")
    assert "held back" not in (await typed("queue", "show", "orders")).text
    await typed("breaker", "open", "sap", "--why", "maintenance")
    for shown in (("queue", "show", "orders"), ("item", "show", "orders/1")):
        text = (await typed(*shown)).text
        assert "sap is out of order since" in text, shown
        assert "(maintenance (" in text
        assert "until somebody closes it: botyard breaker close sap" in text
    assert "active (sap is open)" in (await typed("queue", "list")).text
    await typed("breaker", "close", "sap")
    assert "held back" not in (await typed("item", "show", "orders/1")).text


def test_the_next_probe_is_said_where_the_hub_tries_by_itself() -> None:
    one = {"application": "sap", "state": "open", "since": "2026-03-01T12:00:00Z", "why": None}
    timed = held_back.line({"breaker": {**one, "next_probe": "2026-03-01T12:01:00Z"}})
    assert "; a probe goes at " in str(timed)
    half = held_back.line({"breaker": {**one, "state": "half_open", "next_probe": None}})
    assert str(half).endswith("; probes are under way")


async def test_what_is_wrong_with_a_breaker_is_one_line(world: ApiWorld, typed: Typed) -> None:
    nothing = await typed("breaker", "edit", "sap")
    assert (2, True) == (nothing.code, "nothing to change was named" in nothing.err)
    when = await typed("breaker", "edit", "sap", "--cap", "soon")
    assert (2, True) == (when.code, "'soon' is no duration" in when.err)
    unknown = await typed("breaker", "close", "nobody")
    assert (1, True) == (unknown.code, "botyard breaker list" in unknown.err)


async def test_what_follows_a_failure_is_written_and_read_in_one_way(world: ApiWorld, typed: Typed) -> None:
    """The short form stays: `--attempts`. A policy by cause is shown as it is typed."""
    policy = "machine=3,other-runner,30s..1h,then-person"
    edited = await typed("automation", "edit", "invoices", "--retry", policy, "--attempts", "2", "--stop-after", "5")
    assert 0 == edited.code, edited.err
    shown = (await typed("automation", "show", "invoices")).out.decode()
    assert f"2 in all; {policy}; stops after 5 failed in a row" in " ".join(shown.split())
    assert 0 == (await typed("automation", "edit", "invoices", "--stop-after", "none")).code
    kept = (await typed("automation", "show", "invoices", "--json")).json()["retry"]
    assert (None, 2, ["machine"]) == (kept["stop_after"], kept["attempts"], list(kept["causes"]))
    wrong = await typed("automation", "edit", "invoices", "--retry", "disk=3")
    assert (2, True) == (wrong.code, "never-started, machine, bot, business" in wrong.err)
