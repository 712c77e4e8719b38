"""Options for what follows a failure, as people write it, and the same policy as people read it."""

import re
from typing import Annotated, Any

import typer

from hub.domain.quantities import duration_text, read_duration
from hub.domain.retry import BASE_S, CAP_S, Cause, Route

Attempts = Annotated[int | None, typer.Option(min=1, max=20, help="Executions in all, when they fail.")]
Retry = Annotated[
    list[str] | None,
    typer.Option(
        metavar="CAUSE=POLICY",
        help="machine=3,other-runner,30s..1h,then-person: tries, where, pauses, what then. Causes: never-started, "
        "machine, bot, business (the bot said that it failed). Or business=skip, person or stop. "
        "Given once, it replaces all.",
    ),
]
StopAfter = Annotated[
    str | None, typer.Option(metavar="NUMBER", help="So many failed tasks in a row pause it; none: never.")
]
_PAUSES = re.compile(r"(.+)\.\.(.+)")
_THEN = "then-"


def of_automation(attempts: int | None, retry: list[str] | None, stop_after: str | None) -> dict[str, Any]:
    """The member `retry` of an automation, with what was given; nothing where nothing was. Raises BadParameter."""
    said: dict[str, Any] = {}
    if attempts:
        said["attempts"] = attempts
    if retry:
        said["causes"] = dict(_cause(one) for one in retry)
    if stop_after is not None:
        said["stop_after"] = _count(stop_after)
    return {"retry": said} if said else {}


def line(retry: dict[str, Any]) -> str:
    """A policy on one line."""
    parts = [f"{retry['attempts']} in all" if retry["attempts"] > 1 else "none"]
    parts += [f"{cause.replace('_', '-')}={_text(one)}" for cause, one in sorted(retry["causes"].items())]
    if retry["stop_after"]:
        parts.append(f"stops after {retry['stop_after']} failed in a row")
    return "; ".join(parts[1:] if retry["attempts"] == 1 and len(parts) > 1 else parts)


def _text(one: dict[str, Any]) -> str:
    route = one["route"].replace("_", "-")
    if route in {Route.SKIP, Route.PERSON, Route.STOP}:
        return str(route)
    words = [str(one["limit"]), "" if route == Route.RETRY else route]
    words.append(f"{_short(one['base_s'])}..{_short(one['cap_s'])}" if one["base_s"] else "at-once")
    words.append("" if one["then"] == Route.SKIP else _THEN + one["then"])
    return ",".join(word for word in words if word)


def _short(seconds: float) -> str:
    return duration_text(seconds).replace(" ", "")


def _cause(text: str) -> tuple[str, dict[str, Any]]:
    name, separator, rest = text.partition("=")
    cause = name.strip().replace("-", "_")
    if cause not in set(Cause) or not separator or not rest.strip():
        causes = ", ".join(one.replace("_", "-") for one in Cause)
        raise _bad(f"{text!r}: say CAUSE=POLICY, with one of {causes}")
    policy: dict[str, Any] = {}
    for word in rest.split(","):
        policy |= _word(word.strip().lower())
    return cause, policy


def _word(word: str) -> dict[str, Any]:
    if word.isdecimal():
        return {"limit": int(word)}
    if word == "at-once":
        return {"base_s": 0.0, "cap_s": 0.0}
    pauses = _PAUSES.fullmatch(word)
    if pauses:
        return {"base_s": _pause(pauses[1]), "cap_s": _pause(pauses[2])}
    member, plain = ("then", word.removeprefix(_THEN)) if word.startswith(_THEN) else ("route", word)
    route = plain.replace("-", "_")
    if route not in set(Route):
        pauses_said = f"pauses as {_short(BASE_S)}..{_short(CAP_S)}"
        raise _bad(f"{word!r}: say a number of tries, {pauses_said}, at-once, a route, or then-ROUTE")
    return {member: route}


def _pause(text: str) -> float:
    try:
        found = read_duration(text)
    except ValueError as error:
        raise _bad(str(error)) from None
    if found is None:
        raise _bad(f"{text!r} is no pause: say 30s, 10m, 1h")
    return found


def _count(text: str) -> int | None:
    if text.strip().lower() == "none":
        return None
    if not text.strip().isdecimal() or not int(text):
        raise typer.BadParameter(f"{text!r} is no number: say 5, or none", param_hint="--stop-after")
    return int(text)


def _bad(message: str) -> typer.BadParameter:
    return typer.BadParameter(message, param_hint="--retry")
