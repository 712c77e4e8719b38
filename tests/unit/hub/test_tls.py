"""The hub's certificate: each wrong pair has its sentence, a right one is taken without a restart (R51, S50)."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from hub.tls import BadCertificate, Certificates, load_pair
from tests.support.certificates import Authority, Issued

Make = Callable[[Authority, Path], tuple[Path, Path]]


def now() -> datetime:
    """The wall clock."""
    return datetime.now(UTC)


def pair(issued: Issued) -> tuple[Path, Path]:
    return issued.cert, issued.key


def mixed(authority: Authority, _: Path) -> tuple[Path, Path]:
    return authority.issue("one").cert, authority.issue("two").key


def text_in(name: str, text: str) -> Make:
    """A pair of which one file, named `cert` or `key`, holds this text instead."""

    def make(authority: Authority, folder: Path) -> tuple[Path, Path]:
        issued = authority.issue()
        other = folder / f"other.{name}"
        other.write_text(text)
        return (other, issued.key) if name == "cert" else (issued.cert, other)

    return make


WRONG: list[tuple[str, Make, str]] = [
    ("expired", lambda a, _: pair(a.issue(begins=timedelta(days=-9), ends=timedelta(days=-1))), "expired on .*: get a"),
    ("too early", lambda a, _: pair(a.issue(begins=timedelta(hours=1))), "not valid before .* UTC: wait, or"),
    ("mismatch", mixed, "two.key is not the key of .*one.pem: give the pair"),
    ("locked", lambda a, _: pair(a.issue(passphrase=b"x")), "locked by a passphrase.*openssl pkey"),
    ("no certificate there", lambda a, f: (f / "none.pem", a.issue().key), "there is no certificate at .*none.pem"),
    ("no key there", lambda a, f: (a.issue().cert, f / "none.key"), "there is no private key at .*none.key"),
    ("not a certificate", text_in("cert", "hello"), "holds no PEM certificate"),
    ("not a key", text_in("key", "hello"), "holds no PEM private key: is it the file for --tls-key"),
    ("a folder", lambda a, f: (f, a.issue().key), "can't be read .is a directory."),
    ("swapped", lambda a, _: (a.issue().key, a.issue().cert), "holds no PEM certificate"),
]


@pytest.mark.parametrize(("make", "says"), [row[1:] for row in WRONG], ids=[row[0] for row in WRONG])
def test_a_pair_that_cannot_be_used_is_refused_in_one_sentence(tmp_path: Path, make: Make, says: str) -> None:
    """R51; nobody is asked for a passphrase at a terminal that nobody looks at."""
    with pytest.raises(BadCertificate, match=says) as refused:
        load_pair(*make(Authority(tmp_path / "ca"), tmp_path), now())
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("left", "says"), [(timedelta(days=15), ""), (timedelta(days=13), "in 12 days"), (timedelta(0), "expired on")]
)
def test_its_end_is_told_two_weeks_ahead(tmp_path: Path, left: timedelta, says: str) -> None:
    """R51: clear status."""
    found = load_pair(*pair(Authority(tmp_path).issue(ends=timedelta(days=60))), now())
    warning = found.warning(found.not_after - left + timedelta(seconds=1))
    assert (says in warning) if says else (warning == "")


@asynccontextmanager
async def served(context: ssl.SSLContext) -> AsyncIterator[int]:
    """A server that answers each line with itself; its port."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            writer.write(line)
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def dialled(port: int, ca: Path, name: str = "localhost") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection that trusts this authority only; the name is what the certificate is for, an address sends none."""
    context = ssl.create_default_context(cafile=str(ca))
    return await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=name)


def serial(writer: asyncio.StreamWriter) -> int:
    """The serial number of the certificate that the other side showed."""
    shown = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    return x509.load_der_x509_certificate(shown).serial_number


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1"])
async def test_a_new_pair_is_served_to_new_connections_and_the_old_live_on(tmp_path: Path, name: str) -> None:
    """R51: rotation without a restart, for clients that send a server name and for those that dial an address."""
    # given a connection under the first certificate
    authority = Authority(tmp_path)
    issued = authority.issue()
    certificates = Certificates(issued.cert, issued.key, now)
    first = certificates.pair.serial
    async with served(certificates.context) as port:
        reader, writer = await dialled(port, authority.ca, name)
        assert first == serial(writer)
        assert writer.get_extra_info("ssl_object").version() == "TLSv1.3"
        # when the files are replaced
        assert not certificates.refresh()
        authority.issue()
        assert certificates.refresh()
        assert not certificates.refresh()
        # then new connections see the new one, and the old connection is whole
        _, second = await dialled(port, authority.ca, name)
        assert first != serial(second) == certificates.pair.serial
        writer.write(b"still here\n")
        assert await reader.readline() == b"still here\n"
        for one in (writer, second):
            one.close()
            await one.wait_closed()


async def test_a_wrong_pair_leaves_the_old_one_in_place_until_it_is_right(tmp_path: Path) -> None:
    """R51: a renewal that went wrong costs nothing but a sentence."""
    # given
    authority = Authority(tmp_path)
    issued = authority.issue()
    certificates = Certificates(issued.cert, issued.key, now)
    first = certificates.pair.serial
    # when only the key was replaced
    good = issued.key.read_bytes()
    authority.issue("other")
    issued.key.write_bytes((tmp_path / "other.key").read_bytes())
    # then it is said at each look, and the old pair is served
    for _ in range(2):
        with pytest.raises(BadCertificate, match="is not the key of"):
            certificates.refresh()
    async with served(certificates.context) as port:
        _, writer = await dialled(port, authority.ca)
        assert first == serial(writer)
        writer.close()
        await writer.wait_closed()
    # and when the pair is right again, all is well
    issued.key.write_bytes(good)
    assert certificates.refresh()
    assert certificates.warning == ""


async def test_nothing_older_than_tls_1_2_and_no_weak_cipher_is_spoken(tmp_path: Path) -> None:
    """S50."""
    authority = Authority(tmp_path)
    issued = authority.issue()
    context = Certificates(issued.cert, issued.key, now).context
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    names = {cipher["name"] for cipher in context.get_ciphers()}
    assert names
    assert all("GCM" in name or "CHACHA20" in name for name in names)
    assert all(name.startswith(("TLS_", "ECDHE-")) for name in names)
