"""A build as it travels: a manifest of files by content, and the bounds of its size.

A build *is* its digest: the sha256 of the manifest's canonical JSON (`design.md` §1, S21). Hub and runner make the same
bytes from the same files, so whoever holds the digest can check a manifest, and from it every file.
"""

import hashlib
import json
from collections.abc import Iterable
from typing import Annotated, Self

from pydantic import AfterValidator, Field, ValidationError, model_validator

from agent.wire.ids import Sha256Hex
from agent.wire.paths import check_path, collision_key
from agent.wire.task import WireModel

ENTRIES_MAX = 10_000
"""Entries of one package, folders included (S24)."""

FILE_MAX_BYTES = 512 * 1024 * 1024
"""One file of a build, unpacked (S24)."""

BUILD_MAX_BYTES = 2 * 1024 * 1024 * 1024
"""All files of a build, unpacked (S24)."""

RATIO_MAX = 200
"""Unpacked bytes to packed bytes of a package (S24)."""

RATIO_FREE_BYTES = 1024 * 1024
"""The ratio counts only above this size: a few KB of zeros are no bomb."""

MANIFEST_MAX_BYTES = 16 * 1024 * 1024
"""Canonical JSON of the longest manifest that the bounds above allow."""

LOCK_MAX_BYTES = 4 * 1024 * 1024
"""A resolved requirement list with its hashes."""

SOURCE_MARK = "# botyard: resolved on a runner, may build packages from source"
"""First line of a list whose packages may be built; in all others only wheels are installed (S25)."""

NO_INDEX_MARK = "# botyard: packages come from the build's own wheels only"
"""Line at the top of a list whose package said `--no-index`: nobody else is asked for these packages."""

WHEEL_FOLDERS = ("wheels", "vendor")
"""Folders at a build's root whose wheels count as an index (bot-packages.md §3, offline)."""

_FORMAT = 1

BuildPath = Annotated[str, AfterValidator(check_path)]


class ManifestError(ValueError):
    """These bytes are not the manifest that they should be."""


class ManifestFile(WireModel):
    """One file of a build; its content is found by `sha256`."""

    path: BuildPath
    sha256: Sha256Hex
    size: int = Field(ge=0, le=FILE_MAX_BYTES)
    executable: bool = False


class Manifest(WireModel):
    """The files of one build in order of their paths, and the folders that hold no file."""

    files: tuple[ManifestFile, ...] = Field(max_length=ENTRIES_MAX)
    folders: tuple[BuildPath, ...] = Field(default=(), max_length=ENTRIES_MAX)
    """Only empty ones: bots write into an `output/` that their package brought along."""

    @model_validator(mode="after")
    def _is_one_tree(self) -> Self:  # noqa: N804  # pydantic hands over the model itself
        find_collision([file.path for file in self.files], list(self.folders))
        if self.total_bytes > BUILD_MAX_BYTES:
            raise ValueError(f"{self.total_bytes} bytes are more than a build may have ({BUILD_MAX_BYTES})")
        return self

    @property
    def total_bytes(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)

    def canonical(self) -> bytes:
        """The one JSON text of this manifest, whatever order the files were given in."""
        body = {
            "format": _FORMAT,
            "files": [file.model_dump() for file in sorted(self.files, key=lambda file: file.path)],
            "folders": sorted(self.folders),
        }
        return json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()

    def digest(self) -> str:
        """The build's name: sha256 of `canonical`."""
        return hashlib.sha256(self.canonical()).hexdigest()


def read_manifest(data: bytes, digest: str) -> Manifest:
    """Parse canonical JSON and check that it is the one named by `digest`.

    Raises ManifestError for other bytes, other forms, unsafe paths and anything over the bounds.
    """
    if len(data) > MANIFEST_MAX_BYTES:
        raise ManifestError(f"a manifest of {len(data)} bytes is too long")
    if hashlib.sha256(data).hexdigest() != digest:
        raise ManifestError(f"the manifest's sha256 is not {digest}")
    try:
        return Manifest.model_validate_json(data)
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False, include_context=False)[0]
        raise ManifestError(f"manifest {digest}: {fault['msg']}") from None


def find_collision(files: list[str], folders: list[str]) -> None:
    """Raise ValueError when two of these are one file, or a file and a folder, on some file system (S24)."""
    seen: dict[str, str] = {}
    for path in files:
        key = collision_key(path)
        if key in seen:
            raise ValueError(f"{path!a} and {seen[key]!a} are the same file on some systems")
        seen[key] = path
    checked: set[str] = set()
    for folder in [*(path.rpartition("/")[0] for path in files), *folders]:
        above = folder
        while above and above not in checked:
            if collision_key(above) in seen:
                raise ValueError(f"{above!a} is a file and a folder at once")
            checked.add(above)
            above = above.rpartition("/")[0]


def wheels_in(paths: Iterable[str]) -> tuple[str, ...]:
    """Those of a build's files that count as its own index, in order."""
    found = (path.split("/") for path in paths if path.endswith(".whl"))
    return tuple(sorted("/".join(parts) for parts in found if len(parts) == 2 and parts[0] in WHEEL_FOLDERS))


def marks_of(lock: bytes) -> frozenset[str]:
    """The lines at a resolved list's top that say how it is installed: `SOURCE_MARK`, `NO_INDEX_MARK`."""
    lines = lock.decode(errors="replace").split("\n", 2)[:2]
    return frozenset(line.strip() for line in lines) & {SOURCE_MARK, NO_INDEX_MARK}


def manifest_path(digest: str) -> str:
    """Where the hub serves a build's manifest: its canonical bytes."""
    return f"/runner/v1/builds/{digest}/manifest"


def file_path(digest: str, sha256: str) -> str:
    """Where the hub serves one file of a build, by ranges too."""
    return f"/runner/v1/blobs/{sha256}?build={digest}"


def lock_path(digest: str, build_id: str) -> str:
    """Where the hub serves a build's resolved list, and takes one that a runner resolved (PUT)."""
    return f"/runner/v1/builds/{digest}/lock?build={build_id}"


def requirements_path(digest: str, build_id: str) -> str:
    """Where the hub serves what a runner should resolve: names and versions, a line each."""
    return f"/runner/v1/builds/{digest}/requirements?build={build_id}"
