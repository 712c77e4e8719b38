"""Reasons that are limits: what is shared is held by others, or was started too often just now."""

from hub.domain.demand import LimitKind, Shortage, value_of
from hub.domain.quantities import duration_text
from hub.domain.waiting.known import Limited, Waiting
from hub.domain.waiting.reason import WaitingCode, WaitingReason, few, latest


def of_limits(waiting: Waiting) -> tuple[WaitingReason, ...]:
    """Each limit that keeps it, who holds that since when, and what would let it start."""
    return tuple(_of_limit(waiting, limited) for limited in waiting.limited)


def _of_limit(waiting: Waiting, limited: Limited) -> WaitingReason:
    kind = limited.shortage.want.kind
    code = WaitingCode.RATE if kind is LimitKind.RATE else WaitingCode.LIMIT
    match kind:
        case LimitKind.RATE:
            message, remedy = _rate(waiting, limited.shortage)
        case LimitKind.RESOURCE:
            message, remedy = _resource(limited)
        case _:
            message, remedy = _concurrency(waiting, limited)
    since = latest(waiting.queued_at, limited.full_since)
    return WaitingReason(code=code, message=message, since=since, remedy=remedy)


def _rate(waiting: Waiting, shortage: Shortage) -> tuple[str, str]:
    want, stock = shortage.want, shortage.stock
    time = duration_text(want.per_s)
    moment = f": the next one at {stock.free_at:%H:%M:%S} UTC" if stock.free_at else ""
    message = f"{waiting.automation} starts at most {want.total} in {time}{moment}."
    per = f"{want.per_s}s" if (want.per_s or 0) % 60 else f"{(want.per_s or 60) // 60}min"
    return message, f"It starts then; or botyard automation edit {waiting.automation} --rate {stock.used + 1}/{per}."


def _resource(limited: Limited) -> tuple[str, str]:
    want, stock = limited.shortage.want, limited.shortage.stock
    label = value_of(want.limit_key)
    if stock.total is None:
        return f"There is no resource {label} any more.", f"botyard resource create {label} --capacity {want.units}."
    enough = f"botyard resource edit {label} --capacity {stock.used + want.units}"
    if limited.has_accounts:
        enough = f"botyard resource edit {label} with one --account more"
    if want.units > stock.total:
        return f"It needs {want.units} of {label}, and there are {stock.total}.", f"{enough}."
    message = f"It needs {want.units} of {label}, and {stock.used} of {stock.total} are held{_by(limited)}."
    return message, f"It starts when {_whoever(limited)} ends; or {enough}."


def _concurrency(waiting: Waiting, limited: Limited) -> tuple[str, str]:
    want, name = limited.shortage.want, waiting.automation
    value = value_of(want.limit_key)
    of_value = f" for {value}" if value else ""
    message = (
        f"{name} runs at most {want.total} at once{of_value}, and {limited.shortage.stock.used} run{_by(limited)}."
    )
    more = limited.shortage.stock.used + want.units
    return message, f"It starts when {_whoever(limited)} ends; or botyard automation edit {name} --concurrency {more}."


def _by(limited: Limited) -> str:
    return f" (tasks {few(limited.holders)})" if limited.holders else ""


def _whoever(limited: Limited) -> str:
    if len(limited.holders) == 1:
        return f"task {limited.holders[0]}"
    return "one of them" if limited.shortage.missing <= 1 else "some of them"
