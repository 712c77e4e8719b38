"""`conda.yaml` and `package.yaml` of Robocorp robots: what of them needs no conda (bot-packages.md §4).

Python and its packages come from the package index, some programs are on most machines; the rest only conda could
bring, and is named to whoever deploys.
"""

import re
from dataclasses import dataclass
from typing import Any

from hub.domain.kinds.package import Package, PackageError, texts
from hub.domain.kinds.yaml_text import read_yaml

INSTALLERS = frozenset({"pip", "uv", "setuptools", "wheel"})
PROGRAMS = frozenset({
    *("nodejs", "git", "openjdk", "ffmpeg", "tesseract", "poppler", "ghostscript", "imagemagick", "pandoc", "graphviz"),
    *("curl", "wget", "jq", "p7zip", "sqlite", "openssl", "make", "geckodriver"),
})  # fmt: skip
"""Packages that are programs, which a machine may have anyway; the runner knows their names on PATH."""

_UNDER_PYTHON = frozenset({
    *("_libgcc_mutex", "_openmp_mutex", "bzip2", "ca-certificates", "expat", "icu", "ld_impl_linux-64", "libcxx"),
    *("libexpat", "libffi", "libgcc", "libgcc-ng", "libgomp", "liblzma", "libmpdec", "libnsl", "libsqlite"),
    *("libstdcxx", "libstdcxx-ng", "libuuid", "libxcrypt", "libzlib", "ncurses", "openssl", "python_abi"),
    *("readline", "sqlite", "tk", "tzdata", "ucrt", "vc", "vc14_runtime", "vcomp14", "vs2015_runtime", "xz"),
    *("zlib", "zstd"),
})  # fmt: skip
"""What conda's Python stands on: freeze files list it, and another Python brings its own."""

_SPEC = re.compile(r"(?:[\w.-]+::)?(?P<name>[A-Za-z0-9_.-]+)\s*(?P<version>[\s=<>!~*].*)?\Z")
_ONE_EQUALS = re.compile(r"(?P<name>[A-Za-z0-9._-]+(?:\[[A-Za-z0-9._,\s-]*\])?)\s*=\s*(?P<version>[^=\s][^=]*)\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class CondaNeeds:
    """What one environment file asks for."""

    python: str
    """A version or bounds as the file has it; empty for any."""
    wants_python: bool
    requirements: tuple[str, ...]
    programs: tuple[str, ...]
    impossible: tuple[str, ...]
    run_once: tuple[str, ...]


def read_config(package: Package, path: str) -> CondaNeeds:
    """The needs in `conda.yaml` or `package.yaml`, whichever form the file has. Raises PackageError."""
    said = read_yaml(package, path)
    dependencies = said.get("dependencies")
    if isinstance(dependencies, dict):
        specs = texts(dependencies.get("conda-forge"), f"conda-forge of {path}")
        pip = texts(dependencies.get("pypi"), f"pypi of {path}")
        run_once = texts(said.get("post-install"), f"post-install of {path}")
    else:
        specs, pip = _conda_lists(dependencies, path)
        run_once = texts(said.get("rccPostInstall"), f"rccPostInstall of {path}")
    return _needs(specs, tuple(_pip_line(line) for line in pip), run_once, path)


def _conda_lists(dependencies: Any, path: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    if dependencies is None:
        return (), ()
    if not isinstance(dependencies, list):
        raise PackageError("bad_yaml", f"dependencies of {path} must be a list")
    specs = [one for one in dependencies if not isinstance(one, dict)]
    pip = [texts(one.get("pip"), f"pip of {path}") for one in dependencies if isinstance(one, dict)]
    return texts(specs, f"dependencies of {path}"), tuple(line for lines in pip for line in lines)


def _needs(specs: tuple[str, ...], pip: tuple[str, ...], run_once: tuple[str, ...], path: str) -> CondaNeeds:
    named = dict(_name_and_version(spec, path) for spec in specs)
    has_python = "python" in named
    others = {name: version for name, version in named.items() if name not in {"python", *INSTALLERS}}
    if has_python:
        others = {name: version for name, version in others.items() if name not in _UNDER_PYTHON}
    return CondaNeeds(
        python=named.get("python", ""),
        wants_python=has_python or bool(pip),
        requirements=pip,
        programs=tuple(_spec(name, ver) for name, ver in others.items() if name in PROGRAMS),
        impossible=tuple(name for name in others if name not in PROGRAMS),
        run_once=run_once,
    )


def _spec(name: str, version: str) -> str:
    return f"{name}={version}" if version[:1].isdigit() else f"{name}{version}"


def _name_and_version(spec: str, path: str) -> tuple[str, str]:
    found = _SPEC.match(spec.strip())
    if found is None:
        raise PackageError("bad_yaml", f"{path}: {spec[:80]!r} is no name with a version")
    version = (found["version"] or "").strip()
    if version.startswith("=") and not version.startswith("=="):
        # name=version=build: which build is conda's own affair.
        version = version[1:].split("=")[0]
    return found["name"].lower(), version.removeprefix("==").removesuffix(".*").strip()


def _pip_line(line: str) -> str:
    one = _ONE_EQUALS.match(line.strip())
    return f"{one['name']}=={one['version']}" if one else line
