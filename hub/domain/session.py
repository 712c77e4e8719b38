"""One connection's decisions at the hub: who may open a session, and what each held execution is told (core.md D5, D8).

`answer` is the hub's half of *reconcile, not replay*: the runner names what it holds, the hub says what should be.

| hub knows | runner holds | answer |
|---|---|---|
| nothing | undecided or running | stop: a durable void, or the end of a stranger |
| nothing | ended or void | forget |
| unsettled, its fence counts | – | continue; stop, where one was asked |
| settled, all of it is here | ended or void | forget |
| settled, something is missing | ended | upload_rest |
| lost under `keep`, no newer round | still running | continue: it ends in its own time, into late reports |
| settled or stale otherwise | still running | stop (superseded) |
"""

from dataclasses import dataclass
from enum import StrEnum

from agent.wire.messages import Held, Hello
from agent.wire.words import ExecutionState, OnDisconnect, StopCause
from hub.domain.execution import LIVE


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownExecution:
    """What the hub knows of an execution that a runner holds."""

    state: ExecutionState
    is_current: bool
    """Its fence is the task's."""
    is_lost: bool
    """It was given up as lost, and no newer round or execution took its place."""
    on_disconnect: OnDisconnect
    is_whole: bool
    """Every fact up to `final` and all of the output are here."""
    stop: StopCause | None = None
    """A stop that was asked of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One line of the hub's answer to an inventory."""

    action: str
    stop: StopCause | None = None


_CONTINUE = Answer(action="continue")
_FORGET = Answer(action="forget")
_UPLOAD_REST = Answer(action="upload_rest")
_SUPERSEDED = Answer(action="stop", stop=StopCause.SUPERSEDED)


def answer(held: Held, known: KnownExecution | None) -> Answer:
    """What the runner should do with an execution that it holds."""
    if known is None:
        return _FORGET if held.ended else _SUPERSEDED
    if known.state in LIVE and known.is_current:
        return _CONTINUE if known.stop is None or held.ended else Answer(action="stop", stop=known.stop)
    if held.verdict == "void" or known.is_whole:
        return _FORGET
    if held.ended:
        return _UPLOAD_REST
    if held.verdict == "started" and known.is_lost and known.on_disconnect is OnDisconnect.KEEP:
        return _CONTINUE
    return _SUPERSEDED


class Refusal(StrEnum):
    """Why a hello is refused; the words of `Rejected.code`."""

    UNKNOWN = "unknown"
    SIGNATURE = "signature"
    ORIGIN = "origin"
    REVOKED = "revoked"
    QUARANTINED = "quarantined"
    CLONED = "cloned"


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrolledRunner:
    """What the hub knows of the runner that says hello."""

    home_id: str
    fingerprint: str
    join_counter: int
    is_revoked: bool
    is_quarantined: bool


def refuse(hello: Hello, runner: EnrolledRunner | None, *, is_signed: bool, is_own_origin: bool) -> Refusal | None:
    """Why this hello opens no session, or None.

    A stranger learns nothing of an enrolled runner: what the database knows is only told to whoever holds its key. A
    join counter that did not grow means that two machines run one home (a clone, a copy, a restored disk): the caller
    quarantines it, and later counters do not cure that (D8, S3).
    """
    if runner is None:
        return Refusal.UNKNOWN
    if not is_signed:
        return Refusal.SIGNATURE
    if not is_own_origin:
        return Refusal.ORIGIN
    if runner.is_revoked:
        return Refusal.REVOKED
    if runner.is_quarantined:
        return Refusal.QUARANTINED
    if hello.join <= runner.join_counter or hello.home_id != runner.home_id:
        return Refusal.CLONED
    return None
