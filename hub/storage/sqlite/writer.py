"""The one writer: a thread that turns what arrived during the last commit into the next one (core.md §5).

    take a group (urgent first, at most 256, never a wait)
    commit it                   (`committer.py`)
    hand the results to the loop, in this order

What the committer raises ends the process, by `on_fatal` (G9, R15).
"""

import contextlib
import sqlite3
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from hub.storage.lanes import Operation
from hub.storage.settling import Ports, Settled
from hub.storage.sqlite.committer import Committer, Group
from hub.storage.sqlite.connection import Link
from hub.storage.sqlite.waiting import ThreadLanes
from hub.storage.store import CommitInDoubt, StoreUnavailable

GROUP_MOST = 256
_IDLE_S = 0.25


class Writer:
    """Owns the writing connection from `start` on; `report` gets each group, in the writer's thread."""

    def __init__(
        self, link: Link, path: Path | None, lanes: ThreadLanes, ports: Ports, report: Callable[[Group], None]
    ) -> None:
        self._committer = Committer(link, path, ports)
        self._lanes = lanes
        self._ports = ports
        self._report = report
        self._thread = threading.Thread(target=self._live, name="store-writer", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def join(self) -> None:
        """Wait until the thread has done all work of its closed lanes and closed the file."""
        self._thread.join()

    def _live(self) -> None:
        group: Sequence[Operation] = ()
        checkpoints = self._committer.checkpoints
        try:
            while not self._lanes.is_drained:
                group = self._lanes.take(GROUP_MOST, _IDLE_S if checkpoints.is_behind else None)
                if group:
                    self._report(self._committer.commit(group))
                    group = ()
                    checkpoints.after_commit()
                else:
                    checkpoints.when_idle()
            self._committer.close()
        except BaseException as error:  # noqa: BLE001  # a dead writer ends the process, whatever killed it
            self._die(error, group)

    def _die(self, error: BaseException, group: Sequence[Operation]) -> None:
        # on_fatal ends the process. Where a test lets it return, callers must not hang: this group is in doubt, what
        # still waits was never begun.
        self._lanes.close()
        self._ports.on_fatal(error)
        doubt = CommitInDoubt("The store stopped while this was written.")
        settled = [Settled(operation, None, doubt) for operation in group]
        down = StoreUnavailable("store_down", "The store stopped before this was begun.")
        while waiting := self._lanes.take(GROUP_MOST, 0):
            settled += [Settled(operation, None, down) for operation in waiting]
        self._report(Group(settled))
        with contextlib.suppress(sqlite3.Error):
            self._committer.close()
