"""Files of documents: found, read, and the place of every member kept, so that a fault names file and line."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hub.cli.failing import Exit, Failure
from hub.domain.documents.yaml_reading import FILE_MAX_BYTES, Located, read

_ENDINGS = frozenset({".yaml", ".yml"})
STDIN = "-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """One document and where it stands."""

    file: str
    located: Located

    @property
    def value(self) -> dict[str, Any]:
        """The document."""
        value: dict[str, Any] = self.located.value
        return value

    def place(self, member: str) -> str:
        """File and line of a member."""
        return f"{self.file}:{self.located.line_of(member)}"


def read_all(named: Sequence[str]) -> list[Placed]:
    """Every document of files and folders, those of a folder in order of their paths.

    Raises Failure with each fault of each file, as ``queues.yaml:12: 'label' stands twice (…)``.
    """
    placed: list[Placed] = []
    told: list[str] = []
    for one in named:
        for file in _files(one):
            documents, faults = _read(file)
            placed += documents
            told += faults
    if told:
        raise Failure("the files can't be read; nothing was changed.", Exit.USAGE, told)
    if not placed:
        raise Failure(f"there is no document in {', '.join(named)}.", Exit.USAGE)
    return placed


def _files(named: str) -> list[str]:
    if named == STDIN:
        return [STDIN]
    path = Path(named)
    if path.is_dir():
        found = sorted(one for one in path.rglob("*") if one.suffix in _ENDINGS and one.is_file())
        return [str(one) for one in found if not any(part.startswith(".") for part in one.relative_to(path).parts)]
    if not path.is_file():
        raise Failure(f"there is no file or folder {named}.", Exit.USAGE)
    return [named]


def _read(file: str) -> tuple[list[Placed], list[str]]:
    name = "stdin" if file == STDIN else file
    raw = sys.stdin.buffer.read(FILE_MAX_BYTES + 1) if file == STDIN else _bytes(Path(file))
    if len(raw) > FILE_MAX_BYTES:
        return [], [f"{name}: is larger than {FILE_MAX_BYTES // 1024**2} MiB (make several files of it)"]
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        return [], [f"{name}:{line}: is no UTF-8 (save it as UTF-8)"]
    found = read(text)
    faults = [fault(f"{name}:{one.line}", one.message, one.remedy) for one in found.faults]
    return [Placed(file=name, located=one) for one in found.documents], faults


def _bytes(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(FILE_MAX_BYTES + 1)


def fault(place: str, message: str, remedy: str) -> str:
    """One line that says where, what, and what to do."""
    return f"{place}: {message}" + (f" ({remedy})" if remedy else "")
