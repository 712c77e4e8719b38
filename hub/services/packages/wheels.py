"""The wheels that a package brings along, as files for the resolver (bot-packages.md §3, offline)."""

import re
from dataclasses import dataclass
from pathlib import Path

from agent.wire.builds import Manifest, wheels_in
from hub.domain.requirements import normalized_name
from hub.storage.blobs import Blobs

_WHEEL = re.compile(r"(?P<name>[A-Za-z0-9._]+)-(?P<version>[A-Za-z0-9.+!_]+)(?:-\d[^-]*)?-[^-]+-[^-]+-[^-]+\.whl\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wheels:
    """Wheels of one build: path below its root, and sha256."""

    files: tuple[tuple[str, str], ...]
    blobs: Blobs

    @property
    def folders(self) -> tuple[str, ...]:
        """Where they are, below the root."""
        return tuple(dict.fromkeys(path.partition("/")[0] for path, _ in self.files))

    def constraints(self) -> str:
        """What keeps an index from giving another version of a package that is here in one version.

        Who brings a package along means that one; a stranger's of the same name may have a higher version.
        """
        versions: dict[str, set[str]] = {}
        for path, _ in self.files:
            found = _WHEEL.match(path.rpartition("/")[2])
            if found is not None:
                versions.setdefault(normalized_name(found["name"]), set()).add(found["version"].replace("_", "-"))
        exact = {name: next(iter(known)) for name, known in versions.items() if len(known) == 1}
        return "".join(f"{name}=={version}\n" for name, version in sorted(exact.items()))

    def lay_out(self, root: Path) -> None:
        """Put them below `root`. Blocks. Raises BlobGone, OSError."""
        for path, sha256 in self.files:
            target = root / path
            target.parent.mkdir(exist_ok=True)
            with target.open("xb") as file:
                for piece in self.blobs.read(sha256):
                    file.write(piece)


def wheels_of(manifest: Manifest, blobs: Blobs) -> Wheels | None:
    """The build's own wheels; None where it has none."""
    known = {file.path: file.sha256 for file in manifest.files}
    found = wheels_in(known)
    return Wheels(files=tuple((path, known[path]) for path in found), blobs=blobs) if found else None
