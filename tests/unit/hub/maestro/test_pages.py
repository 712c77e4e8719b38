"""BotCity's pages (maestro.md §1.8)."""

from datetime import UTC, datetime, timedelta

import pytest

from hub.maestro.pages import page_object, page_request


@pytest.mark.parametrize(
    ("query", "number", "size", "days"),
    [
        ({}, 0, 20, None),
        ({"page": "3", "size": "1000", "days": "7"}, 3, 1000, 7),
        ({"page": "-1", "size": "0", "days": "-7"}, 0, 1, None),
        ({"page": "x", "size": "", "days": "week"}, 0, 20, None),
        ({"size": "5000", "days": "999999999"}, 0, 1000, 36_500),
        ({"page": "9" * 40}, 10**9, 20, None),
    ],
)
def test_a_query_is_read_leniently(query: dict[str, str], number: int, size: int, days: int | None) -> None:
    """Counted from 0, 20 a page, 1000 at most; what cannot be read is the default."""
    asked = page_request(query)

    assert (asked.number, asked.size, asked.days) == (number, size, days)
    assert asked.offset == number * size


def test_sort_is_a_field_and_perhaps_a_direction() -> None:
    """`sort=<field>,asc|desc`, direction optional."""
    texts = ("", "id", "id,asc", "id,desc", " id , DESC ")
    asked = [page_request({"sort": text}) for text in texts]

    assert [one.sort for one in asked] == ["", "id", "id", "id", "id"]
    assert [one.descending for one in asked] == [False, False, False, True, True]


def test_days_count_back_from_now() -> None:
    """`days`: only rows of the last n days."""
    now = datetime(2030, 1, 8, tzinfo=UTC)

    assert page_request({"days": "7"}).since(now) == now - timedelta(days=7)
    assert page_request({}).since(now) is None


@pytest.mark.parametrize(
    ("total", "number", "pages", "first", "last"),
    [
        (0, 0, 0, True, True),
        (1, 0, 1, True, True),
        (20, 0, 1, True, True),
        (21, 0, 2, True, False),
        (21, 1, 2, False, True),
    ],
)
def test_a_page_has_every_member(total: int, number: int, pages: int, *, first: bool, last: bool) -> None:
    """All members that clients look for, and none that contradicts another."""
    rows = list(range(min(20, total - number * 20)))

    page = page_object(rows, total, page_request({"page": str(number)}))

    assert (page["totalElements"], page["totalPages"], page["first"], page["last"]) == (total, pages, first, last)
    assert (page["numberOfElements"], page["empty"], page["number"], page["size"]) == (len(rows), not rows, number, 20)
    assert page["sort"] == {"sorted": False, "unsorted": True, "empty": True}
    assert page["pageable"] == {
        "pageNumber": number,
        "pageSize": 20,
        "offset": number * 20,
        "paged": True,
        "unpaged": False,
    }
