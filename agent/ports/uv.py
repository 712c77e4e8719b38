"""Where `uv` is, and what of this process' environment it gets to see, on the hub and on runners alike.

The settings and secrets of hub and runner never reach it, nor what it might start (S18, S25, S47); the addresses
and credentials of package indexes do, as they are meant for it.
"""

import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

INDEX_VARIABLES = (
    "UV_DEFAULT_INDEX",
    "UV_INDEX",
    "UV_INDEX_URL",
    "UV_EXTRA_INDEX_URL",
    "UV_FIND_LINKS",
    "UV_NO_INDEX",
    "UV_INDEX_STRATEGY",
    "UV_EXCLUDE_NEWER",
    "PIP_INDEX_URL",
    "PIP_EXTRA_INDEX_URL",
)
"""What says where packages come from; part of an environment's key (bot-packages.md §3)."""

_PASSED = frozenset({
    *INDEX_VARIABLES,
    *("PATH", "SYSTEMROOT", "SYSTEMDRIVE", "WINDIR", "COMSPEC", "PATHEXT", "TEMP", "TMP", "TMPDIR", "LANG"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "NETRC"),
    *("UV_CONFIG_FILE", "UV_OFFLINE", "UV_HTTP_TIMEOUT", "UV_INSECURE_HOST", "UV_KEYRING_PROVIDER", "UV_SYSTEM_CERTS"),
    *("UV_PYTHON_INSTALL_DIR", "UV_PYTHON_INSTALL_MIRROR", "PIP_CERT", "PIP_TRUSTED_HOST", "PIP_FIND_LINKS"),
})  # fmt: skip


def find_uv() -> Path | None:
    """The `uv` of the package installed beside us, else the one on PATH, else None."""
    try:
        from uv import find_uv_bin

        return Path(find_uv_bin())
    except (ImportError, FileNotFoundError):
        found = shutil.which("uv")
        return Path(found) if found else None


def index_settings(source: Mapping[str, str] | None = None) -> dict[str, str]:
    """The index variables that are set, of `source` or of this process."""
    env = os.environ if source is None else source
    return {name: env[name] for name in INDEX_VARIABLES if env.get(name)}


def uv_environment(cache: Path, home: Path, source: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment for a tool that installs packages: an allow-list of `source` (else of this process).

    `cache` is uv's cache folder; `home` is a folder without anybody's files, for what package set-up code looks for.
    """
    env = os.environ if source is None else source
    kept = {name: value for name, value in env.items() if name.upper() in _PASSED or name.startswith("UV_INDEX_")}
    return {
        # The system's certificate store, as everything of ours uses it (libraries.md, truststore).
        "UV_SYSTEM_CERTS": "1",
        **kept,
        "HOME": str(home),
        "UV_CACHE_DIR": str(cache),
        "UV_NO_PROGRESS": "1",
        "NO_COLOR": "1",
        "PYTHONNOUSERSITE": "1",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_NO_INPUT": "1",
    }


def find_links(folders: Iterable[object]) -> tuple[str, ...]:
    """Options that make these folders of wheels an index beside the others."""
    return tuple(word for folder in folders for word in ("--find-links", str(folder)))


def config_arguments(env: Mapping[str, str]) -> tuple[str, ...]:
    """No `uv.toml` from folders above the working directory, which others may write; one that is named is read."""
    return () if env.get("UV_CONFIG_FILE") else ("--no-config",)


def short_complaint(output: str, lines: int = 12) -> str:
    """The part of a tool's output that says what went wrong, for people."""
    kept = [line.rstrip() for line in output.splitlines() if line.strip() and not line.startswith("warning:")]
    starts = [number for number, line in enumerate(kept) if line.startswith(("error:", "  × ", "ERROR:"))]
    said = kept[starts[0] :] if starts else kept[-lines:]
    return "\n".join(said[:lines])[:4000] or "no message"
