"""The lines to paste on a new machine, and the pin in them: which key the hub shows by TLS, seen over a trusted way.

The pin is taken from the connection that this command itself trusts, so it also fits a proxy that ends TLS before the
hub. The token goes through a shell's own `echo`, or a variable of PowerShell: it is no argument of any process.
"""

import base64
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from hub.cli.client import Client
from hub.cli.failing import Exit, Failure
from hub.cli.profile import is_in_the_clear, is_loopback

WINDOWS = "windows-"
_ORIGIN = re.compile(r"https?://(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")
"""What means nothing to any shell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """By what a hub is known before anything of it is believed; both empty where it speaks no TLS."""

    key: str = ""
    """``sha256//…`` of its public key, as curl wants it."""
    certificate: str = ""
    """SHA-256 of its certificate, hexadecimal: what .NET can tell on every Windows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lines:
    """What to paste."""

    linux: str
    macos: str
    windows: str


def pin_of(client: Client) -> Pin:
    """The pin of the hub that `client` trusts. Raises Unreached."""
    certificate = client.certificate()
    if certificate is None:
        return Pin()
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    key = x509.load_der_x509_certificate(certificate).public_key()
    spki = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return Pin(
        key=f"sha256//{base64.b64encode(hashlib.sha256(spki).digest()).decode()}",
        certificate=hashlib.sha256(certificate).hexdigest().upper(),
    )


def lines(url: str, token: str, pin: Pin) -> Lines:
    """The lines for a hub; the token has letters and digits only. Raises Failure for an odd name of a machine."""
    if not _ORIGIN.fullmatch(url):
        raise Failure(f"{url} can stand in no line to paste: use a name or address of plain characters.", Exit.USAGE)
    trust = f"-fsSk --pinnedpubkey '{pin.key}'" if pin.key else "-fsS"
    # What fails to come must not end as if nothing had been wrong.
    script = f'"$(curl {trust} {url}/install.sh || echo exit 1)"'
    return Lines(
        linux=f"echo {token} | sudo sh -c {script}",
        macos=f"echo {token} | sh -c {script}",
        windows=_powershell(url, token, pin),
    )


def check_address(url: str, told: dict[str, Any]) -> None:
    """Raise Failure where a machine that fetches the script by TLS would be told by it to go on in the clear.

    So it is behind a proxy that ends TLS, of which the hub knows nothing: it takes every call for plain http.
    """
    address = str(told.get("address", ""))
    if url.startswith("https:") and address.startswith("http:"):
        raise Failure(
            f"{url} is https, but the hub takes itself for {address}: runners would be sent there in the clear. "
            f"Start the hub with --public-url {url}, or with --trusted-proxy and the proxy's address.",
            Exit.USAGE,
        )


def doubts(url: str, told: dict[str, Any]) -> Sequence[str]:
    """What somebody should know before pasting: a hub that lacks a bundle, or sends everything in the clear."""
    found = []
    if is_loopback(url):
        found.append(
            f"warning: {url} is reached from this machine only; for other machines: botyard hub serve --host ADDRESS, "
            "with TLS, and botyard login there"
        )
    if is_in_the_clear(url):
        found.append(
            f"warning: {url} is plain http: whoever is on the way can put another program into the new machine"
        )
    if not any(one["platform"].startswith(WINDOWS) for one in told["items"]):
        found.append(
            "this hub has no bundle for Windows yet: put botyard-agent-VERSION-windows-x86_64.zip into "
            f"{told['folder']} on its machine (packaging/windows makes it); the line for Windows works from then on"
        )
    known = sorted({told["own_platform"], *(one["platform"] for one in told["items"])})
    others = ", ".join(kind for kind in known if not kind.startswith(WINDOWS))
    found.append(
        f"it has bundles for {others}; for other machines: botyard hub bundle build --out DIR on one of that kind, "
        f"then put the file into {told['folder']}"
    )
    return found


def _powershell(url: str, token: str, pin: Pin) -> str:
    """For Windows PowerShell 5.1 and PowerShell 7: TLS by hand, as neither's own download can be told a fingerprint."""
    # As one block that ends at the first error: on a terminal each statement would go on where the last has failed.
    # What is typed behind it goes to the script, as with the other lines.
    begin, run = "& {$ErrorActionPreference='Stop'; ", f"& ([scriptblock]::Create($s)) -Token '{token}' @args}}"
    if not pin.certificate:
        return f"{begin}$s=(New-Object Net.WebClient).DownloadString('{url}/install.ps1'); {run}"
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or 443
    return (
        f"{begin}$c=New-Object Net.Sockets.TcpClient('{host}',{port}); "
        "$t=New-Object Net.Security.SslStream($c.GetStream(),$false,"
        "[Net.Security.RemoteCertificateValidationCallback]{param($o,$x) "
        "[BitConverter]::ToString([Security.Cryptography.SHA256]::Create().ComputeHash($x.GetRawCertData()))"
        f".Replace('-','') -eq '{pin.certificate}'}}); "
        f"$t.AuthenticateAsClient('{host}',$null,'Tls12',$false); "
        f'$q=[Text.Encoding]::ASCII.GetBytes("GET /install.ps1 HTTP/1.0`r`nHost: {parts.netloc}`r`n`r`n"); '
        "$t.Write($q,0,$q.Length); $s=(New-Object IO.StreamReader($t)).ReadToEnd(); $t.Dispose(); "
        "if($s -notmatch '^HTTP/1.. 200'){throw $s}; $s=$s.Substring($s.IndexOf(\"`r`n`r`n\")+4); "
        f"{run}"
    )
