"""Applying documents: all of them are planned and carried out by the same lines, in one transaction, or none is.

A plan that is only looked at is carried out too, and taken back: so there is no second set of rules that could promise
what the first does not keep. Adapters know what a document of a kind says (`Document`); here is what holds for all.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from hub.domain.access import Caller
from hub.domain.documents.plan import Action, DocumentKind, Plan, State, Step, Thing, differences, in_order, plan_of
from hub.domain.parameters import Fault
from hub.errors import BotyardError, Conflict, Invalid, Unavailable
from hub.storage.transaction import Done, Effect, Transaction

_MEMBERS: Mapping[str, str] = {"no_bot": "bot", "no_automation": "automation", "no_calendar": "calendar"}
"""Where a document names what is not there, by the code of the refusal."""


class Document(Protocol):
    """What an adapter knows of one document."""

    @property
    def index(self) -> int:
        """Which of the documents it is, from 0."""
        ...

    @property
    def kind(self) -> DocumentKind:
        """What it defines."""
        ...

    @property
    def label(self) -> str:
        """Of what it defines."""
        ...

    def references(self) -> Mapping[str, Thing]:
        """What it names, by member."""
        ...

    def known(self, tx: Transaction) -> State | None:
        """What is there under its label; None: nothing."""
        ...

    def wanted(self, tx: Transaction, known: State) -> State:
        """What will be there. Raises what `edit` would raise for things that it names and that are not there."""
        ...

    def create(self, tx: Transaction, caller: Caller) -> Done[str]:
        """Make it; the result is a note for people, mostly empty."""
        ...

    def edit(self, tx: Transaction, caller: Caller, known: State) -> Done[str]:
        """Make it as the document says."""
        ...

    def missing(self, tx: Transaction) -> Sequence[Fault]:
        """What is wrong beside the first thing that `create` and `edit` stop at."""
        ...

    def where(self, field: str) -> str:
        """A fault's field as the document has it."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Documents to apply."""

    documents: Sequence[Document]
    faults: Sequence[Fault] = ()
    """Of documents that could not be read; the others are looked at all the same, so that all is told at once."""
    unread: Collection[Thing] = ()
    """What those define: that it is missing is no fault of whoever names it."""
    dry_run: bool = False
    plan: str | None = None
    """Digest of the plan that was shown: only this one is carried out."""
    digest: str = ""
    """Of the documents as they were sent."""


class Shown(Exception):  # noqa: N818  # no error: the way out of a transaction of which nothing stays
    """A plan that was asked for, and not carried out."""

    def __init__(self, plan: Plan) -> None:
        super().__init__("nothing was changed")
        self.plan = plan


def apply(tx: Transaction, caller: Caller, request: Request) -> Done[Plan]:
    """Make everything as the documents say, or nothing at all; what is so already is left alone, without an event.

    Raises Invalid with every fault of every document (`documents.3.lease_s`), Conflict (`plan_changed`) when the plan
    is not the one that was shown, Shown after a dry run.
    """
    documents = {(one.kind, one.label): one for one in request.documents}
    needs = {thing: list(one.references().values()) for thing, one in documents.items()}
    order, circle = in_order(needs)
    steps, effects, failed = _carry_out(tx, caller, [documents[thing] for thing in order if thing not in circle])
    at_fault = {*request.unread, *circle, *failed}
    faults = [*request.faults, *_repeated(request.documents), *(_in_circle(documents[one], circle) for one in circle)]
    for thing, found in failed.items():
        faults += _own(documents[thing], found, at_fault - {thing})
    if faults or failed:
        told = [fault.as_json() for fault in sorted(faults, key=_position)]
        raise Invalid("documents", "The documents can't be applied; nothing was changed.", {"errors": told})
    plan = plan_of(steps, request.digest)
    if request.dry_run:
        raise Shown(plan)
    if request.plan is not None and request.plan != plan.digest:
        raise Conflict("plan_changed", "Something changed since the plan was shown; nothing was done. Look again.")
    return Done(plan, list(dict.fromkeys(effects)))


def unchanged(tx: Transaction, request: Request) -> Plan | None:
    """The plan where all is as the documents say, by reading alone; None where it is not, or they have faults.

    Most calls are such: nobody's writing has to wait for them.
    """
    if request.faults or _repeated(request.documents):
        return None
    steps = []
    try:
        for one in request.documents:
            known = one.known(tx)
            if known is None or differences(known, one.wanted(tx, known)):
                return None
            steps.append(Step(index=one.index, kind=one.kind, label=one.label, action=Action.UNCHANGED))
    except Unavailable:
        raise
    except BotyardError:
        return None
    plan = plan_of(steps, request.digest)
    return plan if request.plan in {None, plan.digest} else None


def _carry_out(
    tx: Transaction, caller: Caller, documents: Sequence[Document]
) -> tuple[list[Step], list[Effect], dict[Thing, list[Fault]]]:
    """What was done for each, and the faults of those that could not be.

    What stands in the way of a document may go with another one that comes later, a use of many units of a resource
    say; so those that failed are tried again as long as that helps.
    """
    known = [(one, one.known(tx)) for one in documents]
    steps: list[Step] = []
    effects: list[Effect] = []
    while True:
        left, failed = [], dict[Thing, list[Fault]]()
        for document, before in known:
            try:
                step, more = _step(tx, caller, document, before)
            except Unavailable:
                raise
            except BotyardError as error:
                left.append((document, before))
                failed[document.kind, document.label] = _faults(tx, document, error)
                continue
            steps.append(step)
            effects += more
        if not left or len(left) == len(known):
            return steps, effects, failed
        known = left


def _step(tx: Transaction, caller: Caller, document: Document, known: State | None) -> tuple[Step, Sequence[Effect]]:
    """Do what a document wants, all of it or nothing. Raises what its kind raises."""
    step = Step(index=document.index, kind=document.kind, label=document.label, action=Action.UNCHANGED)
    with tx.attempt():
        if known is None:
            done = document.create(tx, caller)
            return replace(step, action=Action.CREATE, note=done.result), done.effects
        changes = differences(known, document.wanted(tx, known))
        if not changes:
            return step, ()
        done = document.edit(tx, caller, known)
    return replace(step, action=Action.CHANGE, changes=changes, note=done.result), done.effects


def _faults(tx: Transaction, document: Document, error: BotyardError) -> list[Fault]:
    """Everything that is wrong with a document, its fields as the document has them."""
    told = [Fault(**one) for one in error.details.get("errors", ())]
    told = [replace(one, field=document.where(one.field)) for one in told]
    if not told:
        told = [Fault(field=_MEMBERS.get(error.code, ""), message=error.message, remedy="")]
    fields = {one.field for one in told}
    return told + [one for one in document.missing(tx) if one.field not in fields]


def _own(document: Document, found: Sequence[Fault], at_fault: Collection[Thing]) -> list[Fault]:
    """Faults that are not merely those of a document that this one names; with their places among all documents."""
    excused = {member for member, thing in document.references().items() if thing in at_fault}
    return [_placed(document, one) for one in found if one.field not in excused]


def _repeated(documents: Sequence[Document]) -> list[Fault]:
    """A fault at each place where a label stands that stands elsewhere too."""
    count = Counter((one.kind, one.label) for one in documents)
    twice = [one for one in documents if count[one.kind, one.label] > 1]
    words = {one.index: f"{one.kind} {one.label!r} is defined here and elsewhere" for one in twice}
    return [_placed(one, Fault(field="label", message=words[one.index], remedy="keep one")) for one in twice]


def _in_circle(document: Document, circle: Sequence[Thing]) -> Fault:
    members = [member for member, thing in document.references().items() if thing in circle]
    message = "items would come back to this queue for ever"
    return _placed(document, Fault(field=members[0], message=message, remedy="let the way end somewhere"))


def _placed(document: Document, fault: Fault) -> Fault:
    return replace(fault, field=f"documents.{document.index}.{fault.field}".rstrip("."))


def _position(fault: Fault) -> int:
    return int(fault.field.split(".")[1])
