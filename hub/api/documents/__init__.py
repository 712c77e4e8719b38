"""Documents: what a team keeps in git, read with the very models of the API; one file a kind."""

import difflib
import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Annotated, Any

from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from hub.api import problem
from hub.api.documents import automation, calendar, queue, resource, trigger
from hub.api.documents.shape import Kind
from hub.api.fault_words import UNKNOWN
from hub.domain.documents.plan import DocumentKind
from hub.domain.parameters import Fault
from hub.services.applying import Document, Request

KINDS: Mapping[DocumentKind, Kind] = {
    DocumentKind.CALENDAR: Kind(model=calendar.CalendarDocument, document=calendar.OfCalendar, page=calendar.page),
    DocumentKind.RESOURCE: Kind(model=resource.ResourceDocument, document=resource.OfResource, page=resource.page),
    DocumentKind.QUEUE: Kind(model=queue.QueueDocument, document=queue.OfQueue, page=queue.page),
    DocumentKind.AUTOMATION: Kind(
        model=automation.AutomationDocument, document=automation.OfAutomation, page=automation.page
    ),
    DocumentKind.TRIGGER: Kind(model=trigger.TriggerDocument, document=trigger.OfTrigger, page=trigger.page),
}


def read(workspace_id: str, sent: Sequence[Mapping[str, Any]], *, dry_run: bool, plan: str | None) -> Request:
    """Documents as they were sent; those that can't be read leave their faults."""
    documents: list[Document] = []
    faults: list[Fault] = []
    unread = []
    for index, one in enumerate(sent):
        if one.get("kind") not in list(DocumentKind):
            faults.append(_no_kind(index, one))
            continue
        kind = KINDS[DocumentKind(one["kind"])]
        try:
            body = kind.model.model_validate_json(json.dumps(one))
        except ValidationError as error:
            found = problem.faults_of(error, under=f"documents.{index}")
            faults += [
                Fault(field=one.field, message=one.message, remedy=_near(kind, one.field) or one.remedy)
                if one.message == UNKNOWN
                else Fault(field=one.field, message=one.message, remedy=one.remedy)
                for one in found
            ]
            unread.append((DocumentKind(one["kind"]), str(one.get("label"))))
            continue
        documents.append(kind.document(index, workspace_id, body))
    digest = hashlib.sha256(json.dumps(sent, sort_keys=True).encode()).hexdigest()
    return Request(documents=documents, faults=faults, unread=unread, dry_run=dry_run, plan=plan, digest=digest)


@cache
def schema() -> bytes:
    """JSON Schema of one document, for editors."""
    models = tuple(kind.model for kind in KINDS.values())
    union: Any = models[0]
    for model in models[1:]:
        union |= model
    found = TypeAdapter(Annotated[union, Field(discriminator="kind")]).json_schema()
    about = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "A document of Botyard"}
    return json.dumps({**about, **found}, ensure_ascii=False, indent=2).encode()


def _near(kind: Kind, field: str) -> str:
    """What somebody meant who named a member that is none; nothing where no name comes near."""
    names = difflib.get_close_matches(field.rpartition(".")[2], _members(kind.model), n=2)
    return f"did you mean {' or '.join(names)}?" if names else ""


@cache
def _members(model: type[BaseModel]) -> frozenset[str]:
    """Every name that a document of this model may hold, at any depth."""
    shape = model.model_json_schema()
    return frozenset(name for one in (shape, *shape.get("$defs", {}).values()) for name in one.get("properties", ()))


def _no_kind(index: int, sent: Mapping[str, Any]) -> Fault:
    where, remedy = f"documents.{index}.kind", f"one of {', '.join(DocumentKind)}"
    if "kind" not in sent:
        return Fault(field=where, message="missing", remedy=remedy)
    return Fault(field=where, message=f"{str(sent['kind'])[:40]!r} is no kind of document", remedy=remedy)
