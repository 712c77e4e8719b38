"""`botyard support-bundle`: enough to help with, and no secret, whether the hub is there or not."""

import json
import sqlite3
import zipfile
from pathlib import Path

import pytest

from hub.cli.bundle_masks import HIDDEN, Masks, without_values
from tests.support.api_hub import ApiWorld
from tests.support.typed import Typed


def parts_of(file: Path) -> dict[str, str]:
    with zipfile.ZipFile(file) as archive:
        return {name: archive.read(name).decode() for name in archive.namelist()}


async def test_it_holds_what_failed_and_no_secret(
    world: ApiWorld, typed: Typed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Issue 3, part 6 (masked): seeded keys, tokens, parameters and passwords are in none of its parts."""
    token = (await typed("runner", "token", "--json")).json()["token"]
    data = tmp_path / "data"
    (data / "admin-token").write_text(world.secrets["instance"] + "\n")
    (data / "hub.log").write_text(f"a line with {token} and postgresql://u:pa55word@db/x\n" * 3)
    monkeypatch.setenv("BOTYARD_HUB_DATABASE", "postgresql://botyard:hunter22@db/botyard")
    task = await world.new_task("strict", parameters={"month": "2026-03-parameter", "pin": "pin-8372-secret"})
    await world.begin(task["id"])
    world.print(f"said {world.secrets['admin']}\n".encode(), 0)
    await world.settle(task["id"], outcome="failed", message="it broke")

    file = tmp_path / "out.zip"
    answer = await typed("support-bundle", str(file), "--data", str(data))

    assert (0, f"{file}\n") == (answer.code, answer.text), answer.err
    assert 0o600 == file.stat().st_mode & 0o777
    parts = parts_of(file)
    assert {"versions.json", "settings.json", "hub/events.jsonl", "hub/failed/1.1.json", "hub/failed/1.1.txt"} <= set(
        parts
    )
    assert "it broke" in parts["hub/failed/1.1.json"]
    assert f"said {HIDDEN}" in parts["hub/failed/1.1.txt"]
    secrets = (*world.secrets.values(), token, "hunter22", "pa55word", "pin-8372-secret", "2026-03-parameter")
    found = [(name, secret) for name, text in parts.items() for secret in secrets if secret in text]
    assert [] == found


async def test_with_the_hub_down_its_folder_tells(
    world: ApiWorld, typed: Typed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is asked for most when nothing works: sizes, migrations, the last events and logs need no hub."""
    data = tmp_path / "folder" / "hub"
    data.mkdir(parents=True)
    with sqlite3.connect(tmp_path / "hub.db") as source, sqlite3.connect(data / "hub.db") as copy:
        source.backup(copy)
    (data.parent / "hub.log").write_text("it ended so\n")
    monkeypatch.setenv("BOTYARD_URL", "http://127.0.0.1:9")

    answer = await typed("support-bundle", str(tmp_path / "out.zip"), "--data", str(data.parent), "--json")

    assert 0 == answer.code, answer.err
    assert any("no answer from the hub" in line for line in answer.json()["missing"])
    parts = parts_of(tmp_path / "out.zip")
    database = json.loads(parts["data/folder/database.json"])
    assert ["ok"] == database["check"]
    assert database["migration"] == [json.loads(parts["versions.json"])["migration"]]
    assert "key.created" in {event["kind"] for event in database["events"]}
    assert "it ended so\n" == parts["data/folder/hub.log"]
    assert "entries" in parts["data/folder/sizes.json"]


async def test_nothing_is_overwritten(typed: Typed, tmp_path: Path) -> None:
    (tmp_path / "out.zip").write_text("mine")
    answer = await typed("support-bundle", str(tmp_path / "out.zip"))
    assert (2, True) == (answer.code, "is there already; name another file" in answer.err)
    assert "mine" == (tmp_path / "out.zip").read_text()


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("key byk_0123456789abcdef end", f"key {HIDDEN} end"),
        ("https://user:pass@hub.example/x", f"https://{HIDDEN}@hub.example/x"),
        ("Authorization: Bearer abcdefgh.ijkl", f"Authorization: Bearer {HIDDEN}"),
        ("-----BEGIN PRIVATE KEY-----\nabc\n-----END PRIVATE KEY-----\nafter", f"{HIDDEN}\nafter"),
        ("a plain line", "a plain line"),
    ],
)
def test_secrets_are_known_by_how_they_look(text: str, left: str) -> None:
    assert left == Masks().text(text)


def test_a_known_secret_goes_wherever_it_stands_and_values_stay_at_home() -> None:
    masks = Masks()
    masks.add(["correct horse", "", None, "ab"])
    assert f"x{HIDDEN}y ab" == masks.text("xcorrect horsey ab")
    shown = masks.environment({"BOTYARD_TOKEN": "0123456", "BOTYARD_URL": "http://h", "HOME": "/root"})
    assert {"BOTYARD_TOKEN": HIDDEN, "BOTYARD_URL": "http://h"} == shown
    task = {"parameters": {"b": 1, "a": 2}, "outputs": {"o": "v"}, "summary": "# all", "number": 1}
    assert {"parameters": ["a", "b"], "outputs": ["o"], "summary": HIDDEN, "number": 1} == without_values(task)
