"""A running shim from the daemon's side: its doorbells become events, stops and deadlines reach it (`core.md` §2)."""

import asyncio
import logging
from typing import TYPE_CHECKING

from agent.daemon.conclusion import read_verdict
from agent.daemon.last_fact import exit_record
from agent.daemon.last_words import tell_last_words, tell_stop
from agent.daemon.limiting import needs_telling, tell_limits
from agent.daemon.screening import before_stop, stop_began
from agent.execution import Phase
from agent.execution_events import Exited, Reaped, ShimLost, ShimStopped
from agent.inventory import exit_fact
from agent.shim.client import Doorbell, DoorbellKind, ShimClient, ShimGone, ShimRefused
from agent.shim.exit_file import ExitRecord
from agent.shim.lines import Progress
from agent.shim.verdict import Verdict
from agent.wire.messages import StopOrder
from agent.wire.task import Ladder
from agent.wire.words import StopCause

if TYPE_CHECKING:
    from agent.daemon.keeper import Keeper

log = logging.getLogger(__name__)
_CONNECT_AGAIN_S = 0.5
_DISOBEDIENCE_S = 10.0
"""A shim that has not ended this long after its ladder is killed with its tree (`core.md` D10)."""


async def watch(keeper: "Keeper") -> None:
    """Stay connected to the shim until it has ended; then say what became of its bot."""
    verdict = keeper.verdict or await asyncio.to_thread(read_verdict, keeper)
    if verdict is None:
        # A bot can remove its own folder; without the nonce its shim lets nobody in.
        keeper.post(ShimLost())
        return
    while keeper.value.phase is Phase.STARTED and not keeper.end_told:
        try:
            client = await keeper.house.shims.connect(keeper.folder, verdict.nonce)
        except (ShimGone, TimeoutError):
            if await _is_over(keeper, verdict):
                return
            await asyncio.sleep(_CONNECT_AGAIN_S)
            continue
        try:
            await _follow(keeper, client)
        except (ShimGone, ShimRefused, TimeoutError) as error:
            log.info("%s: connection to its shim ended: %s", keeper.execution_id, error)
        finally:
            keeper.client = None
            keeper.connected.clear()
            client.close()


async def _is_over(keeper: "Keeper", verdict: Verdict) -> bool:
    """Nobody listens: settle by the exit file, or say that the shim is lost."""
    if await _settle_by_file(keeper):
        return True
    if verdict.pid and keeper.house.shims.same_process(verdict.pid, verdict.start):
        return False
    # It may have ended between the two looks.
    if not await _settle_by_file(keeper):
        keeper.post(ShimLost())
    return True


async def _settle_by_file(keeper: "Keeper") -> bool:
    record = await asyncio.to_thread(exit_record, keeper)
    if record is None or not record.final:
        return False
    await _ended(keeper, record)
    return True


async def _follow(keeper: "Keeper", client: ShimClient) -> None:
    # Masks before anything: the gateway answers this bot only once they are known (core.md §2).
    keeper.masks.add(await client.read_masks())
    keeper.masks_known = True
    keeper.client = client
    keeper.connected.set()
    keeper.met.set()
    if needs_telling(keeper):
        keeper.spawn(tell_limits(keeper), "limits")
    state = client.state
    keeper.house.upstream.output_available(keeper.execution_id, state.length)
    _stopping(keeper, state.cause, state.by)
    _told_progress(keeper, state.progress)
    if state.exit is not None:
        await _rung(
            keeper, Doorbell(kind=DoorbellKind.ENDED if state.is_final else DoorbellKind.EXITED, exit=state.exit)
        )
    async for bell in client.doorbells():
        await _rung(keeper, bell)


async def _rung(keeper: "Keeper", bell: Doorbell) -> None:
    match bell.kind:
        case DoorbellKind.OUTPUT:
            keeper.house.upstream.output_available(keeper.execution_id, bell.length)
        case DoorbellKind.STOPPING:
            _stopping(keeper, bell.cause, bell.by)
        case DoorbellKind.PROGRESS:
            _told_progress(keeper, bell.progress)
        case DoorbellKind.MASKS:
            keeper.masks.add(bell.masks)
        case DoorbellKind.EXITED:
            keeper.post(Reaped())
        case DoorbellKind.ENDED if bell.exit is not None:
            await _ended(keeper, bell.exit)
        case DoorbellKind.EMPTY:
            _emptied(keeper)
        case _:
            return


def _told_progress(keeper: "Keeper", progress: Progress | None) -> None:
    if progress is not None:
        keeper.house.upstream.note_progress(keeper.execution_id, progress.percent, progress.text)


def _stopping(keeper: "Keeper", cause: StopCause | None, by: str) -> None:
    if cause is not None and keeper.value.stop is None:
        keeper.interrupted = True
        stop_began(keeper)
        keeper.post(ShimStopped(cause=cause, by=by, at=keeper.house.clock.now()))


def _emptied(keeper: "Keeper") -> None:
    """Survivors that were reported are gone now: their slot can be used again."""
    slot = keeper.value.slot
    if slot is not None and keeper.value.phase is not Phase.STARTED:
        keeper.house.slots.cleared(slot)
        keeper.ended_at = keeper.ended_at or keeper.house.clock.monotonic()
        keeper.house.benches.wake()
        keeper.house.desktops.wake()


async def _ended(keeper: "Keeper", record: ExitRecord) -> None:
    keeper.house.upstream.output_available(keeper.execution_id, record.output_bytes)
    tell_stop(keeper, record)
    final = await tell_last_words(keeper, record, and_last_fact=True)
    keeper.post(Exited(exit=exit_fact(record), final=final))


# --- stops -----------------------------------------------------------------------------------------------------------


async def stop(keeper: "Keeper", order: StopOrder) -> None:
    """Tell the shim, again when it is reached again; end shim and tree when the ladder's end passes without effect."""
    keeper.interrupted = True
    await before_stop(keeper, order)
    patience_s = ladder_s(keeper, order.cause) + _DISOBEDIENCE_S
    try:
        async with asyncio.timeout(patience_s):
            while keeper.value.phase is Phase.STARTED and not await _told(keeper, order):  # noqa: ASYNC110
                await asyncio.sleep(_CONNECT_AGAIN_S)
            # The ladder is the shim's; here only its end is waited for.
            await keeper.exited.wait()
    except TimeoutError:
        await end_shim(keeper)


def ladder_s(keeper: "Keeper", cause: StopCause) -> float:
    """Seconds from a stop to the end of its ladder."""
    ladder = keeper.order.work.limits.ladder if keeper.order.work else Ladder()
    first = ladder.interrupt_after_s if cause is StopCause.CANCEL else 0.0
    return first + ladder.terminate_after_s + ladder.kill_after_s + ladder.survivors_after_s


async def _told(keeper: "Keeper", order: StopOrder) -> bool:
    await keeper.connected.wait()
    client = keeper.client
    if client is None:
        return False
    try:
        await client.stop(order.cause, by=order.by)
    except (ShimGone, TimeoutError):
        return False
    except ShimRefused as error:
        log.error("%s: its shim refuses to stop: %s", keeper.execution_id, error)  # noqa: TRY400
    return True


async def end_shim(keeper: "Keeper") -> None:
    """Kill the shim of an execution with its tree, unless it has done its part: then it may serve another by now."""
    record = await asyncio.to_thread(exit_record, keeper)
    if record is not None and record.final:
        return  # What is left is ours, and takes long: a full disk, for one.
    verdict = await asyncio.to_thread(read_verdict, keeper)
    shims = keeper.house.shims
    if verdict is None or not verdict.pid or not shims.same_process(verdict.pid, verdict.start):
        return
    log.error("%s: its shim does not obey; it is killed with its tree", keeper.execution_id)
    await asyncio.to_thread(shims.kill_tree, verdict.pid)
