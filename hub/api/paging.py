"""Listings: `limit` and `cursor` in, `items` and `next` out. A cursor is opaque to clients and good for ever."""

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from pydantic import BaseModel, Field

from hub.api.call import Query, View
from hub.api.problem import Fault, Refused

LIMIT_MAX = 500

T = TypeVar("T")
V = TypeVar("V", bound=BaseModel)


class Listing(Query):
    """Which part of a listing."""

    limit: int = Field(default=50, ge=1, le=LIMIT_MAX, description="How many at most.")
    cursor: str = Field(default="", max_length=1000, description="`next` of the page before; absent for the first.")

    @property
    def after(self) -> str:
        """Where the page begins. Raises Refused (400) for a cursor that is none of ours."""
        try:
            padded = self.cursor.encode() + b"=" * (-len(self.cursor) % 4)
            position = base64.b64decode(padded, altchars=b"-_", validate=True).decode()
            if "\0" in position:  # PostgreSQL takes none, and no position has one
                raise ValueError(position)  # noqa: TRY301 - told as the others are
            return position
        except (binascii.Error, ValueError):
            fault = Fault(field="cursor", message="is no cursor", remedy="take `next` of the page before")
            raise Refused(400, "query", "The query can't be read.", [fault]) from None


class Page(View, Generic[V]):
    """A part of a listing."""

    items: list[V]
    next: str | None = Field(default=None, description="Cursor of the next page; null on the last one.")


def page(found: Sequence[T], listing: Listing, view: Callable[[T], V], position: Callable[[T], str]) -> Page[V]:
    """A page of `found`, for which the service was asked for one item more than `listing.limit`."""
    shown = found[: listing.limit]
    more = len(found) > listing.limit
    return Page(items=[view(one) for one in shown], next=cursor_of(position(shown[-1])) if more else None)


def cursor_of(position: str) -> str:
    """A position as a cursor."""
    return base64.urlsafe_b64encode(position.encode()).decode().rstrip("=")
