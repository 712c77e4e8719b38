"""`botyard trigger` and `botyard calendar`."""

from hub.services import due_triggers
from tests.support.api_hub import ApiWorld
from tests.support.typed import Typed


async def test_a_trigger_from_its_making_to_its_end(world: ApiWorld, typed: Typed) -> None:
    made = await typed(
        *("trigger", "create", "mornings", "invoices", "--on", "working days at 06:30", "--zone", "Europe/Berlin"),
        *("--overlap", "skip", "-p", "month=2026-03", "--misfire", "all", "--misfire-window", "2h"),
    )
    assert (0, "mornings: active, next") == (made.code, made.text[:22])
    assert "2030-01-02 05:30:00 UTC" in made.text
    listed = (await typed("trigger", "list")).text
    assert "working days at 06:30 (Europe/Berlin)" in listed
    shown = (await typed("trigger", "show", "mornings")).text
    for words in ("overlap", "skip", "month=2026-03", "2h", "invoices"):
        assert words in shown
    world.clock.advance(17.5 * 3600)
    await world.store.write(due_triggers.fire_due)
    told = (await typed("trigger", "history", "mornings", "--json")).json()
    assert ["fired"] == [one["outcome"] for one in told["items"]]
    assert "fired" in (await typed("trigger", "history", "mornings")).text
    assert "paused" in (await typed("trigger", "pause", "mornings")).text
    fired = await typed("trigger", "fire", "mornings", "-p", "month=2026-04")
    assert fired.text.startswith("tsk_")
    edited = await typed("trigger", "edit", "mornings", "--every", "15m", "--zone", "", "--start", "+1h", "--json")
    assert ("15m", "UTC", "paused") == (
        edited.json()["definition"]["every"],
        edited.json()["definition"]["zone"],
        edited.json()["state"],
    )
    assert "active" in (await typed("trigger", "resume", "mornings")).text
    unasked = await typed("trigger", "delete", "mornings")
    assert (2, True) == (unasked.code, "--yes" in unasked.err)
    assert "mornings: deleted\n" == (await typed("trigger", "delete", "mornings", "--yes")).text


async def test_a_dst_week_is_previewed(world: ApiWorld, typed: Typed) -> None:
    options = ("--cron", "30 2 * * *", "--zone", "Europe/Berlin", "--after", "2026-03-28T00:00:00+00:00", "-n", "3")
    found = (await typed("trigger", "preview", *options)).text.splitlines()
    assert ["2026-03-28 02:30:00", "2026-03-29 03:00:00", "2026-03-30 02:30:00"] == [line[:19] for line in found[1:]]
    assert "+01:00" in found[1]
    assert "02:30 does not come on this day" in found[2]
    as_json = (await typed("trigger", "preview", *options, "--json")).json()
    assert "2026-03-29T01:00:00Z" == as_json["items"][1]["at"]


async def test_what_is_wrong_is_said_line_by_line(world: ApiWorld, typed: Typed) -> None:
    bad = await typed("trigger", "create", "x", "invoices", "--cron", "61 * * * *", "--zone", "Mars/Olympus")
    assert 2 == bad.code
    for words in ("cron.minute", "zone"):
        assert words in bad.err
    for typed_words in (["preview"], ["preview", "hourly", "--cron", "* * * * *"], ["edit", "hourly"]):
        assert 2 == (await typed("trigger", *typed_words)).code
    window = await typed("trigger", "create", "x", "invoices", "--every", "1h", "--misfire-window", "soon")
    assert (2, True) == (window.code, "--misfire-window" in window.err)
    for options, told in (
        (("--every", "5"), "every: '5' lacks its unit (say 5m or 5s)"),
        ((), "--cron, --every or --on"),
        (("--every", "1h", "--calendar", "de"), "botyard calendar create de --country DE"),
    ):
        assert told in (await typed("trigger", "create", "x", "invoices", *options)).err
    await typed("trigger", "create", "hourly", "invoices", "--every", "1h")
    assert "Did you mean hourly?" in (await typed("trigger", "show", "houry")).err


async def test_a_calendar_from_its_making_to_its_end(world: ApiWorld, typed: Typed) -> None:
    made = await typed(
        *("calendar", "create", "bavaria", "--country", "DE", "--subdivision", "BY", "--holiday", "12-24=Eve"),
    )
    assert "bavaria: DE BY, 1 own holiday\n" == made.text
    assert "bavaria" in (await typed("calendar", "list")).text
    shown = (await typed("calendar", "show", "bavaria", "--year", "2027")).text
    for words in ("2027-12-24  Eve", "2027-01-06  Epiphany", "saturday sunday"):
        assert words in shown
    edited = await typed("calendar", "edit", "bavaria", "--working-day", "2027-12-24", "--weekend", "sunday", "--json")
    assert (["2027-12-24"], ["sunday"]) == (edited.json()["working_days"], edited.json()["weekend"])
    await typed("trigger", "create", "t", "invoices", "--on", "daily at 08:00", "--calendar", "bavaria")
    refused = await typed("calendar", "delete", "bavaria", "--yes")
    assert (1, True) == (refused.code, "is kept to by t" in refused.err)
    await typed("trigger", "edit", "t", "--calendar", "")
    assert "bavaria: deleted\n" == (await typed("calendar", "delete", "bavaria", "--yes")).text
    assert 2 == (await typed("calendar", "edit", "bavaria")).code
