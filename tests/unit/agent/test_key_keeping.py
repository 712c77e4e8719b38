"""Where Windows keeps a runner's key: which homes are a user's own."""

from pathlib import Path

import pytest

from agent.key_keeping import is_users, open_key, seal_key


@pytest.mark.parametrize("home", [r"C:\Users\ada\AppData\Local\botyard-agent", "d:/users/ada/x", r"C:\USERS\\a"])
def test_a_users_folder_is_opened_by_that_user(home: str) -> None:
    assert is_users(home)


@pytest.mark.parametrize("home", [r"C:\ProgramData\Botyard\Agent", r"D:\runner", r"C:\Usersx\a", r"\\srv\Users\a"])
def test_all_else_is_the_machines(home: str) -> None:
    assert not is_users(home)


def test_elsewhere_the_rights_of_the_file_keep_it() -> None:
    assert open_key(seal_key(b"k" * 32, Path("/home"))) == b"k" * 32
