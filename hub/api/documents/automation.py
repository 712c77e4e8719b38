"""Automations as documents. A pause that the hub or a person made since is not ended by a document's silence."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal

from hub.api import automations as api
from hub.api.documents.shape import Exported, Said, members, short
from hub.domain.access import Caller
from hub.domain.automation import Automation, AutomationState, Definition
from hub.domain.documents.plan import DocumentKind, State, Thing, brief
from hub.domain.limits import BESIDE
from hub.domain.parameters import Fault
from hub.errors import NotFound
from hub.services import automations
from hub.storage.transaction import Done, Transaction


class AutomationDocument(api.NewAutomation):
    """An automation: a bot, what it may be asked with, what it needs, and the policies of its tasks."""

    kind: Literal["automation"]


class OfAutomation(Said[AutomationDocument]):
    """A document that defines an automation."""

    kind: ClassVar[DocumentKind] = DocumentKind.AUTOMATION

    def references(self) -> Mapping[str, Thing]:
        """The resources that its tasks use."""
        return {f"uses.{label}": (DocumentKind.RESOURCE, label) for label in self.body.uses or {}}

    def known(self, tx: Transaction) -> State | None:
        """The automation of its label."""
        try:
            return _state(automations.show(tx, self.workspace_id, self.label))
        except NotFound:
            return None

    def wanted(self, tx: Transaction, known: State) -> State:
        """The automation as the document says."""
        del tx
        return _state(dataclasses.replace(known.stored, definition=self._definition(known)))

    def create(self, tx: Transaction, caller: Caller) -> Done[str]:
        """Make it."""
        return Done("", automations.create(tx, caller, api.definition_of(self.body)).effects)

    def edit(self, tx: Transaction, caller: Caller, known: State) -> Done[str]:
        """Make it so."""
        said = self._definition(known)
        # To name a state that is there already would end what the hub noted of a pause of its own.
        apart = {"label", "state"} if said.state == known.stored.definition.state else {"label"}
        changes = {one.name: getattr(said, one.name) for one in dataclasses.fields(said) if one.name not in apart}
        changes["limits"] = {**said.limits.model_dump(exclude=set(BESIDE)), "ladder": said.limits.ladder.model_dump()}
        return Done("", automations.edit(tx, caller, known.stored.id, changes).effects)

    def missing(self, tx: Transaction) -> Sequence[Fault]:
        """Its bot, which is looked for last."""
        if automations.has_bot(tx, self.workspace_id, self.body.bot):
            return ()
        remedy = f"deploy it first: botyard deploy PATH --bot {self.body.bot}"
        return [Fault(field="bot", message=f"there is no bot {self.body.bot!r} here", remedy=remedy)]

    def _definition(self, known: State) -> Definition:
        said = api.definition_of(self.body)
        is_silent = "state" not in self.body.model_fields_set
        state = known.stored.definition.state if is_silent else said.state
        return dataclasses.replace(said, name=said.name or said.label, state=state)


def page(tx: Transaction, workspace_id: str, after: str, limit: int) -> list[Exported]:
    """Automations as documents, by label."""
    return [_exported(one) for one in automations.page(tx, workspace_id, after, limit)]


def _state(one: Automation) -> State:
    return State(members=members(api.view(one), api.NewAutomation), stored=one)


def _exported(one: Automation) -> Exported:
    said = one.definition
    usual = Definition(label=said.label, bot=said.bot, name=said.label)
    if one.paused_why is not None:  # by the hub: not what a developer says of it
        usual = dataclasses.replace(usual, state=AutomationState.PAUSED)
    known = members(api.view(dataclasses.replace(one, definition=usual)), api.NewAutomation)
    found = brief(_state(one).members, known)
    if "parameters" in found:
        found["parameters"] = short(api.view(one).parameters)
    found = {"bot": said.bot, **found}
    if found.get("retry", {}).get("causes"):
        causes = api.view(one).retry.causes
        found["retry"]["causes"] = {str(cause): short([retry])[0] for cause, retry in causes.items()}
    return said.label, found
