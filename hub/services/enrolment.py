"""Enrolment tokens: each brings one runner in, once, soon (`reliability.md` S1). Using one up: `runners.py`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from hub.domain.access import Caller, secret_hash
from hub.domain.automation import label_faults
from hub.domain.runner_name import name_faults
from hub.errors import Conflict, NotFound
from hub.services.automations import invalid
from hub.storage import access as rows
from hub.storage import enrolment_tokens as stored
from hub.storage.access import EnrolmentRow
from hub.storage.transaction import Done, NewEvent, Transaction

LIFE_MAX = timedelta(hours=24)
LIFE_MIN = timedelta(seconds=30)


class EnrolmentState(StrEnum):
    """Whether an enrolment token can still be used."""

    OPEN = "open"
    USED = "used"
    ENDED = "ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewEnrolment:
    """A token that is asked for: the labels its runner gets (its own are added), its name unless it brings one."""

    labels: Mapping[str, str] = field(default_factory=dict)
    name: str | None = None
    life: timedelta = timedelta(minutes=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrolmentView:
    """An enrolment token without its secret."""

    id: str
    state: EnrolmentState
    labels: Mapping[str, str]
    name: str | None
    created_by: str
    created_at: datetime
    expires_at: datetime
    used_at: datetime | None
    used_by: str | None
    """The runner that it brought in."""


def create(tx: Transaction, caller: Caller, new: NewEnrolment, secret: str) -> Done[EnrolmentView]:
    """A token for one runner of the caller's workspace. Raises Invalid."""
    faults = [*label_faults("labels", new.labels), *(name_faults(new.name) if new.name is not None else [])]
    if faults:
        raise invalid("labels", "A runner can't be called or labelled so.", faults)
    row = EnrolmentRow(
        workspace_id=caller.workspace_id,
        id=tx.new_id("enr"),
        secret_hash=secret_hash(secret),
        labels=new.labels,
        name=new.name,
        created_by=caller.actor,
        created_at=tx.now,
        expires_at=tx.now + min(max(new.life, LIFE_MIN), LIFE_MAX),
        used_at=None,
        used_by=None,
    )
    rows.insert_enrolment(tx, row)
    _record(tx, caller, "enrolment_token.created", row.id)
    return Done(_view(tx, row))


def page(tx: Transaction, workspace_id: str, after: str, limit: int) -> list[EnrolmentView]:
    """Enrolment tokens, oldest first, behind the id `after`."""
    return [_view(tx, row) for row in stored.page(tx, workspace_id, after, limit)]


def revoke(tx: Transaction, caller: Caller, token_id: str) -> Done[EnrolmentView]:
    """End an unused token. Raises NotFound, and Conflict when it was used: then the runner is what to revoke."""
    row = stored.enrolment_token(tx, caller.workspace_id, token_id)
    if row is None:
        raise NotFound("no_enrolment_token", f"There is no enrolment token {token_id!r} here.")
    if row.used_at is not None:
        raise Conflict("enrolment_token_used", f"It brought {row.used_by} in. Revoke that runner instead.")
    if stored.end(tx, caller.workspace_id, token_id):
        _record(tx, caller, "enrolment_token.revoked", token_id)
    return Done(_view(tx, stored.enrolment_token(tx, caller.workspace_id, token_id) or row))


def _view(tx: Transaction, row: EnrolmentRow) -> EnrolmentView:
    ended = EnrolmentState.OPEN if tx.now < row.expires_at else EnrolmentState.ENDED
    return EnrolmentView(
        id=row.id,
        state=EnrolmentState.USED if row.used_at is not None else ended,
        labels=row.labels,
        name=row.name,
        created_by=row.created_by,
        created_at=row.created_at,
        expires_at=row.expires_at,
        used_at=row.used_at,
        used_by=row.used_by,
    )


def _record(tx: Transaction, caller: Caller, kind: str, token_id: str) -> None:
    tx.record(NewEvent(workspace_id=caller.workspace_id, kind=kind, subject=token_id, actor=caller.actor, cause="api"))
