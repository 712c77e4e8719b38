"""What a hub without room says to a runner that tells of its folders."""

from types import SimpleNamespace
from typing import Any

import pytest

from agent.wire.watching import FilesFound, FilesTaken, FolderNews, FolderTold, FoundFile
from hub.runners.folders import FolderDesk

FILE = FoundFile(path="/in/a", device=8, inode=1, mtime_ns=1, size=1)
SAID: dict[str, Any] = {"number": 7, "trigger_id": "trg_" + "0" * 32, "revision": "0" * 16}


@pytest.mark.parametrize(
    ("news", "answer"),
    [
        (FilesFound(**SAID, files=(FILE, FILE)), FilesTaken(number=7, again=(0, 1))),
        (FolderTold(**SAID, device=8), FilesTaken(number=7, refused=True)),
    ],
)
async def test_nothing_is_taken_while_there_is_no_room(news: FolderNews, answer: FilesTaken) -> None:
    """R14; nor that a folder was looked through: what lay there would be told as new after the runner's next start."""
    sent: list[FilesTaken] = []
    hub: Any = SimpleNamespace(room=SimpleNamespace(is_full=True))  # without a store: it is not asked
    session: Any = SimpleNamespace(send=sent.append)
    await FolderDesk(hub).take(session, news)
    assert sent == [answer]
