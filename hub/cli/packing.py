"""`botyard deploy PATH`, the sender's side: a folder, an archive or a single file becomes one upload.

A folder is packed into a zip whose bytes depend on its files alone: deploying it twice sends the same build. What
is not packed here, the hub checks: nothing is believed because this program sent it.
"""

import os
import stat
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from agent.wire.builds import BUILD_MAX_BYTES, ENTRIES_MAX
from hub.cli.ignore_rules import ALWAYS, SECRETS, Rule, is_ignored, parse

_OWN_RULES = ".botyardignore"
_GIT_RULES = ".gitignore"
_FIRST_DAY = (1980, 1, 1, 0, 0, 0)
_COPY_BYTES = 1024 * 1024


class PackingError(Exception):
    """This path can't be sent; one sentence for the person who typed it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Packed:
    """What to upload: the file, and the name that the hub derives the bot's from."""

    path: Path
    name: str
    left_out: tuple[str, ...] = ()
    """Files that stay here as they may hold passwords."""


def _untold(done: int, whole: int) -> None:
    """Nobody wants to know how far packing is."""


@contextmanager
def pack(path: Path, tell: Callable[[int, int], None] = _untold) -> Iterator[Packed]:
    """The upload for `path`; a packed folder is removed again at the end. Raises PackingError.

    `tell` hears how many bytes of how many are packed.
    """
    path = path.resolve()
    if not path.exists():
        raise PackingError(f"there is no {path}")
    if not path.is_file() and not path.is_dir():
        raise PackingError(f"{path} is neither a folder nor a file: name the folder, archive or file of the bot")
    if path.is_file():
        yield Packed(path=path, name=path.name)
        return
    with tempfile.TemporaryDirectory(prefix="botyard-") as folder:
        target = Path(folder) / "package.zip"
        paths = _write_zip(path, target, tell)
        yield Packed(path=target, name=f"{path.name}.zip", left_out=secrets_left_out(path, paths))


def files_of(root: Path) -> list[str]:
    """What of a folder belongs to the bot: paths of its files, and of empty folders with a `/` behind, sorted."""
    rules_name = _OWN_RULES if (root / _OWN_RULES).is_file() else _GIT_RULES
    return sorted(_walk(root, "", parse((*SECRETS, *ALWAYS)), rules_name))


def secrets_left_out(root: Path, packed: Sequence[str]) -> tuple[str, ...]:
    """Files that would belong to the bot, were they not such as hold passwords (`SECRETS`)."""
    rules_name = _OWN_RULES if (root / _OWN_RULES).is_file() else _GIT_RULES
    return tuple(sorted({*_walk(root, "", parse(ALWAYS), rules_name)}.difference(packed)))


def _walk(root: Path, below: str, rules: list[Rule], rules_name: str) -> Iterator[str]:
    here = root / below
    if (here / rules_name).is_file():
        lines = (here / rules_name).read_text(encoding="utf-8", errors="replace").splitlines()
        # What is never packed stays last, where no line of a file can bring it back.
        rules = [*rules[: -len(ALWAYS)], *parse(lines, below), *rules[-len(ALWAYS) :]]
    for full in sorted(here.iterdir(), key=lambda entry: entry.name):
        path = f"{below}{full.name}"
        is_folder = full.is_dir() and not full.is_symlink()
        if is_ignored(path, rules, is_folder=is_folder) or (is_folder and (full / "pyvenv.cfg").exists()):
            continue
        if is_folder:
            inside = list(_walk(root, f"{path}/", rules, rules_name))
            yield from inside or ([f"{path}/"] if not any(full.iterdir()) else [])
        else:
            yield _checked(root, path)


def _checked(root: Path, path: str) -> str:
    full = root / path
    if full.is_symlink() and not full.resolve().is_relative_to(root):
        raise PackingError(
            f"{path} is a link that leaves the folder; put the file itself there, or name it in {_OWN_RULES}"
        )
    if not full.is_file():
        raise PackingError(f"{path} is no plain file; name it in {_OWN_RULES}")
    return path


def _write_zip(root: Path, target: Path, tell: Callable[[int, int], None]) -> list[str]:
    paths = files_of(root)
    if not any(not path.endswith("/") for path in paths):
        raise PackingError(f"{root} holds no file to deploy")
    if len(paths) > ENTRIES_MAX:
        raise PackingError(f"{root} holds {len(paths)} files, {ENTRIES_MAX} are allowed; name some in {_OWN_RULES}")
    total = sum((root / path).stat().st_size for path in paths if not path.endswith("/"))
    if total > BUILD_MAX_BYTES:
        raise PackingError(f"{root} holds {total} bytes, {BUILD_MAX_BYTES} are allowed; name some in {_OWN_RULES}")
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        done = 0
        for path in paths:
            _add(archive, root / path, path)
            done += (root / path).stat().st_size if not path.endswith("/") else 0
            tell(done, total)
    return paths


def _add(archive: zipfile.ZipFile, full: Path, path: str) -> None:
    entry = zipfile.ZipInfo(path, _FIRST_DAY)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.create_system = 3  # Unix, on every system: the bits below mean what they say
    if path.endswith("/"):
        entry.external_attr = (stat.S_IFDIR | 0o755) << 16
        archive.writestr(entry, b"")
        return
    mode = 0o755 if full.stat().st_mode & 0o100 and os.name != "nt" else 0o644
    entry.external_attr = (stat.S_IFREG | mode) << 16
    with full.open("rb") as source, archive.open(entry, "w", force_zip64=full.stat().st_size > 2**31) as packed:
        while piece := source.read(_COPY_BYTES):
            packed.write(piece)
