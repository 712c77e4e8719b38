"""Calendars as documents."""

import dataclasses
from typing import ClassVar, Literal

from hub.api import calendars as api
from hub.api.documents.shape import Exported, Said, members, short
from hub.domain import calendar as rules
from hub.domain.access import Caller
from hub.domain.documents.plan import DocumentKind, State, brief
from hub.errors import NotFound
from hub.services import calendars
from hub.storage.calendars import CalendarRow
from hub.storage.transaction import Done, Transaction


class CalendarDocument(api.NewCalendar):
    """A calendar: which days are worked on."""

    kind: Literal["calendar"]


class OfCalendar(Said[CalendarDocument]):
    """A document that defines a calendar."""

    kind: ClassVar[DocumentKind] = DocumentKind.CALENDAR

    def known(self, tx: Transaction) -> State | None:
        """The calendar of its label."""
        try:
            return _state(calendars.show(tx, self.workspace_id, self.label))
        except NotFound:
            return None

    def wanted(self, tx: Transaction, known: State) -> State:
        """The calendar as the document says."""
        del tx
        definition = rules.stored(api.definition_of(self.body))
        name = self.body.name or self.label
        return _state(dataclasses.replace(known.stored, name=name, definition=definition))

    def create(self, tx: Transaction, caller: Caller) -> Done[str]:
        """Make it."""
        done = calendars.create(tx, caller, self.label, self.body.name, api.definition_of(self.body))
        return Done("", done.effects)

    def edit(self, tx: Transaction, caller: Caller, known: State) -> Done[str]:
        """Make it so."""
        said = api.definition_of(self.body)
        changes = {one.name: getattr(said, one.name) for one in dataclasses.fields(said)}
        done = calendars.edit(tx, caller, known.stored.id, {**changes, "name": self.body.name or self.label})
        return Done("", done.effects)


def page(tx: Transaction, workspace_id: str, after: str, limit: int) -> list[Exported]:
    """Calendars as documents, by label."""
    return [_exported(row) for row in calendars.page(tx, workspace_id, after, limit)]


def _state(row: CalendarRow) -> State:
    return State(members=members(api.view(row), api.NewCalendar), stored=row)


def _exported(row: CalendarRow) -> Exported:
    usual = dataclasses.replace(row, name=row.label, definition=rules.stored(rules.PLAIN))
    found = brief(_state(row).members, _state(usual).members)
    if "holidays" in found:
        found["holidays"] = short(api.view(row).holidays)
    return row.label, found
