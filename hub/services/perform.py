"""Performs effects: on the loop, synchronously, in commit order, each a hint that some scan redoes (core.md §1, §5)."""

import logging
from collections.abc import Callable
from typing import assert_never

from hub.domain.credits import CreditBook
from hub.services.effects import (
    BotSucceeded,
    BuildPrepared,
    CloseSession,
    DrainRunner,
    HubEffect,
    InWindow,
    OrderStarted,
    OrderVoided,
    OutputEnded,
    OutputFinished,
    QueueTaken,
    RefreshDesired,
    RefreshWatched,
    ReturnCredit,
    RunnerFailed,
    SendToRunner,
    SessionResumed,
    WakeBreakers,
    WakeDependents,
    WakeDispatch,
    WakeDue,
    WakeFeed,
    WakeItems,
    WakeQueue,
    WakeTrigger,
    WakeTriggers,
    WakeWindows,
)
from hub.services.live import LiveSessions
from hub.services.signals import Signals
from hub.storage.transaction import Effect

log = logging.getLogger(__name__)


class Performer:
    """Knows the parts that effects reach."""

    def __init__(
        self, book: CreditBook, sessions: LiveSessions, signals: Signals, end_output: Callable[[str, str], None]
    ) -> None:
        """`end_output(workspace, execution)` tells followers of an output that nothing more will come."""
        self._book = book
        self._sessions = sessions
        self._signals = signals
        self._end_output = end_output

    def perform(self, effect: Effect) -> None:
        """Do one effect. What fails is told to `on_error` by the store, and stops no other."""
        known: HubEffect = effect  # type: ignore[assignment]  # storage knows effects as objects only
        match known:
            case SendToRunner() | CloseSession():
                self._reach(known)
            case (
                WakeQueue()
                | QueueTaken()
                | WakeTrigger()
                | WakeItems()
                | WakeBreakers()
                | WakeTriggers()
                | WakeWindows()
                | RunnerFailed()
                | RefreshWatched()
            ):
                self._wake_work(known)
            case WakeDispatch() | WakeDue() | WakeDependents() | WakeFeed() | RefreshDesired() | OutputFinished():
                self._wake(known)
            case _:
                self._note(known)

    def on_error(self, effect: Effect, error: Exception) -> None:
        """An effect failed: the session that it was for is closed, and the next one's resume redoes it."""
        log.error("effect %s failed", type(effect).__name__, exc_info=error)
        if isinstance(effect, SendToRunner):
            session = self._sessions.find(effect.runner_id, effect.epoch)
            if session is not None:
                session.close("overload", "the hub could not send")

    def _reach(self, effect: SendToRunner | CloseSession) -> None:
        session = self._sessions.find(effect.runner_id, effect.epoch)
        if session is None:
            return
        if isinstance(effect, SendToRunner):
            session.send(effect.message)
        else:
            session.close(effect.reason, effect.message)

    def _wake(
        self, effect: WakeDispatch | WakeDue | WakeDependents | WakeFeed | RefreshDesired | OutputFinished
    ) -> None:
        match effect:
            case WakeDispatch():
                self._signals.dispatch.ring(effect.workspace_id)
            case WakeDue():
                self._signals.due.ring()
            case WakeDependents():
                self._signals.dependents.ring()
            case WakeFeed():
                pass  # the store rings its own bell
            case RefreshDesired():
                self._signals.desired.ring(f"{effect.workspace_id}/{effect.runner_id or ''}")
                self._signals.builds.ring()
            case OutputFinished():
                self._signals.expect_output(effect.workspace_id, effect.execution_id, effect.output_bytes)
            case _:
                assert_never(effect)

    def _wake_work(
        self,
        effect: WakeQueue
        | QueueTaken
        | WakeTrigger
        | WakeItems
        | WakeBreakers
        | WakeTriggers
        | WakeWindows
        | RunnerFailed
        | RefreshWatched,
    ) -> None:
        match effect:
            case RefreshWatched():
                self._signals.watched.ring(f"{effect.workspace_id}/{effect.runner_id or ''}")
            case RunnerFailed():
                self._signals.failing.ring(f"{effect.workspace_id}/{effect.runner_id}")
            case WakeQueue():
                self._signals.queue_changed(effect.workspace_id, effect.queue_id)
            case QueueTaken():
                self._signals.queues.ring(f"{effect.workspace_id}/{effect.queue_id}")
            case WakeTriggers():
                self._signals.triggers.ring()
                self._signals.listeners.ring()
            case WakeTrigger():
                self._signals.queues.ring(f"{effect.workspace_id}/{effect.trigger_id}")
            case WakeItems():
                self._signals.items.ring()
            case WakeBreakers():
                self._signals.breakers.ring()
            case WakeWindows():
                self._signals.windows.ring()
            case _:
                assert_never(effect)

    def _note(
        self,
        effect: ReturnCredit
        | OrderStarted
        | OrderVoided
        | SessionResumed
        | BuildPrepared
        | BotSucceeded
        | DrainRunner
        | InWindow
        | OutputEnded,
    ) -> None:
        book = self._book
        match effect:
            case ReturnCredit():
                book.put_back(effect.credit)
            case OrderStarted():
                book.started(effect.runner_id, effect.epoch)
            case OrderVoided():
                if book.voided(effect.runner_id, effect.epoch, effect.build_id, effect.reason):
                    self._signals.stale.ring(f"{effect.workspace_id}/{effect.runner_id}")
            case SessionResumed():
                has = effect.builds, effect.proven
                book.resumed(effect.runner_id, effect.epoch, *has, draining=effect.draining)
            case BotSucceeded():
                book.succeeded(effect.runner_id, effect.bot_id)
            case BuildPrepared():
                change = book.prepared if effect.prepared else book.unprepared
                change(effect.runner_id, effect.epoch, effect.build_id)
                self._signals.builds.ring()
            case OutputEnded():
                self._end_output(effect.workspace_id, effect.execution_id)
            case DrainRunner() | InWindow():
                self._keep_from_work(effect)
            case _:
                assert_never(effect)

    def _keep_from_work(self, effect: DrainRunner | InWindow) -> None:
        if isinstance(effect, InWindow):
            self._book.in_window(effect.runner_id)
        else:
            self._book.drain(effect.runner_id, on=effect.on)
