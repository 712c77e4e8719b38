"""A process that migrates a database in a child of its own, which kills itself before a chosen statement (R19).

Started as ``python -m tests.storage.cut_migration URL FOLDER REVISION…``. Each line of its input is a number: the child
dies by SIGKILL right before that statement, commits counted as ones. Each line of output is ``killed``, or the revision
that the database has now. One child at a time.
"""

import asyncio
import os
import signal
import sqlite3
import sys
from pathlib import Path
from typing import Any

import alembic.command  # noqa: F401 - loaded once, before the children
import sqlalchemy as sa

from hub.storage.migrations.run import Steps, migrate


class Fuse:
    """Kills this process before a statement."""

    def __init__(self, left: int) -> None:
        self._left = left

    def burn(self, *_: Any) -> None:
        """One statement is about to run."""
        self._left -= 1
        if self._left <= 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def watch_sqlite(self) -> None:
        """SQLite tells its own statements, BEGIN and COMMIT too, on each connection that is opened from here on."""
        connect = sqlite3.connect

        def opened(*arguments: Any, **options: Any) -> sqlite3.Connection:
            connection: sqlite3.Connection = connect(*arguments, **options)
            connection.set_trace_callback(self.burn)
            return connection

        sqlite3.connect = opened  # type: ignore[assignment]  # in this process alone


def child(url: str, steps: Steps, fuse: Fuse) -> None:
    """Migrate, and write the revision that came of it; or die."""
    if url.startswith("sqlite"):
        fuse.watch_sqlite()
    else:
        sa.event.listen(sa.Engine, "before_cursor_execute", fuse.burn)
        sa.event.listen(sa.Engine, "commit", fuse.burn)
    print(asyncio.run(migrate(url, steps))[1], flush=True)


def main(url: str, folder: str, *revisions: str) -> None:
    """One child for each line of input."""
    steps = Steps(folder=Path(folder), revisions=revisions)
    for line in sys.stdin:
        process = os.fork()
        if process == 0:
            child(url, steps, Fuse(int(line)))
            os._exit(0)
        _, status = os.waitpid(process, 0)
        if os.WIFSIGNALED(status):
            print("killed", flush=True)
        elif status:
            sys.exit("the migration failed")


if __name__ == "__main__":
    main(*sys.argv[1:])
