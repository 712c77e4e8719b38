"""`botyard hub backup` and `restore` as they are typed: what is said of bad input, and what is left behind (R20)."""

import os
import pwd
import shutil
from pathlib import Path

import pytest

from agent.ports import SystemDisk
from hub import data_folder
from hub.storage.opening import open_store
from tests.storage import seeds
from tests.support.clock import FakeClock
from tests.support.typed import Answer, Typed, typing_in


@pytest.fixture
def say(capfdbinary: pytest.CaptureFixture[bytes]) -> Typed:
    """Type a command; no hub is there."""
    return typing_in(capfdbinary)


def said(told: Answer) -> list[str]:
    """The lines on stderr, without how far it was."""
    return [line for line in told.err.splitlines() if not line.endswith("%")]


@pytest.fixture
async def data(tmp_path: Path, clock: FakeClock) -> Path:
    """The folder of a hub that is stopped: a key and a store."""
    folder = tmp_path / "data"
    folder.mkdir(mode=0o700)
    (folder / "identity.key").write_bytes(b"k" * 32)
    async with open_store(f"sqlite:///{folder / 'hub.db'}", clock=clock, perform=lambda _: None) as store:
        await store.write(seeds.work)
    return folder


@pytest.fixture
def as_nobody(data: Path) -> Path:
    """The same folder, of another user than who types."""
    if os.geteuid() != 0:
        pytest.skip("giving files to another user needs root")
    nobody = pwd.getpwnam("nobody")
    for path in (data, *data.iterdir()):
        os.chown(path, nobody.pw_uid, nobody.pw_gid)
    return data


async def test_a_backup_and_its_restore_tell_scripts_what_they_did(say: Typed, data: Path, tmp_path: Path) -> None:
    """R20: written while nobody waits, put back with every unfinished task held; JSON for scripts."""
    file, new = tmp_path / "hub.byb", tmp_path / "new"
    made = (await say("hub", "backup", str(file), "--data", str(data), "--json")).json()
    assert (str(file), file.stat().st_size, 2) == (made["file"], made["bytes"], made["files"])
    told = (await say("hub", "restore", str(file), "--data", str(new), "--json")).json()
    assert (str(new), 2) == (told["data"], told["files"])
    assert 0 < told["held"]
    again = await say("hub", "backup", str(tmp_path / "2.byb"), "--data", str(new))
    assert (0, "2 files" in again.text) == (again.code, True)


async def test_a_backup_of_a_stopped_hub_leaves_nothing_that_its_user_cannot_use(
    say: Typed, as_nobody: Path, tmp_path: Path
) -> None:
    """R20: root takes the backup of a hub of another user: whatever SQLite keeps beside the database is that user's."""
    owner = as_nobody.stat().st_uid
    assert 0 == (await say("hub", "backup", str(tmp_path / "hub.byb"), "--data", str(as_nobody))).code
    assert {owner} == {path.stat().st_uid for path in as_nobody.iterdir()}
    assert 0 == (tmp_path / "hub.byb").stat().st_uid


async def test_what_cannot_be_backed_up_is_one_line(say: Typed, data: Path, tmp_path: Path) -> None:
    """design.md §5: what is wrong and what to do, exit code 2 for what was typed wrong, and nothing is written."""
    here, place = str(data), tmp_path / "is.byb"
    place.write_text("mine")
    (tmp_path / "empty").mkdir()
    cases = {
        (str(place), "--data", here): (2, f"{place} is there already; name another file"),
        (str(tmp_path / "no" / "x.byb"), "--data", here): (2, "there is no folder"),
        (str(tmp_path / "x.byb"), "--data", str(tmp_path / "empty")): (2, "has no hub; name its folder with --data"),
        (str(tmp_path / "x.byb"), "--data", str(place)): (2, f"{place}"),
        (str(tmp_path / "x.byb"), "--data", here, "--database", "mysql://u:secret@h/d"): (2, "--database is no engine"),
        (str(tmp_path / "x.byb"), "--data", here, "--database", "postgresql://u:secret@127.0.0.1:1/d"): (
            1,
            "the database d at 127.0.0.1:1 is not reached",
        ),
    }
    for words, (code, sentence) in cases.items():
        told = await say("hub", "backup", *words)
        assert (code, 1) == (told.code, len(said(told))), told.err
        assert sentence in told.err
        assert "secret" not in told.err
    assert "mine" == place.read_text()
    assert {"data", "empty", "is.byb"} == {path.name for path in tmp_path.iterdir()}


async def test_a_damaged_hub_is_not_backed_up(say: Typed, data: Path, tmp_path: Path) -> None:
    """R20, G9: a copy of a damaged database is no backup: one line, no file."""
    whole = (data / "hub.db").read_bytes()
    (data / "hub.db").write_bytes(whole[:4096] + b"\xff" * 8192 + whole[12288:])
    told = await say("hub", "backup", str(tmp_path / "x.byb"), "--data", str(data))
    assert (1, 1) == (told.code, len(said(told))), told.err
    assert {"data"} == {path.name for path in tmp_path.iterdir()}


async def test_what_cannot_be_restored_is_one_line(say: Typed, data: Path, tmp_path: Path) -> None:
    """R20: no file, no backup, a folder in use, a running hub, a database too many: refused, and nothing was put."""
    file, torn, new = tmp_path / "hub.byb", tmp_path / "torn.byb", tmp_path / "new"
    await say("hub", "backup", str(file), "--data", str(data))
    torn.write_bytes(file.read_bytes()[:-12000])
    cases = {
        (str(tmp_path / "none.byb"), "--data", str(new)): (2, "there is no file"),
        (str(torn), "--data", str(new)): (1, "is not whole"),
        (str(file), "--data", str(data)): (2, "is not empty"),
        (str(file), "--data", str(file)): (2, "a file is where a folder has to be"),
        (str(file), "--data", str(new), "--database", "postgresql://h/d"): (2, "has its database inside"),
    }
    for words, (code, sentence) in cases.items():
        told = await say("hub", "restore", *words)
        assert (code, 1) == (told.code, len(said(told))), told.err
        assert sentence in told.err
    assert not new.exists()
    with data_folder.held(new, SystemDisk()):
        told = await say("hub", "restore", str(file), "--data", str(new))
        assert (1, "another hub runs on" in told.err, 1) == (told.code, True, len(said(told)))
    assert ["hub.lock"] == [path.name for path in new.iterdir()]


async def test_a_restore_without_room_or_right_leaves_nothing(say: Typed, data: Path, tmp_path: Path) -> None:
    """R20: what fails on the way leaves a folder that can be restored into."""
    file, new = tmp_path / "hub.byb", tmp_path / "new"
    await say("hub", "backup", str(file), "--data", str(data))
    newer = tmp_path / "newer"
    shutil.copytree(data, newer)
    with_schema(newer / "hub.db", "9999")
    later = tmp_path / "newer.byb"
    assert 0 == (await say("hub", "backup", str(later), "--data", str(newer))).code
    told = await say("hub", "restore", str(later), "--data", str(new))
    assert (1, 1) == (told.code, len(said(told))), told.err
    assert "made by a newer Botyard" in told.err
    assert 0 == (await say("hub", "restore", str(file), "--data", str(new))).code


def with_schema(database: Path, version: str) -> None:
    """Say that a database is of another version."""
    import sqlite3
    from contextlib import closing

    with closing(sqlite3.connect(database, isolation_level=None)) as db:
        db.execute("UPDATE alembic_version SET version_num = ?", (version,))
