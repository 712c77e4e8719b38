"""`botyard task artifacts` on a real store: what people type, what they see, what lies on their disk."""

import asyncio
import hashlib
from pathlib import Path
from typing import Any

import pytest

from hub.cli.__main__ import run
from tests.support.api_hub import EXECUTION, ApiWorld

BIG = bytes(range(256)) * 20_000


@pytest.fixture(autouse=True)
def _profile(world: ApiWorld, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The command line is logged in."""
    monkeypatch.setenv("BOTYARD_URL", world.url)
    monkeypatch.setenv("BOTYARD_TOKEN", world.secrets["operator"])
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("COLUMNS", "120")


@pytest.fixture
async def task(world: ApiWorld) -> Any:
    """A task with three files."""
    made = await world.new_task()
    await world.begin(made["id"])
    await world.attach(made, "out/big.bin", BIG, EXECUTION)
    await world.attach(made, "report.txt", b"all is well\n", EXECUTION)
    await world.attach(made, "empty", b"", EXECUTION)
    return made


async def typed(*words: str) -> int:
    """Type a command: it runs as it does in a process of its own, in a thread beside the hub."""
    return await asyncio.to_thread(run, ["task", "artifacts", *words])


async def test_files_are_listed(task: Any, capfd: pytest.CaptureFixture[str]) -> None:
    assert 0 == await typed("1")
    lines = capfd.readouterr().out.splitlines()
    assert ["name", "size", "type", "came", "number"] == lines[0].split()
    assert lines[1].startswith("out/big.bin  4.9 MiB")


async def test_files_are_brought_with_their_paths_and_a_second_time_nothing_is(
    task: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "here"
    for _ in range(2):
        assert 0 == await typed("1", "--download", str(folder))
        assert "3 files in" in capfd.readouterr().err
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert {"out/big.bin", "report.txt", "empty"} == found
    assert BIG == (folder / "out/big.bin").read_bytes()


async def test_a_cut_download_goes_on_where_it_was(world: ApiWorld, task: Any, tmp_path: Path) -> None:
    """Half of it is here; a wrong half is noticed by the digest, and the next time it is right."""
    folder = tmp_path / "here"
    folder.joinpath("out").mkdir(parents=True)
    part = folder / "out" / ".big.bin.part"
    part.write_bytes(BIG[:1_000_000])
    assert 0 == await typed("1", "out/*", "--download", str(folder))
    assert BIG == (folder / "out/big.bin").read_bytes()
    (folder / "out/big.bin").unlink()
    part.write_bytes(b"x" * 1000)
    assert 1 == await typed("1", "out/*", "--download", str(folder))
    assert 0 == await typed("1", "out/*", "--download", str(folder))
    assert hashlib.sha256(BIG).digest() == hashlib.sha256((folder / "out/big.bin").read_bytes()).digest()
    del world


async def test_what_is_there_with_other_bytes_is_never_overwritten(
    task: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Refused before anything is written."""
    (tmp_path / "report.txt").write_text("mine")
    assert 1 == await typed("1", "--download", str(tmp_path))
    assert "is there already with other bytes" in capfd.readouterr().err
    assert "mine" == (tmp_path / "report.txt").read_text()
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["../up.txt", "/etc/evil", "a\\b", "C:x", "nul", "a/../../b", "\x1b]0;x\x07"])
async def test_a_name_that_leads_elsewhere_is_not_used(
    world: ApiWorld, tmp_path: Path, name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """S38: no user string becomes a path; nor does it reach the terminal as control characters."""
    made = await world.new_task()
    await world.begin(made["id"])
    number = await world.attach(made, name, b"evil", EXECUTION)
    folder = tmp_path / "a" / "b" / "here"
    assert 0 == await typed("1", "--download", str(folder))
    assert 0 == await typed("1")
    files = [path.relative_to(tmp_path).as_posix() for path in (tmp_path / "a").rglob("*") if path.is_file()]
    assert [f"a/b/here/artifact-{number}"] == files
    assert "\x1b" not in "".join(capfd.readouterr())


async def test_mistakes_have_one_sentence(task: Any, capfd: pytest.CaptureFixture[str]) -> None:
    assert 1 == await typed("1", "nothing.txt")
    assert "task 1 has no file 'nothing.txt'" in capfd.readouterr().err
    assert 1 == await typed("99")
    assert "no task '99'" in capfd.readouterr().err
    assert 1 == await typed("1", "--download", "/dev/null/x")
    assert "is a file, or lies below one; name another folder" in capfd.readouterr().err
