"""`botyard login` and `botyard key`: who may speak to which hub."""

from pathlib import Path

import pytest

from tests.support.api_hub import ApiWorld
from tests.support.typed import Typed


async def test_keys_and_enrolment_tokens_are_given_as_scripts_want_them(world: ApiWorld, typed: Typed) -> None:
    """design.md §5: `login` and `key`; `token` and the command to paste, with no secret in an argument (S11)."""
    key = (await typed("key", "create", "ci", "--role", "developer", "--json")).json()
    assert key["key"].startswith("byk_")
    assert key["login"] == key["id"]
    token = (await typed("runner", "token", "--label", "room=a", "--json")).json()
    assert token["token"].startswith("byt_")
    assert {"room": "a"} == token["labels"]
    assert f"botyard-agent enroll {world.url} --token -" in token["command"]
    assert token["token"] not in token["command"].partition("|")[2]


async def test_login_writes_a_profile_for_this_user_alone(
    world: ApiWorld, typed: Typed, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """design.md §5: profile 0600; the environment wins."""
    monkeypatch.delenv("BOTYARD_URL")
    monkeypatch.delenv("BOTYARD_TOKEN")
    answer = await typed("task", "list")
    assert (2, True) == (answer.code, "botyard login URL" in answer.err)
    file = tmp_path / "key"
    file.write_text(world.secrets["viewer"] + "\n")
    assert 0 == (await typed("login", world.url, "--token-file", str(file))).code
    profile = tmp_path / "config" / "botyard" / "profile.json"
    assert 0o600 == profile.stat().st_mode & 0o777
    answer = await typed("run", "invoices")
    assert (1, "botyard: This needs the role operator; the key 'the viewer' has the role viewer.\n") == (
        answer.code,
        answer.err,
    )
    monkeypatch.setenv("BOTYARD_TOKEN", world.secrets["operator"])
    monkeypatch.setenv("BOTYARD_URL", world.url)
    assert 0 == (await typed("run", "invoices")).code


async def test_a_key_is_never_sent_to_another_hub_than_the_one_it_was_given_for(
    world: ApiWorld, typed: Typed, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "key"
    file.write_text(world.secrets["admin"])
    await typed("login", world.url, "--token-file", str(file))
    monkeypatch.delenv("BOTYARD_TOKEN")
    monkeypatch.setenv("BOTYARD_URL", "http://127.0.0.1:9")
    answer = await typed("task", "list")
    assert (2, True) == (answer.code, "no key for http://127.0.0.1:9" in answer.err)
