"""Resources as documents."""

import dataclasses
from typing import ClassVar, Literal

from hub.api import resources as api
from hub.api.documents.shape import Exported, Said
from hub.domain.access import Caller
from hub.domain.documents.plan import DocumentKind, State, brief
from hub.errors import NotFound
from hub.services import resources
from hub.services.resources import Wanted
from hub.storage.resources import ResourceRow
from hub.storage.transaction import Done, Transaction


class ResourceDocument(api.NewResource):
    """A resource: of which there is only so much."""

    kind: Literal["resource"]


class OfResource(Said[ResourceDocument]):
    """A document that defines a resource."""

    kind: ClassVar[DocumentKind] = DocumentKind.RESOURCE

    def known(self, tx: Transaction) -> State | None:
        """The resource of its label."""
        try:
            found = resources.row_of(tx, self.workspace_id, self.label)
        except NotFound:
            return None
        return _state(_wanted(found))

    def wanted(self, tx: Transaction, known: State) -> State:
        """The resource as the document says."""
        del tx, known
        return _state(api.wanted(self.body))

    def create(self, tx: Transaction, caller: Caller) -> Done[str]:
        """Make it."""
        return Done("", resources.create(tx, caller, api.wanted(self.body)).effects)

    def edit(self, tx: Transaction, caller: Caller, known: State) -> Done[str]:
        """Make it so."""
        del known
        said = dataclasses.asdict(api.wanted(self.body))
        said["name"] = self.body.name or self.label
        changes = {name: value for name, value in said.items() if name != "label" and value is not None}
        return Done("", resources.edit(tx, caller, self.label, changes).effects)


def page(tx: Transaction, workspace_id: str, after: str, limit: int) -> list[Exported]:
    """Resources as documents, by label."""
    found = map(_wanted, resources.rows_behind(tx, workspace_id, after, limit))
    return [(one.label, brief(_state(one).members, _state(Wanted(label=one.label)).members)) for one in found]


def _wanted(one: ResourceRow) -> Wanted:
    is_counted = one.accounts is None
    return Wanted(
        label=one.label,
        name=one.name,
        description=one.description,
        capacity=one.capacity if is_counted else None,
        accounts=one.accounts,
    )


def _state(said: Wanted) -> State:
    return State(
        members={
            "name": said.name or said.label,
            "description": said.description,
            "capacity": said.capacity,
            "accounts": None if said.accounts is None else list(said.accounts),
        }
    )
