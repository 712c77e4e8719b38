"""Triggers as documents, of whatever kind: what a kind adds is looked up in `hub.services.triggers.KINDS`.

Secrets stay where they are: values of secret parameters are not exported, and a document that does not name them keeps
them; a webhook's secret is neither here nor there, it is made by `botyard trigger secret`.
"""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

from pydantic import Field, TypeAdapter

from hub.api import triggers as api
from hub.api.documents.shape import Exported, Said
from hub.api.trigger_views import Definition
from hub.domain.access import Caller
from hub.domain.documents.plan import HIDDEN, DocumentKind, State, Thing
from hub.domain.parameters import Fault, secret_names
from hub.domain.trigger import TriggerKind, TriggerState, common_faults
from hub.errors import Invalid, NotFound
from hub.services import automations, calendars, schedules, triggers
from hub.storage.transaction import Done, Transaction
from hub.storage.triggers import TriggerRow

_PARAMETERS = "parameters."
_BESIDE = frozenset({"label", "name", "parameters", "calendar"})
"""Members that a fault may name and that stand beside the definition."""
_DEFINITION: TypeAdapter[Definition] = TypeAdapter(Definition)


class TriggerDocument(api.NewTrigger):
    """A trigger: what makes tasks of an automation by itself."""

    kind: Literal["trigger"]
    paused: bool = Field(default=False, description="Absent: as it is; a new one is not.")


class OfTrigger(Said[TriggerDocument]):
    """A document that defines a trigger."""

    kind: ClassVar[DocumentKind] = DocumentKind.TRIGGER

    def references(self) -> Mapping[str, Thing]:
        """Its automation, its calendar, and what its kind listens to."""
        found = {"automation": (DocumentKind.AUTOMATION, self.body.automation)}
        if self.body.calendar is not None:
            found["calendar"] = (DocumentKind.CALENDAR, self.body.calendar)
        for kind in (DocumentKind.QUEUE, DocumentKind.AUTOMATION):
            label = getattr(self.body.definition, kind, None)
            if isinstance(label, str):
                found[f"definition.{kind}"] = (kind, label)
        return found

    def known(self, tx: Transaction) -> State | None:
        """The trigger of its label."""
        try:
            return _state(tx, triggers.show(tx, self.workspace_id, self.label))
        except NotFound:
            return None

    def wanted(self, tx: Transaction, known: State) -> State:
        """The trigger as the document says. Raises NotFound for what it names, Invalid for another kind."""
        row: TriggerRow = known.stored
        said = self._said()
        if said.kind != row.kind:
            message = f"it is a {row.kind} and can't become a {said.kind}"
            fault = _fault("kind", message, "delete it first, or take another label")
            raise Invalid("kind", message, {"errors": [fault.as_json()]})
        automation = automations.show(tx, self.workspace_id, said.automation)
        calendar = None if said.calendar is None else calendars.show(tx, self.workspace_id, said.calendar)
        secrets = secret_names(automation.definition.parameters)
        kept = {name: value for name, value in row.parameters.items() if name in secrets}
        is_paused = said.is_paused if "paused" in self.body.model_fields_set else known.members["paused"]
        calendar_id = None if calendar is None else calendar.id
        return State(
            members={
                "automation": automation.definition.label,
                "definition": self._definition(tx, row, calendar_id),
                "parameters": {**kept, **said.parameters},
                "name": said.name or said.label,
                "calendar": None if calendar is None else calendar.label,
                "paused": is_paused,
            },
            hidden=[_PARAMETERS + name for name in secrets],
            stored=row,
        )

    def create(self, tx: Transaction, caller: Caller) -> Done[str]:
        """Make it; a webhook has no secret then."""
        said = self._said()
        done = triggers.create(tx, caller, said)
        is_hook = said.kind is TriggerKind.WEBHOOK
        return Done(f"it takes no calls before botyard trigger secret {self.label}" if is_hook else "", done.effects)

    def edit(self, tx: Transaction, caller: Caller, known: State) -> Done[str]:
        """Make it so; its next moment is found anew."""
        named, wanted = known.stored.id, self.wanted(tx, known).members
        gone = dict.fromkeys(known.members["definition"])
        changes = {name: wanted[name] for name in ("automation", "parameters", "name", "calendar")}
        changes["definition"] = {**gone, **wanted["definition"]}
        effects: list[Any] = []
        if any(wanted[name] != known.members[name] for name in changes if name != "definition") or (
            wanted["definition"] != known.members["definition"]
        ):
            effects += triggers.edit(tx, caller, named, changes).effects
        if wanted["paused"] != known.members["paused"]:
            switch = triggers.pause if wanted["paused"] else triggers.resume
            effects += switch(tx, caller, named).effects
        return Done("", effects)

    def missing(self, tx: Transaction) -> Sequence[Fault]:
        """What it names and is not there; and then what else is wrong with its definition."""
        said, found = self._said(), list[Fault]()
        for field, show, named in (
            ("automation", automations.show, said.automation),
            ("calendar", calendars.show, said.calendar),
        ):
            try:
                _ = named is None or show(tx, self.workspace_id, named)
            except NotFound as error:
                found.append(_fault(field, error.message, ""))
        if not found:
            return ()
        kind = triggers.KINDS.get(said.kind)
        prepared = () if kind is None else kind.prepare(tx, self.workspace_id, said.definition, None).faults
        inner = [*common_faults(said.definition), *prepared]
        return [*found, *(dataclasses.replace(one, field=self.where(one.field)) for one in inner)]

    def where(self, field: str) -> str:
        """What its kind says stands under `definition` here."""
        return field if not field or field.partition(".")[0] in _BESIDE else f"definition.{field}"

    def _said(self) -> triggers.NewTrigger:
        """What the document says; a sign for a hidden value, copied from a listing, says nothing."""
        said = api.wanted(self.body)
        definition = {name: value for name, value in said.definition.items() if value is not None}
        parameters = {name: value for name, value in said.parameters.items() if value != HIDDEN}
        return dataclasses.replace(said, definition=definition, parameters=parameters)

    def _definition(self, tx: Transaction, row: TriggerRow, calendar_id: str | None) -> Mapping[str, Any]:
        """The definition as it will be stored: what it leaves out, its kind fills in."""
        said = self._said()
        if said.kind is TriggerKind.SCHEDULE:
            return _plain(schedules.completed(row.definition, said.definition, tx.now))
        prepared = triggers.KINDS[said.kind].prepare(tx, self.workspace_id, said.definition, calendar_id)
        return _plain({**(prepared.definition or said.definition), "kind": said.kind})


def page(tx: Transaction, workspace_id: str, after: str, limit: int) -> list[Exported]:
    """Triggers as documents, by label."""
    return [_exported(tx, row) for row in triggers.page(tx, workspace_id, after, limit)]


def _state(tx: Transaction, row: TriggerRow) -> State:
    secrets: Sequence[str] = ()
    if row.parameters:
        secrets = secret_names(automations.show(tx, row.workspace_id, row.automation_id).definition.parameters)
    return State(
        members={
            "automation": row.automation,
            "definition": _plain(row.definition),
            "parameters": dict(row.parameters),
            "name": row.name,
            "calendar": row.calendar,
            "paused": row.state == TriggerState.PAUSED,
        },
        hidden=[_PARAMETERS + name for name in secrets],
        stored=row,
    )


def _exported(tx: Transaction, row: TriggerRow) -> Exported:
    state = _state(tx, row)
    usual: dict[str, Any] = {"parameters": {}, "name": row.label, "calendar": None, "paused": False}
    found = {name: value for name, value in state.members.items() if name not in usual or value != usual[name]}
    open_ones = {name: value for name, value in row.parameters.items() if _PARAMETERS + name not in state.hidden}
    found.pop("parameters", None)
    if open_ones:
        found["parameters"] = open_ones
    return row.label, found


def _plain(definition: Mapping[str, Any]) -> dict[str, Any]:
    """A definition with each value as the API writes it, so that 12:00Z and 12:00+00:00 are the same; kind first."""
    read = _DEFINITION.validate_json(json.dumps(definition))
    said: dict[str, Any] = read.said()
    names = [field.alias or name for name, field in type(read).model_fields.items()]
    return {"kind": definition["kind"], **{name: said[name] for name in names if name in said}}


def _fault(field: str, message: str, remedy: str) -> Fault:
    return Fault(field=field, message=message, remedy=remedy)
