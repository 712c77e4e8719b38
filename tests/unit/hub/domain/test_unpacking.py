"""What an archive becomes, decided before a byte is written (S24)."""

import pytest

from agent.wire.builds import BUILD_MAX_BYTES, ENTRIES_MAX, FILE_MAX_BYTES
from hub.domain.unpacking import Allowance, ArchiveEntry, ArchiveError, EntryType, plan


def entry(name: str, size: int = 1, type_: EntryType = EntryType.FILE, position: int = 0) -> ArchiveEntry:
    """An entry of an archive."""
    return ArchiveEntry(position=position, name=name, type=type_, size=size)


def folder(name: str) -> ArchiveEntry:
    """A folder's entry."""
    return entry(name, 0, EntryType.FOLDER)


def paths(*entries: ArchiveEntry) -> list[str]:
    """Files and empty folders that the entries become."""
    planned = plan(entries, packed_bytes=10_000)
    return [*(file.path for file in planned.files), *(f"{name}/" for name in planned.folders)]


def test_files_keep_their_paths_and_empty_folders_stay() -> None:
    """A bot that writes into the `output/` that it brought along finds it."""
    assert ["bot.py", "data/a.csv", "output/"] == paths(
        entry("bot.py"), folder("data/"), entry("data/a.csv"), folder("output/")
    )


def test_one_top_folder_is_stripped() -> None:
    """bot-packages.md §1: archives of repositories come like that."""
    assert ["bot.py", "x/y"] == paths(folder("repo-main/"), entry("repo-main/bot.py"), entry("repo-main/x/y"))
    assert ["bot.py", "tmp/"] == paths(entry("./repo/bot.py"), folder("./"), folder("./repo/tmp/"))


def test_a_single_file_is_no_top_folder() -> None:
    assert ["bot.py"] == paths(entry("bot.py"))


def test_what_honest_packers_leave_is_forgiven() -> None:
    assert ["bot.py", "b/c.txt"] == paths(entry("./bot.py"), entry("__MACOSX/._bot.py"), entry("b/./c.txt"))


@pytest.mark.parametrize(
    "name",
    ["/abs", "../up", "a/../../b", "C:/x", "a\\b", "nul", "x:y", "a.", "a\0", "//unc/x", "a//b", "", "./", "/./"],
)
def test_an_unsafe_name_refuses_the_whole_archive(name: str) -> None:
    """S24: never "all but this one"."""
    with pytest.raises(ArchiveError):
        plan([entry("bot.py"), entry(name)], packed_bytes=10_000)


@pytest.mark.parametrize("name", ["/", "/.", "//", "../", "a/../b/"])
def test_an_unsafe_folder_refuses_the_whole_archive(name: str) -> None:
    with pytest.raises(ArchiveError):
        plan([entry("bot.py"), folder(name)], packed_bytes=10_000)


@pytest.mark.parametrize("type_", [EntryType.LINK, EntryType.SPECIAL])
def test_links_and_devices_are_refused(type_: EntryType) -> None:
    """S24: links, devices."""
    with pytest.raises(ArchiveError, match="files and folders only"):
        plan([entry("bot.py"), entry("x", 0, type_)], packed_bytes=10_000)


@pytest.mark.parametrize("names", [("a", "a"), ("a.py", "A.PY"), ("é", "e\u0301"), ("a", "a/b"), ("x/Ä", "X/ä")])
def test_two_names_for_one_file_are_refused(names: tuple[str, str]) -> None:
    """S24: NFC+casefold duplicates."""
    entries = [entry("bot.py"), *(entry(name) for name in names)]
    with pytest.raises(ArchiveError) as refused:
        plan(entries, packed_bytes=10_000)
    assert "duplicate_entry" == refused.value.code


def test_numbers_and_sizes_are_bounded() -> None:
    """S24: 10,000 entries, 512 MiB each, 2 GiB in all, ratio 200."""
    many = [entry(f"f{number}") for number in range(ENTRIES_MAX + 1)]
    large = [entry(f"f{number}", FILE_MAX_BYTES) for number in range(BUILD_MAX_BYTES // FILE_MAX_BYTES + 1)]
    for entries, packed in ((many, 10**6), ([entry("a", FILE_MAX_BYTES + 1)], 10**9), (large, 10**9)):
        with pytest.raises(ArchiveError):
            plan(entries, packed_bytes=packed)
    with pytest.raises(ArchiveError, match="200 times"):
        plan([entry("zeros", 2 * 1024 * 1024)], packed_bytes=5000)
    plan([entry("zeros", 500_000)], packed_bytes=1000)


def test_an_archive_without_files_is_refused() -> None:
    with pytest.raises(ArchiveError, match="no file"):
        plan([folder("a/"), entry("__MACOSX/x")], packed_bytes=100)


def test_bytes_are_counted_as_they_come() -> None:
    """S24: counted while writing."""
    allowance = Allowance(packed_bytes=10_000)
    allowance.spend(1_500_000)
    with pytest.raises(ArchiveError):
        allowance.spend(600_000)
