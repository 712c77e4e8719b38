"""`botyard trigger webhook`: made with its secret, shown once; a new secret; bad words in one line."""

import json

from tests.support.api_hub import ApiWorld
from tests.support.typed import Typed


async def test_it_is_made_with_its_address_and_secret(world: ApiWorld, typed: Typed) -> None:
    """Then nobody sees the secret again."""
    made = (await typed("trigger", "webhook", "in", "invoices", "--map", "month=body.month", "--json")).json()
    assert made["definition"]["map"] == {"month": "body.month"}
    assert made["secret"].startswith("whsec_")
    assert made["url"].endswith(f"/hooks/{made['id']}")
    shown = (await typed("trigger", "show", "in")).text
    assert made["secret"] not in shown
    assert "calls, standard" in shown
    assert made["url"] in shown
    assert ["--map", "month=body.month"] in [line.split() for line in shown.splitlines()]
    assert made["secret"] not in (await typed("trigger", "secret", "in")).text
    assert "standard" in (await typed("trigger", "list")).text
    assert made["secret"] not in json.dumps(await world.get("/events?limit=200"))


async def test_bad_words_are_one_line(typed: Typed) -> None:
    """And nothing is made."""
    answer = await typed("trigger", "webhook", "in", "invoices", "--map", "month")
    assert (answer.code, "is no parameter=expression" in answer.err) == (2, True)
    answer = await typed("trigger", "webhook", "in", "invoices", "--map", "month=body.(")
    assert (answer.code, "map.month" in answer.err) == (2, True)
    answer = await typed("trigger", "webhook", "in", "invoices", "--sign", "rsa")
    assert answer.code in {1, 2}
    assert "none" in (await typed("trigger", "list")).text
