"""The bundle of this machine's kind, made of what this hub runs on: no network, no tool, the same bytes each time.

In it: what `botyard` needs without its extra `hub`, with `uv` (a bare machine has nothing else to make environments
with), the package `agent`, byte code beside each module (a service may not write it later), and a `__main__`.
"""

import compileall
import hashlib
import importlib.util
import os
import platform
import py_compile
import re
import shutil
import sys
import sysconfig
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from agent.ports.files import SystemDisk
from hub.install.bundles import GENTLY, CannotBuild

ROOT = "botyard"
EXTRAS = frozenset({"env"})
_FORMAT = b"botyard bundle 1\n"
_MAIN = b"import sys\n\nfrom agent.install.command import main\n\nsys.exit(main())\n"
_REQUIREMENT = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[([^\]]*)\])?")
_UNUSED = (".pyi", ".pyx", ".pxd", ".pyc", ".c", ".h")
_OF_INSTALLERS = frozenset({"RECORD", "INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json"})
_EPOCH = (1980, 1, 1, 0, 0, 0)
_LEVEL = 6
"""Measured: 30 MB in 4 s of CPU; lzma would save a third and take 70."""


def platform_here() -> str:
    """The kind of machine whose bundle this installation makes, as `install.sh` asks for it: Python, machine, libc."""
    soabi = sysconfig.get_config_var("SOABI") or f"{sys.implementation.cache_tag}-{sys.platform}"
    return str(soabi) if sys.platform == "linux" else f"{soabi}-{platform.machine()}"


def build(folder: Path) -> Path:
    """Have the bundle in `folder`, which is made; one of the same content is left as it is. Raises CannotBuild."""
    files = _files()
    version = f"{_distribution(ROOT).version}+{_digest(files)[:12]}"
    target = folder / f"botyard-agent-{version}-{platform_here()}.zip"
    if target.exists():
        return target
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".making-") as scratch:
        stage, draft = Path(scratch) / "stage", Path(scratch) / target.name
        for name, source in files.items():
            path = stage / name
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, path)
        (stage / "__main__.py").write_bytes(_MAIN)
        _compile(stage)
        _zip(stage, draft)
        # A name never stands for half a file.
        opened = SystemDisk().open_append(draft)
        opened.sync()
        opened.close()
        draft.replace(target)
    for old in folder.glob(f"botyard-agent-*+*-{platform_here()}.zip"):
        if old != target:
            old.unlink(missing_ok=True)
    return target


def _files() -> Mapping[str, Path]:
    """Names in the bundle, and where their bytes are now."""
    found: dict[str, Path] = {}
    for one in _closure(ROOT, EXTRAS).values():
        found |= _files_of(one)
    spec = importlib.util.find_spec("agent")
    for top in (spec.submodule_search_locations or []) if spec else []:
        root = Path(top)
        for path in root.rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                found[f"agent/{path.relative_to(root).as_posix()}"] = path
    if "agent/__init__.py" not in found:
        raise CannotBuild("the package agent is not installed as files: install botyard from its wheel")
    return dict(sorted(found.items()))


def _files_of(one: Distribution) -> dict[str, Path]:
    if one.files is None:
        raise CannotBuild(f"{one.name} was installed without a list of its files: install botyard by pip or uv")
    is_ours = one.name == ROOT
    found: dict[str, Path] = {}
    for file in one.files:
        name, path = file.as_posix(), Path(str(file.locate()))
        if re.fullmatch(r"(\.\./)+bin/uv", name):
            found["bin/uv"] = path
        wanted = not name.startswith(("..", "/")) and "__pycache__" not in file.parts and not name.endswith(_UNUSED)
        is_mine = not is_ours or f"{ROOT}-{one.version}.dist-info" in file.parts
        if wanted and is_mine and file.name not in _OF_INSTALLERS and path.is_file():
            found[name] = path
    return found


def _closure(name: str, extras: frozenset[str]) -> dict[str, Distribution]:
    """A distribution and what it needs here. What a marker leaves out is not installed, and is passed over."""
    found: dict[str, Distribution] = {}
    asked: set[tuple[str, frozenset[str]]] = set()
    waiting = [(name, extras)]
    while waiting:
        wanted, its_extras = waiting.pop()
        key = _canonical(wanted)
        if (key, its_extras) in asked:
            continue
        asked.add((key, its_extras))
        try:
            found[key] = one = _distribution(wanted)
        except CannotBuild:
            if wanted == name:
                raise
            continue
        waiting += _needs(one, its_extras)
    return found


def _needs(one: Distribution, extras: frozenset[str]) -> Iterator[tuple[str, frozenset[str]]]:
    for text in one.requires or []:
        requirement, _, marker = text.partition(";")
        named = re.findall(r"""extra\s*==\s*['"]([^'"]+)['"]""", marker)
        if named and not extras.intersection(named):
            continue
        match = _REQUIREMENT.match(requirement)
        if match:
            yield match[1], frozenset(word.strip() for word in (match[2] or "").split(",") if word.strip())


def _distribution(name: str) -> Distribution:
    try:
        return distribution(name)
    except PackageNotFoundError:
        raise CannotBuild(f"{name} is not installed here as a package") from None


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _digest(files: Mapping[str, Path]) -> str:
    """What is in the bundle, and by which Python and code it is made."""
    whole = hashlib.sha256(_FORMAT + _MAIN + sys.version.encode())
    for name, path in files.items():
        whole.update(f"{name}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
    return whole.hexdigest()


def _compile(stage: Path) -> None:
    unchecked = py_compile.PycInvalidationMode.UNCHECKED_HASH
    compileall.compile_dir(stage, quiet=2, stripdir=str(stage), invalidation_mode=unchecked, force=True)


def _zip(stage: Path, target: Path) -> None:
    """Sorted, without times: the same files make the same bytes."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=_LEVEL) as archive:
        for path in sorted(stage.rglob("*")):
            if path.is_file():
                name = path.relative_to(stage).as_posix()
                info = zipfile.ZipInfo(name, _EPOCH)
                info.compress_type = zipfile.ZIP_DEFLATED
                info.external_attr = (0o755 if name.startswith("bin/") else 0o644) << 16
                archive.writestr(info, path.read_bytes())


def main() -> int:
    """`python -m hub.install.building FOLDER [gently]`: the bundle's name, or why there is none, as the last line."""
    if sys.platform != "win32" and sys.argv[2:] == [GENTLY]:
        # The hub's own work goes first, where its unit lets it say so.
        with suppress(PermissionError):
            os.nice(10)
    try:
        sys.stdout.write(f"{build(Path(sys.argv[1])).name}\n")
    except (CannotBuild, OSError) as error:
        sys.stdout.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
