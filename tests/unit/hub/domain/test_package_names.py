"""What bots and versions are called (design.md §1)."""

from datetime import date

import pytest

from hub.domain.package_names import check_bot_name, check_version, default_bot, default_version
from hub.domain.packages import Package, PackageError

TODAY = date(2026, 11, 21)


@pytest.mark.parametrize(
    ("upload", "bot"),
    [
        ("invoices.zip", "invoices"),
        ("a/b/my-bot.tar.gz", "my-bot"),
        ("x.tgz", "x"),
        ("report.py", "report"),
        ("v1.2.zip", "v1.2"),
    ],
)
def test_a_bot_is_called_like_its_upload(upload: str, bot: str) -> None:
    assert bot == default_bot(upload)


@pytest.mark.parametrize(
    ("contents", "version"),
    [
        ({"VERSION": b"1.2.3\n", "pyproject.toml": b'[project]\nversion="9"'}, "1.2.3"),
        ({"pyproject.toml": b'[project]\nversion = "2.0"'}, "2.0"),
        ({"VERSION": b"\n"}, "2026.11.21-abcdef01"),
        ({}, "2026.11.21-abcdef01"),
    ],
)
def test_a_version_is_said_by_the_package_or_by_day_and_digest(contents: dict[str, bytes], version: str) -> None:
    package = Package(executable=dict.fromkeys(contents, False), contents=contents)

    assert version == default_version(package, "abcdef0123", TODAY)


def test_names_are_checked() -> None:
    assert "Größe 2 (neu)" == check_bot_name("Größe 2 (neu)")
    assert "1.0.0-rc.1+x" == check_version("1.0.0-rc.1+x")
    for name in ("", " x", "x ", "a/b", "-x", "a\n", "x" * 129):
        with pytest.raises(PackageError):
            check_bot_name(name)
    for version in ("", "a b", "1/2", "x" * 129, "é"):
        with pytest.raises(PackageError):
            check_version(version)
