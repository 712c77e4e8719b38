"""BotCity's pages (`maestro.md` §1.8): counted from 0, with all the members that its clients look for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

SIZE = 20
SIZE_MAX = 1000
_NUMBER_MAX = 10**9
_DAYS_MAX = 36_500


@dataclass(frozen=True, slots=True, kw_only=True)
class PageRequest:
    """Which page of what; anything unreadable falls back to the default, since some clients send words."""

    number: int
    size: int
    sort: str
    """Field as the client named it; empty where it named none."""
    descending: bool
    days: int | None

    @property
    def offset(self) -> int:
        """Rows before this page."""
        return self.number * self.size

    def since(self, now: datetime) -> datetime | None:
        """The moment before which nothing is wanted."""
        return None if self.days is None else now - timedelta(days=self.days)


def page_request(query: Mapping[str, str]) -> PageRequest:
    """``page``, ``size``, ``sort=<field>,asc|desc`` and ``days`` of a query."""
    field, _, direction = query.get("sort", "").partition(",")
    days = _whole(query, "days", -1, _DAYS_MAX)
    return PageRequest(
        number=max(0, _whole(query, "page", 0, _NUMBER_MAX)),
        size=max(1, _whole(query, "size", SIZE, SIZE_MAX)),
        sort=field.strip(),
        descending=direction.strip().lower() == "desc",
        days=None if days < 0 else days,
    )


def page_object(content: Sequence[object], total: int, wanted: PageRequest) -> dict[str, Any]:
    """The page as clients read it; past the end an empty one, never an error."""
    pages = -(-total // wanted.size)
    is_sorted = bool(wanted.sort)
    return {
        "content": list(content),
        "totalElements": total,
        "totalPages": pages,
        "number": wanted.number,
        "size": wanted.size,
        "numberOfElements": len(content),
        "first": wanted.number == 0,
        "last": wanted.number >= pages - 1,
        "empty": not content,
        "sort": {"sorted": is_sorted, "unsorted": not is_sorted, "empty": not is_sorted},
        "pageable": {
            "pageNumber": wanted.number,
            "pageSize": wanted.size,
            "offset": wanted.offset,
            "paged": True,
            "unpaged": False,
        },
    }


def _whole(query: Mapping[str, str], name: str, default: int, most: int) -> int:
    try:
        return min(int(query[name]), most)
    except (KeyError, ValueError):
        return default
