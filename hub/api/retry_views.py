"""What follows a failure of an automation's tasks, as clients say and see it."""

from typing import Annotated, Any

from pydantic import Field

from agent.wire.words import Outcome
from hub.api.call import Strict
from hub.domain.retry import ATTEMPTS_MAX, BASE_S, CAP_S, LONGEST_S, RETRIED, Cause, CausePolicy, RetryPolicy, Route

_Route = Annotated[Route, Field(strict=False)]
_Cause = Annotated[Cause, Field(strict=False)]


class CauseRetry(Strict):
    """What is done about failures of one cause."""

    limit: int = Field(default=3, ge=0, le=ATTEMPTS_MAX, description="How often it is tried again.")
    base_s: float = Field(
        default=BASE_S, ge=0, le=LONGEST_S, description="The first pause lies between 0 and this; 0: at once."
    )
    cap_s: float = Field(default=CAP_S, ge=0, le=LONGEST_S, description="The span doubles with each try, up to this.")
    route: _Route = Field(default=Route.RETRY, description="retry, other_runner, or skip, person, stop at once.")
    then: _Route = Field(default=Route.SKIP, description="When no try is left: skip, person or stop.")


class Retry(Strict):
    """What follows a failure. A cause without an entry follows `attempts` and `on`: at once, anywhere.

    Of an automation's starts of an hour at most a fifth, though 20 in any case, are tries again.
    """

    attempts: int = Field(default=1, ge=1, le=ATTEMPTS_MAX, description="Executions in all.")
    on: list[Annotated[Outcome, Field(strict=False)]] = Field(default=[*RETRIED])
    causes: dict[_Cause, CauseRetry] = Field(
        default={}, description="By who was at fault: never_started, machine, bot, business (the bot said so itself)."
    )
    stop_after: int | None = Field(default=None, ge=1, le=1000, description="Failed tasks in a row that stop it.")


def said(sent: Retry) -> dict[str, Any]:
    """The members that were sent, as the policy has them."""
    found: dict[str, Any] = {name: getattr(sent, name) for name in sent.model_fields_set}
    if "on" in found:
        found["on"] = frozenset(sent.on)
    if "causes" in found:
        found["causes"] = {cause: CausePolicy(**one.model_dump()) for cause, one in sent.causes.items()}
    return found


def retry_view(policy: RetryPolicy) -> Retry:
    """A policy as clients see it."""
    causes = {
        cause: CauseRetry(**{name: getattr(one, name) for name in CauseRetry.model_fields})
        for cause, one in sorted(policy.causes.items())
    }
    return Retry(attempts=policy.attempts, on=sorted(policy.on), causes=causes, stop_after=policy.stop_after)
