"""The hub's certificate: loaded after it was tried, changed without a restart, warned of before it ends (R51, S50).

::

    files ──try──> a context of its own ──swap──> new connections, by the server-name hook of the listening context
      │ wrong pair, expired, unreadable                │
      └── the old one stays, a sentence says why       └── open connections live on with the one they began with

The listening context never changes; OpenSSL asks it at each handshake. So a pair is used whole or not at all.
"""

import ssl
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography import x509

WARN_BEFORE = timedelta(days=14)
"""A certificate that ends sooner than this is somebody's business."""
_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""For TLS 1.2; those of 1.3 are all sane. Forward secrecy and authenticated encryption, nothing else (S50)."""

Stamp = tuple[tuple[int, int, int, int], ...]
"""Which files a pair is, as the system tells: it changes when either is written, replaced or linked elsewhere."""


class BadCertificate(Exception):  # noqa: N818 - a state of the files, told to a person
    """The certificate or its key can't be used; the text is one sentence with the remedy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A certificate with its key, tried and ready to serve."""

    context: ssl.SSLContext
    not_after: datetime
    serial: int

    def warning(self, now: datetime) -> str:
        """What a person should know of its end, in one sentence; empty while that is far away."""
        left = self.not_after - now
        if left > WARN_BEFORE:
            return ""
        day = f"{self.not_after:%Y-%m-%d %H:%M} UTC"
        if left <= timedelta(0):
            return f"the TLS certificate expired on {day}: put a new one in its place, no restart is needed"
        left_text = f"in {left.days} days, on {day}"
        return f"the TLS certificate expires {left_text}: put a new one in its place, no restart is needed"


class Certificates:
    """The pair of files that a hub serves, and the context to listen with. Used on the event loop."""

    def __init__(self, cert: Path, key: Path, now: Callable[[], datetime]) -> None:
        """Load the pair. Raises BadCertificate."""
        self._files = (cert, key)
        self._now = now
        self._seen = _stamp(self._files)
        self._pair = load_pair(cert, key, now())
        self.context = _server_context()
        """For the listening socket: each new connection is given the pair of that moment."""
        # Never shown to anybody: OpenSSL wants some certificate before it asks which.
        self.context.load_cert_chain(cert, key, password=_no_password)
        self.context.sni_callback = self._choose

    @property
    def pair(self) -> Pair:
        """What new connections get."""
        return self._pair

    @property
    def warning(self) -> str:
        """What a person should know now; empty when all is well."""
        return self._pair.warning(self._now())

    def refresh(self, *, force: bool = False) -> bool:
        """Take the files anew if they have changed (or `force`); True when they were.

        Raises BadCertificate, at each call, while the new files can't be used; the old pair is served meanwhile.
        """
        seen = _stamp(self._files)
        if seen == self._seen and not force:
            return False
        self._pair = load_pair(*self._files, self._now())
        self._seen = seen
        return True

    def _choose(self, connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
        connection.context = self._pair.context


def load_pair(cert: Path, key: Path, now: datetime) -> Pair:
    """Read and try a certificate chain and its key. Raises BadCertificate with one sentence."""
    first = _first_certificate(cert)
    if first.not_valid_after_utc <= now:
        raise BadCertificate(f"{cert} expired on {first.not_valid_after_utc:%Y-%m-%d}: get a new certificate")
    if first.not_valid_before_utc > now:
        when = f"{first.not_valid_before_utc:%Y-%m-%d %H:%M} UTC"
        raise BadCertificate(f"{cert} is not valid before {when}: wait, or look at this machine's clock")
    return Pair(context=_loaded(cert, key), not_after=first.not_valid_after_utc, serial=first.serial_number)


def loopback_name(cert: Path) -> str:
    """By which name of loopback a certificate may be used on its own machine. Raises BadCertificate."""
    from cryptography import x509

    first = _first_certificate(cert)
    try:
        known = first.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        names = {*known.get_values_for_type(x509.DNSName), *map(str, known.get_values_for_type(x509.IPAddress))}
    except x509.ExtensionNotFound:
        names = set()
    found = next((name for name in ("127.0.0.1", "localhost") if name in names), None)
    if found is None:
        given = ", ".join(sorted(names)) or "nothing"
        raise BadCertificate(
            f"{cert} is for {given}, and `up` speaks on localhost only: "
            "give one for localhost, or use botyard hub serve"
        )
    return found


def _first_certificate(path: Path) -> "x509.Certificate":
    # Only where TLS is spoken: it takes 75 ms and 3 MB to import.
    from cryptography import x509

    try:
        return x509.load_pem_x509_certificate(_read(path, "certificate"))
    except ValueError:
        raise BadCertificate(
            f"{path} holds no PEM certificate: it begins with -----BEGIN CERTIFICATE-----, the hub's own first, "
            "then those in between"
        ) from None


def _loaded(cert: Path, key: Path) -> ssl.SSLContext:
    secret = _read(key, "private key")
    if b"ENCRYPTED" in secret:
        raise BadCertificate(
            f"{key} is locked by a passphrase, which nobody can type at a restart: "
            f"openssl pkey -in {key.name} -out open.key, and keep that file readable by the hub's user alone"
        )
    context = _server_context()
    try:
        context.load_cert_chain(cert, key, password=_no_password)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise BadCertificate(f"{key} is not the key of {cert}: give the pair that was made together") from None
        if b"PRIVATE KEY" not in secret:
            raise BadCertificate(f"{key} holds no PEM private key: is it the file for --tls-key?") from None
        raise BadCertificate(f"{cert} and {key} can't be used together ({error.reason or error})") from None
    return context


def _server_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_CIPHERS)
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
    context.set_alpn_protocols(["http/1.1"])
    return context


def _no_password() -> str:
    """Never ask the terminal for one."""
    return ""


def _read(path: Path, what: str) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise BadCertificate(f"there is no {what} at {path}") from None
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise BadCertificate(f"the {what} {path} can't be read ({reason}): the hub's user needs to") from None


def _stamp(files: tuple[Path, ...]) -> Stamp:
    """Which files these are now; a missing one is a state too."""
    return tuple(_stamp_of(file) for file in files)


def _stamp_of(file: Path) -> tuple[int, int, int, int]:
    try:
        found = file.stat()
    except OSError:
        return (0, 0, 0, 0)
    return (found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size)
