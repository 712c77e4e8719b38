"""Applying and exporting documents: what a team keeps in git."""

from collections.abc import Sequence
from typing import Any

from aiohttp import web
from pydantic import Field, JsonValue

from hub.api import documents
from hub.api.call import Call, Nothing, Sent, Strict, View
from hub.api.paging import Listing, cursor_of
from hub.api.problem import Fault, Refused
from hub.api.route import Route, Spec, route
from hub.domain.access import Role
from hub.domain.documents import plan as rules
from hub.domain.documents.plan import DOCUMENTS_MAX, Action, DocumentKind
from hub.services import applying
from hub.services.applying import Shown
from hub.services.idempotency import Answered
from hub.storage.transaction import Transaction

_SCHEMA = "application/schema+json"
_EXAMPLE = {
    "documents": [
        {"kind": "queue", "label": "orders", "lease_s": 300},
        {"kind": "resource", "label": "sap-licence", "capacity": 3},
    ],
    "dry_run": True,
}


class Apply(Strict):
    """Documents, each with its `kind`, its `label`, and what defining such a thing takes."""

    documents: list[dict[str, JsonValue]] = Field(min_length=1, max_length=DOCUMENTS_MAX)
    dry_run: bool = Field(default=False, description="Only say what would change.")
    plan: str | None = Field(
        default=None, max_length=64, description="`plan` of a dry run: another plan is refused (409, `plan_changed`)."
    )


class Change(View):
    """A member that becomes another; of secret ones only that they do."""

    member: str
    old: JsonValue
    new: JsonValue


class Step(View):
    """What applying does for one document."""

    document: int = Field(description="Which one, from 0.")
    kind: DocumentKind
    label: str
    action: Action
    changes: list[Change]
    note: str = Field(description="What is still to be done by hand.")


class Plan(View):
    """What was done, or would be."""

    plan: str = Field(description="Names the plan.")
    applied: bool
    steps: list[Step] = Field(description="By kind and label.")


class Wanted(Listing):
    """Which documents."""

    kind: DocumentKind | None = Field(default=None, description="Only of this kind.")

    @property
    def position(self) -> tuple[DocumentKind, str]:
        """(kind, label) behind which the page begins. Raises Refused (400) for a cursor that is none of ours."""
        kind, _, label = self.after.partition("/")
        if not self.cursor:
            return self.kind or next(iter(DocumentKind)), ""
        if kind in list(DocumentKind):
            return DocumentKind(kind), label
        fault = Fault(field="cursor", message="is no cursor", remedy="take `next` of the page before")
        raise Refused(400, "query", "The query can't be read.", [fault])

    def kinds(self, first: DocumentKind) -> list[DocumentKind]:
        """The kinds that are wanted, from this one on."""
        kinds = list(DocumentKind)
        return [one for one in kinds[kinds.index(first) :] if self.kind in {None, one}]


class Documents(View):
    """Documents as `POST /apply` takes them."""

    items: list[dict[str, JsonValue]] = Field(description="By label; what is usual is left out, and so are secrets.")
    next: str | None = Field(default=None, description="Cursor of the next page; null on the last one.")


@route(
    "POST",
    "/apply",
    Spec(
        role=Role.DEVELOPER,
        summary="Make things as documents say",
        about="All of them or none. What no document names stays as it is; what is so already is left alone.",
        example=_EXAMPLE,
    ),
)
async def apply(call: Call[Apply, Nothing]) -> Sent[Plan]:
    """What was changed, member by member; with `dry_run` what would be."""
    body, caller = call.body, call.caller
    request = documents.read(caller.workspace_id, body.documents, dry_run=body.dry_run, plan=body.plan)
    same = await call.read(lambda tx: applying.unchanged(tx, request))
    if same is not None:
        return _told(call, same, applied=not request.dry_run)
    try:
        return await call.write(lambda tx: applying.apply(tx, caller, request), _applied)
    except Shown as shown:
        return _told(call, shown.plan, applied=False)


@route("GET", "/apply/schema", Spec(role=Role.VIEWER, summary="JSON Schema of documents", media=_SCHEMA))
async def schema(call: Call[Nothing, Nothing]) -> web.Response:
    """What editors check documents with."""
    del call
    return web.Response(body=documents.schema(), content_type=_SCHEMA)


@route("GET", "/export", Spec(role=Role.VIEWER, summary="Everything as documents", about="By kind and label."))
async def export(call: Call[Nothing, Wanted]) -> Documents:
    """Documents that would make the same again; values of secret parameters are not in them."""
    query, workspace_id = call.query, call.caller.workspace_id
    first, after = query.position
    found = await call.read(lambda tx: _exported(tx, workspace_id, query.kinds(first), after, query.limit + 1))
    items: list[dict[str, JsonValue]] = [
        {"kind": str(kind), "label": label, **members} for kind, label, members in found[: query.limit]
    ]
    more = cursor_of(f"{items[-1]['kind']}/{items[-1]['label']}") if len(found) > query.limit else None
    return Documents(items=items, next=more)


ROUTES: tuple[Route, ...] = (apply, schema, export)


def _told(call: Call[Apply, Nothing], plan: rules.Plan, *, applied: bool) -> Sent[Plan]:
    """What nothing was written for."""
    body = _view(plan, applied=applied).model_dump_json().encode()
    return Sent(Answered(status=call.status, body=body, replayed=False))


def _applied(plan: rules.Plan) -> Plan:
    return _view(plan, applied=True)


def _view(plan: rules.Plan, *, applied: bool) -> Plan:
    steps = [
        Step(
            document=one.index,
            kind=one.kind,
            label=one.label,
            action=one.action,
            changes=[Change(member=change.member, old=change.old, new=change.new) for change in one.changes],
            note=one.note,
        )
        for one in plan.steps
    ]
    return Plan(plan=plan.digest, applied=applied, steps=steps)


def _exported(
    tx: Transaction, workspace_id: str, kinds: Sequence[DocumentKind], after: str, limit: int
) -> list[tuple[DocumentKind, str, dict[str, Any]]]:
    """(kind, label, members) of the first kind's documents behind that label, then of the others."""
    found: list[tuple[DocumentKind, str, dict[str, Any]]] = []
    for kind in kinds:
        made = documents.KINDS[kind].page(tx, workspace_id, after, limit - len(found))
        found += [(kind, label, members) for label, members in made]
        if len(found) >= limit:
            break
        after = ""
    return found
