"""Archives that lie, and honest ones: what is read out of them and what is stored (S24, R53)."""

import gzip
import io
import os
import stat
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from agent.ports.files import SystemDisk
from hub.domain.unpacking import ArchiveError
from hub.services.packages import Unpacked, load, open_archive, unpack
from hub.storage.blobs import FolderBlobs

MIB = 1024 * 1024


@pytest.fixture
def blobs(tmp_path: Path) -> FolderBlobs:
    """An empty store of blobs."""
    return FolderBlobs(tmp_path / "blobs", SystemDisk())


@pytest.fixture
def taken(tmp_path: Path, blobs: FolderBlobs) -> Callable[[bytes, str], Unpacked]:
    """Unpack these bytes under that name."""

    def take(data: bytes, name: str) -> Unpacked:
        path = tmp_path / "upload"
        path.write_bytes(data)
        return unpack(open_archive(path, name), blobs)

    return take


Taken = Callable[[bytes, str], Unpacked]


def stored(blobs: FolderBlobs, tmp_path: Path) -> list[str]:
    """All blobs, and what was left of unfinished ones."""
    return [path.name for path in (tmp_path / "blobs").rglob("*") if path.is_file()]


def zipped(*entries: tuple[str | zipfile.ZipInfo, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip of these entries."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for entry, data in entries:
            archive.writestr(entry, data)
    return buffer.getvalue()


def tarred(*members: tuple[tarfile.TarInfo, bytes], form: int = tarfile.PAX_FORMAT) -> bytes:
    """A tar.gz of these members."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", format=form) as archive:
        for member, data in members:
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def member(name: str, type_: bytes = tarfile.REGTYPE, mode: int = 0o644, link: str = "") -> tarfile.TarInfo:
    """A tar member."""
    made = tarfile.TarInfo(name)
    made.type, made.mode, made.linkname = type_, mode, link
    return made


def info(name: str, mode: int) -> zipfile.ZipInfo:
    """A zip entry with Unix bits."""
    made = zipfile.ZipInfo(name)
    made.create_system = 3
    made.external_attr = mode << 16
    return made


def test_zip_and_tar_of_the_same_files_are_the_same_build(taken: Taken, blobs: FolderBlobs) -> None:
    """design.md §1: a build is its digest; R53: everything is in the store when it has one."""
    one = taken(
        zipped((info("run.sh", 0o100755), b"#!/bin/sh\n"), (info("a/b.txt", 0o100644), b"x" * 300_000)), "x.zip"
    )
    other = taken(
        tarred((member("./top/run.sh", mode=0o755), b"#!/bin/sh\n"), (member("./top/a/b.txt"), b"x" * 300_000)), "x.tgz"
    )

    assert one == other
    assert [True, False] == [file.executable for file in sorted(one.manifest.files, key=lambda file: file.size)]
    assert one == load(one.digest, blobs)


def test_old_powershell_separators_become_folders(taken: Taken) -> None:
    """maestro.md §5."""
    data = zipped(("bot.py", b"1"), ("dir/sub/x.txt", b"2")).replace(b"dir/sub/x.txt", b"dir\\sub\\x.txt")

    assert ["bot.py", "dir/sub/x.txt"] == [file.path for file in taken(data, "bot.zip").manifest.files]


@pytest.mark.parametrize(
    "name", ["../up", "/abs", "a/../../x", "C:/x", "nul.txt", "a.", "x:s", "..\\up", "\\\\srv\\share\\x", "a\0b"]
)
def test_an_unsafe_name_stores_nothing(taken: Taken, blobs: FolderBlobs, tmp_path: Path, name: str) -> None:
    """S24: nothing is written before all names are checked."""
    safe = "".join("_" if character == "\0" else character for character in name)
    data = zipped(("bot.py", b"1"), (safe, b"2"))
    data = data.replace(safe.encode(), name.encode())
    with pytest.raises(ArchiveError):
        taken(data, "bot.zip")
    with pytest.raises(ArchiveError):
        taken(tarred((member("bot.py"), b"1"), (member(safe.replace("_", "\\")), b"2")), "bot.tar.gz")
    assert [] == stored(blobs, tmp_path)


@pytest.mark.parametrize("mode", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFSOCK])
def test_a_zip_with_links_or_devices_is_refused(taken: Taken, mode: int) -> None:
    with pytest.raises(ArchiveError, match="files and folders only"):
        taken(zipped(("bot.py", b"1"), (info("x", mode | 0o777), b"/etc/passwd")), "bot.zip")


@pytest.mark.parametrize(
    "type_", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE, tarfile.CONTTYPE]
)
def test_a_tar_with_links_or_devices_is_refused(taken: Taken, type_: bytes) -> None:
    with pytest.raises(ArchiveError, match="files and folders only"):
        taken(tarred((member("bot.py"), b"1"), (member("x", type_, link="bot.py"), b"")), "bot.tar.gz")


def test_entries_that_share_their_bytes_are_refused(taken: Taken) -> None:
    """S24: CPython 3.11.7 unpacks these to as many copies as the directory names."""
    data = zipped(("a", b"0" * 100_000))
    start, directory = 0, data.index(b"PK\x01\x02")
    record = data[directory : data.index(b"PK\x05\x06")]
    many = b"".join(record[:-1] + bytes([97 + number]) for number in range(20))
    end = struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, 20, 20, len(many), directory, 0)
    with pytest.raises(ArchiveError) as refused:
        taken(data[start:directory] + many + end, "bot.zip")
    assert refused.value.code in {"overlapping_entries", "header_mismatch"}


def test_a_quoted_overlap_with_matching_headers_is_refused(taken: Taken) -> None:
    """The bomb whose every local header is right: each entry's data holds the next entry."""
    inner = zipped(("a", b"x" * 1000), method=zipfile.ZIP_STORED)
    local = inner[: inner.index(b"PK\x01\x02")]
    outer = zipped(("b", local), ("c", b"1"), method=zipfile.ZIP_STORED)
    directory = outer.index(b"PK\x01\x02")
    inner_record = bytearray(inner[inner.index(b"PK\x01\x02") : inner.index(b"PK\x05\x06")])
    inner_record[42:46] = struct.pack("<I", outer.index(local))
    records = outer[directory : outer.index(b"PK\x05\x06")] + bytes(inner_record)
    end = struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, 3, 3, len(records), directory, 0)
    with pytest.raises(ArchiveError) as refused:
        taken(outer[:directory] + records + end, "bot.zip")
    assert "overlapping_entries" == refused.value.code


@pytest.mark.parametrize(
    "field", [slice(22, 26), slice(14, 18), slice(8, 10), slice(30, 36)], ids=["size", "crc", "method", "name"]
)
def test_a_header_that_differs_from_the_directory_is_refused(taken: Taken, field: slice) -> None:
    """S24: header mismatch."""
    data = bytearray(zipped(("bot.py", b"print(1)" * 100)))
    data[field] = bytes((byte + 1) % 256 for byte in data[field])
    with pytest.raises(ArchiveError) as refused:
        taken(bytes(data), "bot.zip")
    assert "header_mismatch" == refused.value.code


def test_a_directory_that_understates_a_size_is_refused(taken: Taken, blobs: FolderBlobs, tmp_path: Path) -> None:
    """Both headers agree, the data does not."""
    data = bytearray(zipped(("bot.py", b"x" * 5000)))
    for at in (22, data.index(b"PK\x01\x02") + 24):
        data[at : at + 4] = struct.pack("<I", 10)
    with pytest.raises(ArchiveError):
        taken(bytes(data), "bot.zip")
    assert [] == stored(blobs, tmp_path)


def test_encrypted_and_oddly_packed_zips_are_refused(taken: Taken) -> None:
    data = bytearray(zipped(("bot.py", b"x")))
    for at in (6, data.index(b"PK\x01\x02") + 8):
        data[at] |= 1
    with pytest.raises(ArchiveError, match="encrypted"):
        taken(bytes(data), "bot.zip")
    with pytest.raises(ArchiveError, match="deflate"):
        taken(zipped(("bot.py", b"x" * 100), method=zipfile.ZIP_LZMA), "bot.zip")


def test_bombs_are_stopped_early(taken: Taken, blobs: FolderBlobs, tmp_path: Path) -> None:
    """S24: ratio 200."""
    with pytest.raises(ArchiveError, match="200 times"):
        taken(zipped(("zeros", bytes(20 * MIB))), "bot.zip")
    with pytest.raises(ArchiveError):
        taken(tarred((member("zeros"), bytes(60 * MIB))), "bot.tar.gz")
    assert [] == stored(blobs, tmp_path)


def test_a_tar_header_of_absurd_length_is_refused(taken: Taken) -> None:
    """`tarfile` would read it into memory."""
    long = tarfile.TarInfo("x")
    long.type, long.size = tarfile.XHDTYPE, 100 * MIB
    data = gzip.compress(long.tobuf(tarfile.USTAR_FORMAT) + bytes(100 * MIB))
    with pytest.raises(ArchiveError, match="claims to be"):
        taken(data, "bot.tar.gz")


def test_a_tar_that_is_damaged_in_its_middle_is_refused(taken: Taken) -> None:
    """A damaged header must not look like the archive's end: files would be missing without a word."""
    plain = bytearray(
        gzip.decompress(tarred((member("a"), b"1" * 600), (member("b"), b"2"), form=tarfile.USTAR_FORMAT))
    )
    plain[1536:1540] = b"\xff\xff\xff\xff"
    with pytest.raises(ArchiveError, match="damaged"):
        taken(gzip.compress(bytes(plain)), "bot.tar.gz")


@pytest.mark.parametrize("cut", [10, 100, 200])
def test_a_truncated_archive_is_refused(taken: Taken, blobs: FolderBlobs, tmp_path: Path, cut: int) -> None:
    files = [(member(f"f{number}"), os.urandom(400)) for number in range(3)]
    zip_data = zipped(*((f"f{number}", os.urandom(400)) for number in range(3)))
    for data, name in ((tarred(*files)[:-cut], "bot.tar.gz"), (zip_data[:-cut], "bot.zip")):
        with pytest.raises(ArchiveError):
            taken(data, name)
    assert not [name for name in stored(blobs, tmp_path) if len(name) != 64]


def test_every_single_flipped_byte_is_refused_or_harmless(taken: Taken) -> None:
    """Whatever is wrong is an ArchiveError, never another exception; content that passes was checked by CRC."""
    good = zipped(("bot.py", b"print(1)\n" * 20), ("d/x.txt", b"abc"))
    contents = {file.sha256 for file in taken(good, "bot.zip").manifest.files}
    for at in range(len(good)):
        bad = bytearray(good)
        bad[at] ^= 0x55
        try:
            unpacked = taken(bytes(bad), "bot.zip")
        except ArchiveError:
            continue
        assert contents >= {file.sha256 for file in unpacked.manifest.files}


def test_a_single_file_is_a_package(taken: Taken) -> None:
    for data, name, executable in ((b"print(1)", "C:\\Users\\me\\bot.py", False), (b"#!/bin/sh\n", "job", True)):
        (file,) = taken(data, name).manifest.files
        assert (name.rpartition("\\")[2], executable) == (file.path, file.executable)


def test_a_jar_stays_whole(taken: Taken) -> None:
    assert ["x.jar"] == [file.path for file in taken(zipped(("A.class", b"x")), "x.jar").manifest.files]


def test_a_package_cannot_fill_the_memory_of_the_hub_to_be_recognised(taken: Callable[[bytes, str], Unpacked]) -> None:
    """Locks and lists are read whole, so all of them together are bounded; a few KB may claim gigabytes (S24)."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(17):
            archive.writestr(f"{number}.py.lock", os.urandom(32 * 1024) * 128)

    with pytest.raises(ArchiveError, match="say how a package is started"):
        taken(buffer.getvalue(), "bot.zip")
