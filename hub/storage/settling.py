"""How an operation ends for its caller: effects first, then the answer; always on the event loop (core.md §5)."""

import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from agent.ports.clock import Clock
from hub.storage.lanes import Operation
from hub.storage.store import CommitInDoubt
from hub.storage.transaction import Done, Effect

log = logging.getLogger(__name__)

_EX_IOERR = 74


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """What the store needs from outside."""

    clock: Clock
    ids: Callable[[str], str]
    """Makes a fresh id for a prefix; called in the writer's thread on SQLite."""
    perform: Callable[[Effect], None]
    """Performs one effect; synchronous, on the loop, may raise."""
    on_effect_error: Callable[[Effect, Exception], None]
    """Told of an effect that raised: closes the session it was for. On the loop."""
    on_fatal: Callable[[BaseException], None]
    """Told that the store can not go on (I/O error, COMMIT in doubt, writer dead). Any thread; should not return."""
    on_full: Callable[[], bool] = bool
    """Told that the disk is full; true where room was made, so that the same may be tried once more. Any thread."""


def log_effect_error(effect: Effect, error: Exception) -> None:
    """The default `on_effect_error`: log it; the sweeps will redo what the effect would have done."""
    log.error("effect %s failed", type(effect).__name__, exc_info=error)


def end_process(error: BaseException) -> None:
    """The default `on_fatal`: end the process at once; start-up is recovery (G9, R15)."""
    log.critical("the store can not go on; the process ends", exc_info=error)
    logging.shutdown()
    os._exit(_EX_IOERR)


@dataclass(frozen=True, slots=True)
class Settled:
    """One operation and how it ended: `Done`, the result of a read, or an error."""

    operation: Operation
    done: Done[object] | None
    error: BaseException | None = None


def settle_all(settled: Sequence[Settled], ports: Ports) -> None:
    """Perform the effects of operations in their order and answer their callers. Call on the loop.

    A caller's coroutine goes on only after this returned, hence after all effects. A caller that was cancelled gets no
    answer; its effects are performed all the same.
    """
    for one in settled:
        _perform_all(_effects_of(one), ports)
        _answer(one)


def _effects_of(one: Settled) -> Sequence[Effect]:
    if one.error is None:
        return one.done.effects if one.done is not None else ()
    if isinstance(one.error, CommitInDoubt):
        return one.operation.on_doubt
    return one.operation.on_failure


def _perform_all(effects: Sequence[Effect], ports: Ports) -> None:
    for effect in effects:
        try:
            ports.perform(effect)
        except Exception as error:  # noqa: BLE001  # an effect is a hint; one that fails must not stop the others
            ports.on_effect_error(effect, error)


def _answer(one: Settled) -> None:
    future = one.operation.future
    if future.done():
        return
    if isinstance(one.error, StopIteration):
        future.set_exception(RuntimeError("a use case let StopIteration out"))  # a future refuses that one
    elif one.error is not None:
        future.set_exception(one.error)
    else:
        future.set_result(one.done.result if one.done is not None else None)
