"""The rim of one execution: what goes wrong with one bot's files costs neither the daemon nor the other bots.

    an error in its loop or beside it > children ended > a pause > from spool and folder anew, as the next daemon would

Crash-only, one execution at a time. While it waits it stays in the table, so that no resume takes it for absent
(`core.md` D8), what the hub says of it waits in its loop, and `status` tells the trouble. One that fails again and
again is concluded by what is known, without a look at its files: its tree is killed, the exit is `supervisor_lost`.

What is no execution's own stays the daemon's end (G9): an I/O error of the disk, a failed spool.
"""

import asyncio
import errno
import logging
import sqlite3
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from agent.daemon import conclusion, screening, watch
from agent.daemon.handover import secret_values
from agent.errors import AgentError
from agent.execution import LocalExecution, Phase
from agent.execution_events import CannotStart, Concluded, Exited
from agent.inventory import final_fact, lost_exit, recover
from agent.shim.mask_file import kept_masks
from agent.wire.facts import Fact, FinalFact
from agent.wire.words import VoidReason

if TYPE_CHECKING:
    from agent.daemon.keeper import Keeper

log = logging.getLogger(__name__)
FAILURES_MAX = 6
"""One more, without a calm minute between, and it is concluded by what is known; so after about half a minute."""
_PAUSE_S = 0.5
_PAUSE_MAX_S = 30.0
_CALM_S = 60.0


@dataclass(slots=True)
class Failures:
    """How often one execution began again."""

    count: int = 0
    trouble: str = ""
    """What the last one was, for people; empty while all is well."""
    last_at: float = 0.0

    def note(self, error: Exception, now: float) -> float:
        """Count one more; return the seconds to wait."""
        self.count = 1 if now - self.last_at > _CALM_S else self.count + 1
        self.last_at = now
        self.trouble = f"{type(error).__name__}: {error}"[:300]
        return float(min(_PAUSE_MAX_S, _PAUSE_S * 2 ** (self.count - 1)))


def is_the_daemons(error: BaseException) -> bool:
    """Whether the process must end: what it believes to be durable may not be (G9)."""
    if isinstance(error, BaseExceptionGroup):
        return any(is_the_daemons(one) for one in error.exceptions)
    if isinstance(error, OSError):
        return error.errno == errno.EIO
    return isinstance(error, sqlite3.Error | AgentError)


async def begin_again(keeper: "Keeper", error: Exception) -> Exception | None:
    """Let it begin again after a pause. Returns what went wrong with that; raises `error` where it is the daemon's."""
    if is_the_daemons(error):
        raise error
    clock = keeper.house.clock
    pause_s = keeper.failures.note(error, clock.monotonic())
    log.error("%s begins again in %.1f s (%d)", keeper.execution_id, pause_s, keeper.failures.count, exc_info=error)
    if keeper.value.phase is Phase.FORGOTTEN:
        return None  # The hub has all of it; what is left of the folder goes at the next start.
    keeper.go_back()
    await asyncio.sleep(pause_s)
    try:
        facts = await keeper.house.spool.read(keeper.execution_id)
        keeper.go_back(_recovered(keeper.value, facts))
        if keeper.failures.count > FAILURES_MAX:
            await _conclude_by_what_is_known(keeper)
        else:
            await begin(keeper, facts)
    except Exception as again:  # noqa: BLE001 - the rim
        return again
    return None


def _recovered(value: LocalExecution, facts: list[Fact]) -> LocalExecution:
    fresh = LocalExecution(execution_id=value.execution_id, task_id=value.task_id, fence=value.fence, slot=value.slot)
    # A stop of an undecided one is a wish, and no fact yet (D6).
    told = recover(fresh, facts)
    return told if told.stop is not None else replace(told, stop=value.stop)


async def begin(keeper: "Keeper", facts: list[Fact]) -> None:
    """Take up an execution where spool and folder say it is. Raises what its files make of that."""
    work = keeper.order.work
    if work is not None:
        # The shim knows more, where it lives; where it does not, nobody else says what is secret.
        keeper.masks.add(secret_values(work))
        keeper.masks.add(await asyncio.to_thread(kept_masks, keeper.folder, keeper.house.disk))
    keeper.artifacts.recall(facts)
    keeper.available = max(keeper.available, await asyncio.to_thread(keeper.output.length))
    match keeper.value.phase:
        case Phase.ORDERED:
            await _decide(keeper)
        case Phase.STARTED:
            screening.begin_pictures(keeper)
            keeper.spawn(watch.watch(keeper), "watch")
            stop = keeper.value.stop
            if stop is not None:
                # It may have been a fact already, and not have reached the shim; there a second one changes nothing.
                keeper.spawn(watch.stop(keeper, stop), "stop")
        case Phase.EXITED:
            keeper.spawn(conclusion.conclude(keeper), "conclude")
        case _:
            pass


async def _decide(keeper: "Keeper") -> None:
    """No fact tells the verdict: read it, or make it void."""
    verdict = await asyncio.to_thread(conclusion.read_verdict, keeper)
    if verdict is None:
        keeper.post(CannotStart(reason=VoidReason.DAEMON_RESTARTED))
    else:
        keeper.saw(verdict)


async def _conclude_by_what_is_known(keeper: "Keeper") -> None:
    """Its files are read no more: end what is left of it, say that nobody saw how."""
    house, why = keeper.house, keeper.failures.trouble
    log.error("%s is concluded by what is known", keeper.execution_id)
    match keeper.value.phase:
        case Phase.ORDERED | Phase.HANDED_OVER:
            keeper.post(CannotStart(reason=VoidReason.DAEMON_RESTARTED, message=why))
        case Phase.STARTED:
            with suppress(Exception):
                await watch.end_shim(keeper)
            left = await asyncio.to_thread(house.shims.kill_leftovers, keeper.execution_id, 0)
            survivors = [(pid, house.shims.command_of(pid)) for pid in left]
            exit_ = lost_exit(None, rebooted=False, survivors=survivors, at=house.clock.now())
            keeper.end_told = True
            keeper.post(Exited(exit=exit_.model_copy(update={"error": why}), final=_final(keeper)))
        case Phase.EXITED:
            keeper.post(Concluded(final=_final(keeper)))
        case _:
            pass


def _final(keeper: "Keeper") -> FinalFact:
    left_out = (f"what it left could not be brought: {keeper.failures.trouble}",)
    return final_fact(None, keeper.available, left_out, keeper.house.clock.now())
