"""The gateway's view of the executions here (`agent/gateway_port.py`)."""

import asyncio
import errno
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pydantic import JsonValue

from agent.daemon.house import House
from agent.daemon.keeper import Keeper, KeeperEndedError
from agent.daemon.posted import keep_posted
from agent.daemon.screening import before_report
from agent.daemon.uplink import Uplink
from agent.execution import UNDECIDED, IllegalEventError, LocalExecution, Phase, row_size
from agent.execution_events import Event, Reported, RowWritten
from agent.gateway_port import (
    REPORTS_MAX,
    ROWS_MAX,
    ROWS_MAX_BYTES,
    BotExecution,
    ExecutionGoneError,
    Forward,
    MasksUnavailableError,
    TooManyReportsError,
    TooMuchSaidError,
)
from agent.shim.client import ShimGone, ShimRefused
from agent.spool import SpoolFullError
from agent.wire.facts import ReportFact, RowFact
from agent.wire.task import TaskSnapshot

_TOKEN_GRACE_S = 5.0
"""A token dies this long after its bot's tree is empty (S10)."""


@dataclass(frozen=True, slots=True)
class Bot:
    """One calling bot; see `gateway_port.BotExecution`."""

    _keeper: Keeper
    task: TaskSnapshot

    @property
    def execution_id(self) -> str:
        """``exe_…``."""
        return self._keeper.execution_id

    @property
    def task_id(self) -> str:
        """``tsk_…``."""
        return self._keeper.value.task_id

    @property
    def fence(self) -> int:
        """The grant's value of the fence."""
        return self._keeper.value.fence

    @property
    def last_fact(self) -> int:
        """Number of its newest fact."""
        return self._keeper.value.last_fact

    @property
    def report(self) -> ReportFact | None:
        """The last report that was not late."""
        return self._keeper.value.report

    @property
    def interrupted(self) -> bool:
        """Whether it should finish by itself."""
        return self._keeper.interrupted or self._keeper.value.stop is not None

    @property
    def cancelled(self) -> bool:
        """Whether a stop was decided."""
        return self._keeper.value.stop is not None

    @property
    def secrets(self) -> Mapping[str, JsonValue]:
        """Its task's own secret parameters."""
        work = self._keeper.order.work
        names = work.secret_parameters if work is not None else ()
        return {name: self.task.parameters[name] for name in names if name in self.task.parameters}

    @property
    def reaped(self) -> bool:
        """Whether its main process has ended."""
        return self._keeper.value.reaped

    def mask(self, text: str) -> str:
        """The text without this execution's secrets."""
        return self._keeper.mask(text)


class Bots:
    """A `GatewayHost` on keepers and uplink."""

    def __init__(self, house: House, uplink: Uplink) -> None:
        self._house = house
        self._uplink = uplink
        self._posting = asyncio.Lock()
        """One append at a time: a failed one is cut off again, and must cut off no other."""

    @property
    def adopting(self) -> bool:
        """Whether an unknown token may become known in a moment."""
        keepers = self._house.keepers.values()
        return self._house.is_adopting or any(
            keeper.value.phase in UNDECIDED or (keeper.value.phase is Phase.STARTED and not keeper.masks_known)
            for keeper in keepers
        )

    def execution(self, token: str) -> BotExecution | None:
        """The execution of a token that is alive and whose masks are known."""
        digest = hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()
        for keeper in self._house.keepers.values():
            work = keeper.order.work
            if work is not None and hmac.compare_digest(keeper.order.token_sha256, digest) and self._is_alive(keeper):
                return Bot(keeper, work.task)
        return None

    async def record_report(self, execution_id: str, report: ReportFact) -> ReportFact:
        """Write a report to the spool; durable on return."""
        keeper = self._keeper(execution_id)
        if keeper.value.reports >= REPORTS_MAX:
            raise TooManyReportsError(execution_id)
        await before_report(keeper, report)
        value = await _do(keeper, Reported(report=report))
        return report.model_copy(update={"late": True}) if value.reaped else report

    async def reported_to_hub(self, execution_id: str, report: ReportFact) -> None:
        """Know a report that is the hub's only."""
        await _do(self._keeper(execution_id), Reported(report=report, to_hub=True))

    async def record_row(self, execution_id: str, row: RowFact) -> None:
        """Write a row to the spool; durable on return."""
        keeper = self._keeper(execution_id)
        if keeper.value.rows >= ROWS_MAX or keeper.value.row_bytes + row_size(row) > ROWS_MAX_BYTES:
            raise TooMuchSaidError(f"This execution has logged {keeper.value.rows} rows; no more are kept")
        await _do(keeper, RowWritten(row=row))

    async def keep_outputs(self, execution_id: str, outputs: Mapping[str, str]) -> None:
        """Append to the execution's own file of outputs."""
        keeper = self._keeper(execution_id)
        if keeper.end_told:
            raise ExecutionGoneError(execution_id)
        async with self._posting:
            await asyncio.to_thread(keep_posted, keeper.folder, keeper.house.disk, outputs)

    def note_progress(self, execution_id: str, percent: float | None, text: str) -> None:
        """The newest word counts."""
        if not self._keeper(execution_id).end_told:
            self._house.upstream.note_progress(execution_id, percent, text)

    async def take_artifact(self, execution_id: str, draft: Path, name: str) -> None:
        """Move it into the execution's folder, and bring it."""
        await self._house.collector.hand_over(self._keeper(execution_id), draft, name)

    def spoke(self, execution_id: str) -> None:
        """Tell the shim, if it watches for progress."""
        keeper = self._house.keepers.get(execution_id)
        limits = keeper.order.limits_now if keeper is not None else None
        if keeper is not None and limits is not None and limits.no_progress_s is not None:
            keeper.spawn(_touch(keeper), "touch")

    async def add_masks(self, execution_id: str, secrets: Sequence[str]) -> None:
        """Have the shim mask these from the next byte on."""
        keeper = self._keeper(execution_id)
        masks = [secret.encode("utf-8", "surrogatepass") for secret in secrets]
        client = keeper.client
        if client is None:
            raise MasksUnavailableError("its shim is not reached now")
        try:
            await client.add_masks(masks)
        except (ShimGone, ShimRefused, TimeoutError) as error:
            raise MasksUnavailableError(str(error)) from error
        keeper.masks.add(masks)

    def forward(self) -> Forward | None:
        """The open session, or None."""
        return self._uplink.forward()

    async def wait_forward(self, not_epoch: int = 0) -> Forward:
        """Wait for a session."""
        return await self._uplink.wait_forward(not_epoch)

    def _keeper(self, execution_id: str) -> Keeper:
        keeper = self._house.keepers.get(execution_id)
        if keeper is None:
            raise ExecutionGoneError(execution_id)
        return keeper

    def _is_alive(self, keeper: Keeper) -> bool:
        """From the verdict until five seconds after the tree is empty; not before its masks are known here."""
        if keeper.value.phase is Phase.STARTED:
            return keeper.masks_known
        ended_at = keeper.ended_at
        is_fresh = ended_at is not None and self._house.clock.monotonic() - ended_at < _TOKEN_GRACE_S
        return keeper.value.phase in {Phase.EXITED, Phase.FINAL} and is_fresh


async def _do(keeper: Keeper, event: Event) -> LocalExecution:
    try:
        return await keeper.do(event)
    except (IllegalEventError, KeeperEndedError):
        raise ExecutionGoneError(keeper.execution_id) from None
    except SpoolFullError as error:
        raise OSError(errno.ENOSPC, str(error)) from None


async def _touch(keeper: Keeper) -> None:
    if keeper.client is not None:
        with suppress(ShimGone, ShimRefused, TimeoutError):
            await keeper.client.touch()
