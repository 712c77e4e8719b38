"""A backup is of one moment while its hub writes, whole or not there, and refused where it is not what was written."""

import asyncio
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from agent.ports import SystemDisk
from hub.data_folder import HalfRestored, check_whole
from hub.services import artifacts
from hub.storage.address import Address
from hub.storage.backup import archive, restoring
from hub.storage.backup.archive import BadBackup
from hub.storage.backup.restoring import NotEmpty
from hub.storage.backup.taking import Source, take
from hub.storage.blobs import FolderBlobs
from hub.storage.opening import open_store
from hub.storage.store import Store
from hub.storage.tables import blobs as blob_rows
from hub.storage.transaction import Transaction
from tests.storage import seeds
from tests.storage.conftest import Heard
from tests.support.clock import FakeClock

pytestmark = pytest.mark.sqlite
STEPS_MAX = 60


def source(data: Path) -> Source:
    """The hub in this folder."""
    return Source(data=data, address=Address.parse(f"sqlite:///{data / 'hub.db'}"), version="1")


@pytest.fixture
async def data(tmp_path: Path, clock: FakeClock, heard: Heard) -> Path:
    """A hub's folder, with a key, an output and rows; no hub is on it."""
    folder = tmp_path / "data"
    output = folder / "outputs" / "wsp_one" / "exe_1"
    output.mkdir(parents=True)
    (folder / "identity.key").write_bytes(b"k" * 32)
    (output / "index").write_bytes(b"i" * 100)
    (output / "data").write_bytes(b"d" * 3000)
    async with open_store(f"sqlite:///{folder / 'hub.db'}", clock=clock, perform=heard.perform) as store:
        await store.write(seeds.work)
    return folder


def content(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, but for what SQLite keeps beside a database that is looked at."""
    files = [path for path in folder.rglob("*") if path.is_file() and not path.name.endswith(("-wal", "-shm"))]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def restored(file: Path, target: Path) -> dict[str, bytes]:
    """The files of a backup, verified."""
    restoring.verify(file, lambda _name, _share: None)
    archive.unpack(file, target, SystemDisk())
    return content(target)


async def test_what_is_put_back_is_what_was_taken(data: Path, tmp_path: Path, clock: FakeClock, heard: Heard) -> None:
    """R20: 0600, each file as it was, the store's id and position in the manifest; no backup takes another's place."""
    file = tmp_path / "hub.byb"
    made = take(source(data), file, SystemDisk(), clock)
    assert 0o600 == file.stat().st_mode & 0o777
    found = restored(file, tmp_path / "again")
    assert {**content(data), "hub.db": b""} == {**found, "hub.db": b""}
    async with open_store(f"sqlite:///{tmp_path / 'again' / 'hub.db'}", clock=clock, perform=heard.perform) as store:
        assert 2 == await store.read(seeds.count, "workspaces")
        assert made.store_id == await store.read(store_id)
    before = file.read_bytes()
    with pytest.raises(FileExistsError):
        take(source(data), file, SystemDisk(), clock)
    assert before == file.read_bytes()
    assert ["hub.byb"] == sorted(path.name for path in tmp_path.iterdir() if path.is_file())


async def test_a_backup_is_of_one_moment_while_the_hub_writes(
    data: Path, tmp_path: Path, clock: FakeClock, heard: Heard
) -> None:
    """R13, R20, P12: no write of the hub meets SQLITE_BUSY or waits for it, and each row's blob is in the file."""
    blobs, taken = FolderBlobs(data / "blobs", SystemDisk()), asyncio.Event()
    async with open_store(f"sqlite:///{data / 'hub.db'}", clock=clock, perform=heard.perform) as store:
        writer = asyncio.create_task(write_until(store, blobs, taken))
        try:
            for number in range(3):
                await asyncio.to_thread(take, source(data), tmp_path / f"{number}.byb", SystemDisk(), clock)
        finally:
            taken.set()
            written = await writer
    assert 3 <= written
    assert [] == heard.fatal
    counts = []
    for number in range(3):
        again = tmp_path / f"again-{number}"
        restored(tmp_path / f"{number}.byb", again)
        kept = FolderBlobs(again / "blobs", SystemDisk())
        async with open_store(f"sqlite:///{again / 'hub.db'}", clock=clock, perform=heard.perform) as store:
            named = await store.read(digests)
        assert all(kept.size(digest) for digest in named)
        counts.append(len(named))
    assert counts == sorted(counts)
    assert counts[-1] <= written


async def write_until(store: Store, blobs: FolderBlobs, taken: asyncio.Event) -> int:
    """A blob, then its row, again and again; how many."""
    count = 0
    while not taken.is_set():
        blob = await asyncio.to_thread(blobs.add, [f"blob {count}".encode() * 1000])
        await store.write(artifacts.own, seeds.WORKSPACE, blob)
        count += 1
    return count


def digests(tx: Transaction) -> list[str]:
    """Blobs that the database knows."""
    return [str(digest) for (digest,) in tx.connection.execute(sa.select(blob_rows.c.sha256))]


def store_id(tx: Transaction) -> str:
    """Which store this is."""
    return str(tx.connection.exec_driver_sql("SELECT value FROM meta WHERE key = 'store_id'").scalar_one())


async def test_a_cut_or_damaged_backup_is_refused(data: Path, tmp_path: Path, clock: FakeClock) -> None:
    """R20: digests first. Cut anywhere it is refused; a flipped bit is refused, or was in nothing that is put back."""
    file, hurt, order = tmp_path / "hub.byb", tmp_path / "hurt.byb", random.Random(20)
    made = take(source(data), file, SystemDisk(), clock)
    whole = file.read_bytes()
    first = restored(file, tmp_path / "first")
    end = whole.rindex(b"}") + 1  # behind the manifest is only padding
    for cut in [0, 1, 511, 512, 513, end - 1, *(order.randrange(end) for _ in range(60))]:
        hurt.write_bytes(whole[:cut])
        with pytest.raises(BadBackup, match=r"no whole backup|damaged|too soon"):
            archive.verify(hurt)
    refusals = 0
    for number in range(300):
        place = order.randrange(end)
        hurt.write_bytes(whole[:place] + bytes([whole[place] ^ 1 << order.randrange(8)]) + whole[place + 1 :])
        try:
            said = archive.verify(hurt)
        except BadBackup:
            refusals += 1
            continue
        assert made.files == said.files
        assert first == restored(hurt, tmp_path / f"hurt-{number}"), place
    assert 200 < refusals


def died(way: str, folder: Path, file: Path) -> Iterator[int]:
    """The steps at which a process was killed, one after another, until one came to its end."""
    for step in range(1, STEPS_MAX):
        command = [sys.executable, "-m", "tests.storage.dying_backup", way, str(folder), str(file), str(step)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            assert "whole\n" == done.stdout
            return
        assert -9 == done.returncode, done.stderr
        yield step
    pytest.fail("it never came to its end")


@pytest.mark.timeout(240)
async def test_a_backup_that_was_killed_is_no_backup(data: Path, tmp_path: Path) -> None:
    """R20: kill -9 at each step: no file of that name, or all of it; what is left hinders no later one."""
    file, kills = tmp_path / "hub.byb", 0
    for _ in died("take", data, file):
        kills += 1
        if file.exists():  # it was renamed, and died before the folder was synced
            archive.verify(file)
            file.unlink()
    archive.verify(file)
    assert 2 <= kills


@pytest.mark.timeout(240)
async def test_a_restore_that_was_killed_is_told_and_done_again(data: Path, tmp_path: Path, clock: FakeClock) -> None:
    """R20: kill -9 at each step: no hub starts on a part, and a second restore says to empty the folder."""
    file, target = tmp_path / "hub.byb", tmp_path / "new"
    take(source(data), file, SystemDisk(), clock)
    expected, parts = restored(file, tmp_path / "first"), 0
    for _ in died("restore", target, file):
        if content(target) == expected and not (target / "restoring").exists():
            check_whole(target)  # all is there: it died before the last sync
        elif target.exists() and any(target.iterdir()):
            parts += 1
            with pytest.raises(HalfRestored, match="was cut off: empty the folder and run botyard hub restore again"):
                check_whole(target)
            with pytest.raises(NotEmpty, match="was cut off: empty the folder"):
                restoring.check_empty(target)
        shutil.rmtree(target, ignore_errors=True)
    assert 4 < parts
    assert expected == content(target)
    check_whole(target)


@pytest.mark.parametrize("name", ["hub.db", "identity.key", "somebody's"])
def test_a_folder_with_anything_in_it_is_not_restored_into(name: str, tmp_path: Path) -> None:
    """R20: two hubs are never mixed."""
    (tmp_path / name).touch()
    with pytest.raises(NotEmpty, match=r"is not empty .*: restore into a new folder"):
        restoring.check_empty(tmp_path)


def test_a_restored_file_stays_in_its_folder(tmp_path: Path) -> None:
    """A backup that somebody made up writes nowhere else."""
    import tarfile

    for name in ("../out", "/etc/passwd", "a/../../out", "a//b", ""):
        file = tmp_path / "evil.byb"
        with tarfile.open(file, "w") as tar:
            tar.addfile(tarfile.TarInfo(name))
        with pytest.raises(BadBackup, match=r"is no backup of a hub|is no whole backup"):
            archive.verify(file)
        with pytest.raises(BadBackup):
            archive.unpack(file, tmp_path / "target", SystemDisk())
    assert ["evil.byb"] == [path.name for path in tmp_path.iterdir()]
