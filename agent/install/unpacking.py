"""The zip becomes a version: unpacked beside its place, tried, then renamed, so that a version is whole or not there.

The zip holds what belongs into site-packages at its root, programs in `bin/`, and `__main__.py`, which only the zip
needs. Here it becomes a virtual environment of the Python that runs this: three lines of text and two links.
"""

import shutil
import sys
import zipfile
from pathlib import Path, PurePosixPath

from agent.errors import AgentError
from agent.ports.files import Disk

_FOLDER_MODE = 0o755
_MAIN = "__main__.py"


def unpack(bundle: Path, target: Path, current: Path, disk: Disk) -> None:
    """Make `target`, which is not there yet, of a bundle; it will be called by way of `current`. Raises OSError."""
    library = target / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages"
    programs = target / "bin"
    for folder in (library, programs):
        disk.make_folder(folder, _FOLDER_MODE)
    with zipfile.ZipFile(bundle) as archive:
        for member in archive.infolist():
            path = PurePosixPath(member.filename)
            if path.is_absolute() or ".." in path.parts:
                raise AgentError(f"the bundle has a file {member.filename!r}, which belongs nowhere")
            if member.is_dir() or member.filename == _MAIN:
                continue
            is_program = path.parts[0] == "bin"
            _write(archive, member, target if is_program else library, is_program=is_program)
    base = _base_python()
    (target / "pyvenv.cfg").write_text(
        f"home = {base.parent}\ninclude-system-site-packages = false\nversion = {sys.version.split()[0]}\n"
    )
    (programs / "python3").symlink_to(base)
    (programs / "python").symlink_to("python3")
    wrapper = programs / "botyard-agent"
    wrapper.write_text(f'#!/bin/sh\nexec "{current}/bin/python3" -I -m agent "$@"\n')
    wrapper.chmod(0o755)


def version_of(bundle: Path) -> str:
    """The version that a bundle's name tells. Raises AgentError for another name."""
    words = bundle.name.removesuffix(".zip").split("-", 3)
    if len(words) != 4 or words[:2] != ["botyard", "agent"] or not words[2]:
        raise AgentError(f"{bundle.name} is no bundle: its name is botyard-agent-VERSION-PLATFORM.zip")
    return words[2]


def _write(archive: zipfile.ZipFile, member: zipfile.ZipInfo, root: Path, *, is_program: bool) -> None:
    path = root / member.filename
    path.parent.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
    with archive.open(member) as source, path.open("wb") as file:
        shutil.copyfileobj(source, file, 1024 * 1024)
    path.chmod(0o755 if is_program else 0o644)


def _base_python() -> Path:
    """The interpreter itself, also where this runs in somebody's virtual environment."""
    return Path(getattr(sys, "_base_executable", "") or sys.executable).resolve()
