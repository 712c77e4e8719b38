"""A damaged database is refused where its hub crashed; an orderly start does not look (R15)."""

import hashlib
import shutil
from pathlib import Path

import pytest

from hub.storage.opening import open_store
from hub.storage.sqlite.damage import refuse_damaged
from hub.storage.unreachable import CannotOpen
from tests.storage import seeds
from tests.storage.conftest import Heard
from tests.storage.test_sqlite_faults import fill
from tests.support.clock import FakeClock

pytestmark = pytest.mark.sqlite


async def crashed(folder: Path, clock: FakeClock, heard: Heard) -> Path:
    """The files that a hub which was killed has left: most of the database, and a log."""
    living, left = folder / "living", folder / "left"
    living.mkdir()
    left.mkdir()
    async with open_store(f"sqlite:///{living / 'hub.db'}", clock=clock, perform=heard.perform) as store:
        for number in range(6):
            await store.write(fill, f"wsp_{number}", 1_000_000)
        await store.write(seeds.workspace, "wsp_last")
        for file in ("hub.db", "hub.db-wal"):
            shutil.copy(living / file, left / file)
    return left / "hub.db"


def prints(path: Path) -> list[str]:
    """What is in the file and its log."""
    files = (path, path.with_name("hub.db-wal"))
    return [hashlib.sha256(file.read_bytes()).hexdigest() for file in files]


async def test_what_a_crash_has_left_is_whole(tmp_path: Path, clock: FakeClock, heard: Heard) -> None:
    """R15: looked at, nothing found, nothing changed; then the log's commits are there."""
    path = await crashed(tmp_path, clock, heard)
    before = prints(path)
    refuse_damaged(path)
    assert before == prints(path)
    async with open_store(f"sqlite:///{path}", clock=clock, perform=heard.perform) as store:
        assert 7 == await store.read(seeds.count, "workspaces")


async def test_a_damaged_file_is_refused_and_left_as_it_is(tmp_path: Path, clock: FakeClock, heard: Heard) -> None:
    """R15, R29: one sentence that says what to do; neither the file nor its log is touched."""
    path = await crashed(tmp_path, clock, heard)
    # when a page of a table is overwritten with what the disk had there before
    with path.open("r+b") as file:
        for page in range(2, 30):
            file.seek(page * 4096)
            file.write(b"\xa5" * 4096)
    before = prints(path)
    with pytest.raises(CannotOpen, match=r"hub\.db is damaged \(.*\); it was left as it is: restore it from a backup"):
        async with open_store(f"sqlite:///{path}", clock=clock, perform=heard.perform):
            pass
    assert before == prints(path)


async def test_an_orderly_start_reads_nothing_through(
    tmp_path: Path, clock: FakeClock, heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R15: the log is gone where a hub ended in order, and its start stays quick."""
    url = f"sqlite:///{tmp_path / 'hub.db'}"
    async with open_store(url, clock=clock, perform=heard.perform) as store:
        await store.write(seeds.workspace)
    assert not (tmp_path / "hub.db-wal").exists()
    monkeypatch.setattr("hub.storage.sqlite.damage._first_fault", lambda _: "it was looked at")
    async with open_store(url, clock=clock, perform=heard.perform) as store:
        assert 1 == await store.read(seeds.count, "workspaces")
