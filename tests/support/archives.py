"""Archives that nobody should take: each of the bad ones that people and attackers send (S24, S25)."""

import io
import stat
import zipfile
from pathlib import Path


def climbing(path: Path) -> None:
    """An entry that leads out of the folder."""
    _zip(path, {"main.py": b"print()", "../outside.py": b"print()"})


def linked(path: Path) -> None:
    """A symbolic link to the system's passwords."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("main.py", "print()")
        link = zipfile.ZipInfo("secret.txt")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/shadow")


def overlapping(path: Path) -> None:
    """Two entries of the directory that share the same bytes, each whole by itself."""
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        archive.writestr("copy.py", b"1" * 5000)
        hidden = archive.getinfo("copy.py")
        end = archive.start_dir
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("main.py", inner.getvalue()[:end])
        hidden.header_offset = 30 + len("main.py")  # the first entry's own header
        archive.filelist.append(hidden)


def crowded(path: Path) -> None:
    """One file more than a package may have."""
    _zip(path, {"main.py": b"print()"} | {f"f{number}.txt": b"" for number in range(10_000)})


def bomb(path: Path) -> None:
    """400 MB of zeroes in 400 KB."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        archive.writestr("main.py", "print()")
        with archive.open("zeroes.bin", "w", force_zip64=True) as entry:
            for _ in range(400):
                entry.write(bytes(1024 * 1024))


def torn(path: Path) -> None:
    """The first half of a download."""
    _zip(path, {"main.py": b"print()" * 1000, "other.py": b"x" * 1000})
    path.write_bytes(path.read_bytes()[:200])


def _zip(path: Path, files: dict[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
