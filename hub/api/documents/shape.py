"""What documents of all kinds have in common: the parsed body, and how a view becomes members."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar

from pydantic import BaseModel

from hub.api.call import Strict
from hub.domain.documents.plan import DocumentKind, Thing
from hub.domain.parameters import Fault
from hub.storage.transaction import Transaction

M = TypeVar("M", bound=Strict)

Exported = tuple[str, dict[str, Any]]
"""Label, and the document without what is usual."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """How documents of one kind are read, and how what is there becomes one."""

    model: type[Strict]
    document: Callable[[int, str, Any], Any]
    """(index, workspace, body) to a `hub.services.applying.Document`."""
    page: Callable[[Transaction, str, str, int], list[Exported]]
    """(workspace, behind this label, at most) to documents."""


@dataclass(frozen=True, slots=True)
class Said(Generic[M]):
    """A document that could be read; what its kind knows is in the subclasses."""

    index: int
    workspace_id: str
    body: M

    kind: ClassVar[DocumentKind]

    @property
    def label(self) -> str:
        """Of what it defines."""
        label: str = getattr(self.body, "label")  # noqa: B009 - every document has one
        return label

    def references(self) -> Mapping[str, Thing]:
        """What it names, by member: nothing."""
        return {}

    def missing(self, tx: Transaction) -> Sequence[Fault]:
        """Nothing beside what its service tells."""
        del tx
        return ()

    def where(self, field: str) -> str:
        """As its service has it."""
        return field


def members(view: BaseModel, model: type[Strict], *, apart: Collection[str] = ()) -> dict[str, Any]:
    """The members of a view that a document of this model says, as JSON."""
    shown = view.model_dump(mode="json")
    return {name: shown[name] for name in model.model_fields if name in shown and name not in {"label", *apart}}


def short(found: Sequence[BaseModel]) -> list[dict[str, Any]]:
    """A list of objects, each without what is usual."""
    return [one.model_dump(mode="json", exclude_defaults=True) for one in found]
