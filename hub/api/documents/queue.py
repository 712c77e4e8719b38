"""Queues as documents. Whether one is paused is no part of them: that is decided while it works."""

import dataclasses
from collections.abc import Mapping
from typing import ClassVar, Literal

from hub.api import queues as api
from hub.api.documents.shape import Exported, Said, members, short
from hub.domain.access import Caller
from hub.domain.documents.plan import DocumentKind, State, Thing, brief
from hub.domain.queue import Queue, QueueDefinition
from hub.errors import NotFound
from hub.services import queues
from hub.services.queues import QueueView
from hub.storage.transaction import Done, Transaction


class QueueDocument(api.NewQueue):
    """A queue: where items wait."""

    kind: Literal["queue"]


class OfQueue(Said[QueueDocument]):
    """A document that defines a queue."""

    kind: ClassVar[DocumentKind] = DocumentKind.QUEUE

    def references(self) -> Mapping[str, Thing]:
        """The queues that its items go on to."""
        said = {"success_queue": self.body.success_queue, "failure_queue": self.body.failure_queue}
        return {name: (DocumentKind.QUEUE, label) for name, label in said.items() if label is not None}

    def known(self, tx: Transaction) -> State | None:
        """The queue of its label."""
        try:
            return _state(queues.queue_of(tx, self.workspace_id, self.label))
        except NotFound:
            return None

    def wanted(self, tx: Transaction, known: State) -> State:
        """The queue as the document says."""
        del tx
        return _state(_with(known.stored, api.definition_of(self.body)))

    def create(self, tx: Transaction, caller: Caller) -> Done[str]:
        """Make it."""
        return Done("", queues.create(tx, caller, api.definition_of(self.body)).effects)

    def edit(self, tx: Transaction, caller: Caller, known: State) -> Done[str]:
        """Make it so."""
        said = api.definition_of(self.body)
        changes = {one.name: getattr(said, one.name) for one in dataclasses.fields(said) if one.name != "label"}
        return Done("", queues.edit(tx, caller, known.stored.id, changes).effects)

    def where(self, field: str) -> str:
        """The document's word for the schema."""
        first, dot, rest = field.partition(".")
        return f"payload_schema{dot}{rest}" if first == "schema" else field


def page(tx: Transaction, workspace_id: str, after: str, limit: int) -> list[Exported]:
    """Queues as documents, by label."""
    return [_exported(one) for one in queues.queues_behind(tx, workspace_id, after, limit)]


def _with(one: Queue, said: QueueDefinition) -> Queue:
    return dataclasses.replace(one, definition=dataclasses.replace(said, name=said.name or said.label))


def _view(one: Queue) -> api.Queue:
    return api.view(QueueView(queue=one, counts={}))


def _state(one: Queue) -> State:
    return State(members=members(_view(one), api.NewQueue), stored=one)


def _exported(one: Queue) -> Exported:
    label = one.definition.label
    usual = _state(_with(one, QueueDefinition(label=label)))
    found = brief(_state(one).members, usual.members)
    if "fields" in found:
        found["fields"] = short(_view(one).fields)
    return label, found
