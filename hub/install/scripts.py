"""`install.sh` and `install.ps1` of one hub: texts of `packaging/`, filled. Pure.

Whoever asks says by the Host header where the hub is; so what is put in is first checked against what it can be at all,
then quoted for the language that reads it. A value never makes another mark.
"""

import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

_ORIGIN = re.compile(r"https?://([A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?|\[[0-9A-Fa-f:.]{2,45}\])(:[0-9]{1,5})?")
_LOOPBACK = re.compile(r"http://(127\.0\.0\.1|localhost|\[::1\])(:|\Z)")
_HUB_ID = re.compile(r"hub_[0-9a-f]{32}")
_PEM = re.compile(r"-----BEGIN CERTIFICATE-----\n[A-Za-z0-9+/=\n]{1,16000}\n-----END CERTIFICATE-----")
_MARK = re.compile(r"@(HUB|HUB_ID|PLAIN|AUTHORITY|BUNDLES)@")
NAME = re.compile(
    r"botyard-agent-(?P<version>[0-9][0-9A-Za-z.+]{0,99})-(?P<platform>[A-Za-z0-9][A-Za-z0-9_.-]{0,99})\.zip"
)
"""Of a bundle's file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """A bundle in the hub's folder: all that a runner needs on machines of one kind."""

    name: str
    version: str
    platform: str
    """As `building.platform_here` has it: Python, machine and libc; ``windows-x86_64`` brings its own Python."""
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Filling:
    """What a script is told of its hub."""

    hub: str
    """Its address, as whoever asks has dialled it."""
    hub_id: str
    authority: str
    """The certificate to trust for this hub beside the system's own, PEM; empty where it speaks no TLS itself."""
    bundles: Sequence[Bundle]

    @property
    def is_plain(self) -> bool:
        """Whether everything travels in the clear, which a runner must be told to bear."""
        return self.hub.startswith("http:") and not _LOOPBACK.match(self.hub)


def shell(template: str, filling: Filling) -> str:
    """The script for POSIX shells. Raises ValueError for an address that is none."""
    return _filled(template, filling, shlex.quote)


def powershell(template: str, filling: Filling) -> str:
    """The script for PowerShell. Raises ValueError for an address that is none."""
    return _filled(template, filling, _quoted_for_powershell)


def top_certificate(chain: str) -> str:
    """The last certificate of a chain: the authority's, or the nearest to it that the hub has; empty for none."""
    found = _PEM.findall(chain.replace("\r\n", "\n"))
    return str(found[-1]) if found else ""


def _filled(template: str, filling: Filling, quoted: Callable[[str], str]) -> str:
    values = _checked(filling)
    return _MARK.sub(lambda mark: quoted(values[mark[1]]), template)


def _checked(filling: Filling) -> Mapping[str, str]:
    if not _ORIGIN.fullmatch(filling.hub):
        raise ValueError("the Host header is no address of a hub")
    if not _HUB_ID.fullmatch(filling.hub_id) or (filling.authority and not _PEM.fullmatch(filling.authority)):
        raise ValueError("this hub does not know itself")
    bundles = [f"{one.platform} {one.sha256} {one.name}" for one in filling.bundles if NAME.fullmatch(one.name)]
    return {
        "HUB": filling.hub,
        "HUB_ID": filling.hub_id,
        "PLAIN": "yes" if filling.is_plain else "",
        "AUTHORITY": filling.authority,
        "BUNDLES": "\n".join(bundles),
    }


def _quoted_for_powershell(value: str) -> str:
    # Between single quotes nothing but such a quote means anything; PowerShell takes typographic ones for them too.
    return "'" + re.sub("(['\u2018\u2019\u201a\u201b])", r"\1\1", value) + "'"
