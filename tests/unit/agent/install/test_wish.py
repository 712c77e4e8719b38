"""Where a bundle goes, and who is told to type something else (packaging.md §3)."""

from dataclasses import replace
from pathlib import Path

import pytest

from agent.errors import SetupError
from agent.install.wish import User, Wish, place
from agent.mode import Mode
from agent.service.spec import System

WISH = Wish(hub="https://hub", hub_id="hub_1")
ROOT = User(system=System.LINUX, is_admin=True, folder=Path("/root"))
MIA = User(system=System.LINUX, is_admin=False, folder=Path("/home/mia"))


def test_root_gets_a_service_of_the_machine() -> None:
    found = place(WISH, ROOT)
    assert (Mode.SERVICE, "/opt/botyard-agent", "/usr/local/bin/botyard-agent", "/var/lib/botyard-agent") == (
        found.mode,
        str(found.prefix),
        str(found.command),
        str(found.home),
    )


def test_others_get_one_of_their_session_where_nothing_needs_rights() -> None:
    found = place(WISH, MIA)
    paths = (found.prefix, found.command, found.home)
    assert Mode.SESSION is found.mode
    assert all(path.is_relative_to(MIA.folder) for path in paths)
    assert Path("/x/botyard-agent") == place(WISH, replace(MIA, environment={"XDG_DATA_HOME": "/x"})).prefix
    assert Path("/h") == place(replace(WISH, home="/h"), MIA).home


@pytest.mark.parametrize("system", [System.LINUX, System.MACOS])
def test_a_second_line_waits_at_the_same_folder_as_the_first(tmp_path: Path, system: System) -> None:
    """Also when the first one, on a bare account, has made folders on the way in between."""
    user = replace(MIA, system=system, folder=tmp_path)
    first = place(WISH, user)
    assert first.lock.is_dir()
    first.prefix.mkdir(parents=True)
    assert first.lock == place(WISH, user).lock
    assert place(WISH, ROOT).lock.is_dir()


def test_a_mac_has_its_program_beside_the_home_that_a_purge_removes() -> None:
    found = place(WISH, replace(MIA, system=System.MACOS))
    assert not found.prefix.is_relative_to(found.home)


@pytest.mark.parametrize(
    ("mode", "user", "words"),
    [
        (Mode.SERVICE, MIA, "sudo before sh"),
        (Mode.SERVICE, replace(MIA, system=System.MACOS), "leave it out"),
        (None, replace(ROOT, system=System.MACOS), "without sudo"),
        (None, replace(MIA, system=System.WINDOWS), "install.ps1"),
    ],
)
def test_what_can_not_be_is_said_with_what_to_type(mode: Mode | None, user: User, words: str) -> None:
    with pytest.raises(SetupError, match=words):
        place(replace(WISH, mode=mode), user)
