"""A certificate authority of our own, and the certificates that a test wants of it: right, wrong, old, renewed."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

LOCAL = ("127.0.0.1", "localhost")


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """Two PEM files."""

    cert: Path
    key: Path


@dataclass(slots=True)
class Authority:
    """A private authority; ``ca`` is the file that others are told to trust."""

    folder: Path
    name: str = "test authority"
    _key: ec.EllipticCurvePrivateKey = field(init=False)
    _root: x509.Certificate = field(init=False)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._key = ec.generate_private_key(ec.SECP256R1())
        name = _named(self.name)
        start = datetime.now(UTC) - timedelta(days=1)
        self._root = (
            x509.CertificateBuilder(subject_name=name, issuer_name=name, public_key=self._key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(start)
            .not_valid_after(start + timedelta(days=3650))
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        self.ca.write_bytes(self._root.public_bytes(serialization.Encoding.PEM))

    @property
    def ca(self) -> Path:
        """Its own certificate."""
        return self.folder / "ca.pem"

    def issue(
        self,
        stem: str = "hub",
        names: tuple[str, ...] = LOCAL,
        *,
        begins: timedelta = timedelta(hours=-1),
        ends: timedelta = timedelta(days=90),
        passphrase: bytes | None = None,
    ) -> Issued:
        """A certificate for these names, from `begins` to `ends` as seen from now; files of that stem are replaced."""
        key = ec.generate_private_key(ec.SECP256R1())
        now = datetime.now(UTC)
        signed = (
            x509.CertificateBuilder(
                subject_name=_named(names[0]), issuer_name=self._root.subject, public_key=key.public_key()
            )
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + begins)
            .not_valid_after(now + ends)
            .add_extension(x509.SubjectAlternativeName([_alternative(one) for one in names]), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        lock = serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
        secret = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, lock)
        issued = Issued(cert=self.folder / f"{stem}.pem", key=self.folder / f"{stem}.key")
        issued.key.write_bytes(secret)
        issued.cert.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
        return issued


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)
