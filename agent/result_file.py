"""``BOTYARD_RESULT``: the status that a bot without an SDK reports, read once at its end (`bot-packages.md` §7)."""

import json
from collections.abc import Callable
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from agent.wire.facts import ReportFact
from agent.wire.limits import MESSAGE_TEXT_MAX
from agent.wire.task import Totals
from agent.wire.words import ReportStatus

RESULT_MAX_BYTES = 1024 * 1024


class _Totals(BaseModel):
    model_config = ConfigDict(extra="ignore")

    total: int | None = None
    processed: int | None = None
    failed: int | None = None


class _Error(BaseModel):
    model_config = ConfigDict(extra="ignore")

    message: str | None = None


class _Result(BaseModel):
    model_config = ConfigDict(extra="ignore")

    status: Literal["succeeded", "failed", "partial"] | None = None
    message: str | None = None
    totals: _Totals | None = None
    error: _Error | None = None


def read_result(data: bytes, at: datetime, mask: Callable[[str], str]) -> ReportFact | None:
    """The report in the file, or None where it says no status. Raises ValueError with one sentence for a broken one."""
    if not data.strip():
        return None
    try:
        result = _Result.model_validate(json.loads(data))
    except ValidationError as error:
        fault = error.errors(include_input=False, include_url=False)[0]
        raise ValueError(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}") from None
    except (ValueError, RecursionError):
        raise ValueError("it is not JSON") from None
    if result.status is None:
        return None
    message = result.message or (result.error.message if result.error else None)
    return ReportFact(
        at=at,
        status=ReportStatus(result.status),
        message=None if message is None else mask(message)[:MESSAGE_TEXT_MAX],
        totals=_totals(result.totals),
    )


def _totals(said: _Totals | None) -> Totals | None:
    return None if said is None else Totals.reported(said.total, said.processed, said.failed)
