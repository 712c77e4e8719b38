"""Options for what the tasks of an automation share, as people write them, and the same as people read it."""

import re
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from hub.cli.usage import none_or
from hub.domain.quantities import NONE, duration_text

Concurrency = Annotated[
    str | None, typer.Option(metavar="NUMBER", help="At most so many of its tasks at once, or none: no limit.")
]
ConcurrencyKey = Annotated[
    str | None,
    typer.Option(
        metavar="CEL",
        help="At most one task (or --concurrency many) at once for each value, as in parameters.customer; or none.",
    ),
]
Uses = Annotated[
    list[str] | None,
    typer.Option("--use", help="resource=units that a task holds while it runs; repeat it. Replaces all; none: none."),
]
Rate = Annotated[str | None, typer.Option(metavar="RATE", help="Starts in a time: 10/min, 3/s, 100/h, or none.")]

_RATE = re.compile(r"(\d+)\s*/\s*(\d*)\s*(s|sec|m|min|h|hour|d|day)\Z")
_SECONDS = {"s": 1, "sec": 1, "m": 60, "min": 60, "h": 3600, "hour": 3600, "d": 86400, "day": 86400}
_USE = re.compile(r"([^=\s]+)(?:=(-?\d+))?\Z")


def of_automation(
    concurrency: str | None, concurrency_key: str | None, use: list[str] | None, rate: str | None
) -> dict[str, Any]:
    """The members that were given, as the API has them. Raises BadParameter that names the option."""
    said: dict[str, Any] = {}
    if concurrency is not None:
        said["concurrency"] = _count(concurrency)
    if concurrency_key is not None:
        said["concurrency_key"] = None if concurrency_key == NONE else concurrency_key
    if (uses := none_or(use, "--use", NONE)) is not None:
        said["uses"] = dict(_use(one) for one in uses)
    if rate is not None:
        said["rate"] = _rate(rate)
    return said


def line(found: Mapping[str, Any]) -> str | None:
    """What is shared, in one line; None where nothing is."""
    parts = []
    if found["concurrency"] is not None:
        parts.append(f"{found['concurrency']} at once")
    if found["concurrency_key"] is not None:
        parts.append(f"by {found['concurrency_key']}")
    parts += [f"{label}={units}" for label, units in sorted(found["uses"].items())]
    if found["rate"]:
        parts.append(f"{found['rate']['count']} in {duration_text(found['rate']['per_s'])}")
    return ", ".join(parts) or None


def _count(text: str) -> int | None:
    if text == NONE:
        return None
    if not re.fullmatch(r"-?\d{1,9}", text):
        raise typer.BadParameter(f"{text!r} is no whole number: say 3, or none", param_hint="--concurrency")
    return int(text)


def _use(text: str) -> tuple[str, int]:
    found = _USE.match(text)
    if found is None:
        raise typer.BadParameter(f"{text!r} is not like sap-licence=1", param_hint="--use")
    return found[1], int(found[2] or 1)


def _rate(text: str) -> dict[str, int] | None:
    if text == NONE:
        return None
    found = _RATE.match(text.strip().lower())
    if found is None:
        raise typer.BadParameter(f"{text!r} is no rate: say 10/min, 3/s, 100/h, 5/10min, or none", param_hint="--rate")
    return {"count": int(found[1]), "per_s": int(found[2] or 1) * _SECONDS[found[3]]}
