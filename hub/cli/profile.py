"""Where the hub is and with which key: `BOTYARD_URL`, `BOTYARD_TOKEN`, else the profile that `botyard login` wrote.

`BOTYARD_CA` names the file of a private authority, where the hub's certificate is of one.
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import platformdirs

from agent.ports.files import SystemDisk
from hub.cli.failing import Exit, Failure

_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})  # as hub.config has it, which takes long to import


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """A hub and a key for it."""

    url: str
    token: str
    ca: Path | None = None
    """A private authority, trusted beside the system's."""


def profile_file() -> Path:
    """The profile, in the platform's configuration folder."""
    return platformdirs.user_config_path("botyard", appauthor=False) / "profile.json"


def load_profile() -> Profile:
    """The profile to use; the environment wins, member by member. Raises Failure when nobody logged in."""
    stored = _stored()
    url = os.environ.get("BOTYARD_URL") or stored.get("url", "")
    token = os.environ.get("BOTYARD_TOKEN") or (stored.get("token", "") if url == stored.get("url") else "")
    if not url:
        raise Failure("no hub is known. Say botyard login URL, or set BOTYARD_URL and BOTYARD_TOKEN.", Exit.USAGE)
    if not token:
        raise Failure(f"no key for {url} is known. Say botyard login {url}, or set BOTYARD_TOKEN.", Exit.USAGE)
    ca = os.environ.get("BOTYARD_CA") or (stored.get("ca", "") if url == stored.get("url") else "")
    return Profile(url=checked_url(url), token=token.strip(), ca=Path(ca) if ca else None)


def save_profile(profile: Profile) -> Path:
    """Write the profile for this user alone (0600); returns where."""
    path = profile_file()
    disk = SystemDisk()
    disk.make_folder(path.parent)
    said = {"url": profile.url, "token": profile.token} | ({"ca": str(profile.ca)} if profile.ca else {})
    disk.write_durable(path, json.dumps(said, indent=2).encode() + b"\n")
    return path


def checked_url(url: str) -> str:
    """The URL without a trailing slash. Raises Failure for anything that is no http(s) address."""
    try:
        parts = urlsplit(url if "://" in url else f"https://{url}")
        is_good = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        parts, is_good = urlsplit(""), False
    if not is_good or parts.query or parts.fragment or parts.username:
        raise Failure(f"{url!r} is no address of a hub; say something like https://hub.example:8040.", Exit.USAGE)
    if parts.path.strip("/"):
        origin = f"{parts.scheme}://{parts.netloc}"
        raise Failure(f"{url!r} has a path, and a hub's address has none; say {origin}.", Exit.USAGE)
    return f"{parts.scheme}://{parts.netloc}"


def is_loopback(url: str) -> bool:
    """Whether an address is this machine's own, which no other reaches."""
    return urlsplit(url).hostname in _LOOPBACK


def is_in_the_clear(url: str) -> bool:
    """Whether a key sent to this address can be read on its way: plain http to another machine (S6)."""
    parts = urlsplit(url)
    return parts.scheme == "http" and parts.hostname not in _LOOPBACK


def _stored() -> dict[str, str]:
    raw = SystemDisk().read(profile_file())
    if raw is None:
        return {}
    try:
        found = json.loads(raw)
    except ValueError:
        raise Failure(f"{profile_file()} is damaged. Say botyard login URL again.", Exit.USAGE) from None
    return {key: str(value) for key, value in found.items()} if isinstance(found, dict) else {}


def offer_profile(profile: Profile) -> str:
    """Make a hub of this machine the profile, unless there is another one; says what was done."""
    stored = _stored()
    if stored and stored.get("url") != profile.url:
        return f"your profile stays with {stored.get('url')}; for this hub: export BOTYARD_URL={profile.url}"
    return f"profile: {save_profile(profile)}"
