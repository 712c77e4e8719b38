"""What the gateway asks of the daemon, and nothing more (`core.md` §6). `daemon` implements it, tests fake it.

The gateway knows bots by their token only. It never sees the spool, the link or a folder.
"""

import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from pydantic import JsonValue

from agent.ports.proxies import Proxy
from agent.wire.facts import ReportFact, RowFact
from agent.wire.task import TaskSnapshot


class MasksUnavailableError(Exception):
    """The shim could not be told a new secret: the bot must not get it; answer 503 (`core.md` §3)."""


class ExecutionGoneError(Exception):
    """The execution ended and was forgotten between the look-up and the call; answer as for an unknown token."""


class TooManyReportsError(Exception):
    """This execution has reported `REPORTS_MAX` times: answer 429. What was recorded stays."""


class TooMuchSaidError(Exception):
    """This execution has said as much as is kept of one; the text says what: answer 429. What was kept stays."""


ROWS_MAX = 100_000
ROWS_MAX_BYTES = 64 * 1024 * 1024
"""Rows of one execution that are kept, and their size: a bot that logs in a loop must not fill the spool (G8)."""

REPORTS_MAX = 1000
"""Reports of one execution that are kept; a bot that reports in a loop must not fill the spool (G8)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forward:
    """Where calls go now: the open session's ticket, worth nothing once that session has ended."""

    base_url: str
    """``https://host:port`` of the hub, without a slash at the end."""
    ticket: str
    epoch: int
    ssl_context: ssl.SSLContext | None
    """None for plain http (loopback, or allowed at enrolment)."""
    proxy: Proxy | None = None
    """What stands on the way to the hub."""

    @property
    def how(self) -> dict[str, Any]:
        """The way as aiohttp's keywords; a ticket is never sent on to where an answer points."""
        known: dict[str, Any] = {"ssl": self.ssl_context or True, "allow_redirects": False}
        if self.proxy is not None:
            known |= {"proxy": self.proxy.url, "proxy_headers": self.proxy.headers}
        return known


class BotExecution(Protocol):
    """The execution whose bot is calling. Values are those of this moment: look it up again for each call."""

    @property
    def execution_id(self) -> str:
        """``exe_…``; goes into ``Botyard-Execution`` of a forwarded call."""
        ...

    @property
    def task_id(self) -> str:
        """``tsk_…``."""
        ...

    @property
    def fence(self) -> int:
        """The grant's value of the fence."""
        ...

    @property
    def task(self) -> TaskSnapshot:
        """The task as `Start` carried it; its ``number`` is the id that BotCity's clients use."""
        ...

    @property
    def last_fact(self) -> int:
        """Number of its newest fact: what is said now comes after it."""
        ...

    @property
    def report(self) -> ReportFact | None:
        """The last report in the spool that was not late: laid over later GETs of its own task."""
        ...

    @property
    def interrupted(self) -> bool:
        """True once somebody asked the bot to finish, or a stop was decided."""
        ...

    @property
    def cancelled(self) -> bool:
        """True once a stop was decided: signals follow."""
        ...

    @property
    def secrets(self) -> Mapping[str, JsonValue]:
        """Its task's own secret parameters, by name."""
        ...

    @property
    def reaped(self) -> bool:
        """True once the shim has reaped the main process: a finish is a late report from here on (`core.md` §4)."""
        ...

    def mask(self, text: str) -> str:
        """The text without this execution's secrets. For every text that goes into a fact or to the hub's log."""
        ...


class GatewayHost(Protocol):
    """The daemon as the gateway sees it. Call on the daemon's event loop."""

    def execution(self, token: str) -> BotExecution | None:
        """The execution that this token belongs to while its tree is not empty (and 5 s more), else None.

        Executions whose masks were not read back from their shim yet are None too: the caller waits or answers 503
        (`core.md` §2); see `adopting`.
        """
        ...

    @property
    def adopting(self) -> bool:
        """True after a start while shims are still being asked: an unknown token may become known in a moment."""
        ...

    async def record_report(self, execution_id: str, report: ReportFact) -> ReportFact:
        """Write a report to the spool; durable on return. Returns it as recorded (``late`` is set here).

        Raises ExecutionGoneError, TooManyReportsError after `REPORTS_MAX`, and OSError where the spool has no room:
        then nothing was recorded. The text must have been masked.
        """
        ...

    async def reported_to_hub(self, execution_id: str, report: ReportFact) -> None:
        """The hub has taken a report for which there was no room here: from now on it is the last one.

        Raises ExecutionGoneError.
        """
        ...

    async def record_row(self, execution_id: str, row: RowFact) -> None:
        """Write a row of a record log to the spool; durable on return. Its texts must have been masked.

        Raises ExecutionGoneError, TooMuchSaidError, and OSError where the spool has no room.
        """
        ...

    async def keep_outputs(self, execution_id: str, outputs: Mapping[str, str]) -> None:
        """Keep outputs for the end of the run, masked; durable on return. The later one of a name counts.

        Raises ExecutionGoneError, TooMuchSaidError, OSError.
        """
        ...

    def note_progress(self, execution_id: str, percent: float | None, text: str) -> None:
        """How far the bot is; kept in memory, told when a second has passed and a link is there."""
        ...

    async def take_artifact(self, execution_id: str, draft: Path, name: str) -> None:
        """Move a finished file under its name; durable on return, and on its way to the hub.

        Raises ExecutionGoneError, OSError.
        """
        ...

    def spoke(self, execution_id: str) -> None:
        """The bot said something: a sign of life for who watches its progress (`core.md` §4)."""
        ...

    async def add_masks(self, execution_id: str, secrets: Sequence[str]) -> None:
        """Have the shim mask these from the next byte on; installed on return, or MasksUnavailableError."""
        ...

    def forward(self) -> Forward | None:
        """The open session, or None while there is none."""
        ...

    async def wait_forward(self, not_epoch: int = 0) -> Forward:
        """Wait until a session is open whose epoch is not `not_epoch`; the caller limits the wait."""
        ...
