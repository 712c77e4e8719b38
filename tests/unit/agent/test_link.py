"""Where the hub is, when it is tried again, what counts as a hub (P10, S6, R52)."""

import errno
import socket
import ssl
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from agent.errors import SetupError, is_retryable
from agent.link import Backoff, LinkClosedError, dial, make_nonce, parse_address, tls_context, why_unreached
from tests.support.scripted_hub import ScriptedHub


@pytest.mark.parametrize(
    ("url", "origin", "link"),
    [
        ("https://hub.example.com", "https://hub.example.com:443", "wss://hub.example.com:443/runner/v1/link"),
        ("hub.example.com:8443/", "https://hub.example.com:8443", "wss://hub.example.com:8443/runner/v1/link"),
        ("http://127.0.0.1:8040", "http://127.0.0.1:8040", "ws://127.0.0.1:8040/runner/v1/link"),
        ("http://localhost", "http://localhost:80", "ws://localhost:80/runner/v1/link"),
        ("http://[::1]:8040", "http://[::1]:8040", "ws://[::1]:8040/runner/v1/link"),
    ],
)
def test_an_address_is_read(url: str, origin: str, link: str) -> None:
    """Design §5: `wss` by default."""
    address = parse_address(url, insecure=False)
    assert (address.origin, address.link_url, address.is_secure) == (origin, link, origin.startswith("https"))


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://hub.example.com", "plain text"),
        ("http://10.0.0.8:8040", "plain text"),
        ("ftp://hub", "no address"),
        ("https://", "no address"),
        ("https://hub/path", "without a path"),
        ("https://hub:99999", "no valid port"),
    ],
)
def test_a_wrong_address_is_refused_in_one_sentence(url: str, why: str) -> None:
    """S6: ws:// only to loopback or explicit."""
    with pytest.raises(SetupError, match=why):
        parse_address(url, insecure=False)


def test_plain_http_to_another_machine_must_be_asked_for() -> None:
    """S6: `--insecure`."""
    assert parse_address("http://hub.example.com", insecure=True).link_url.startswith("ws://")


def upper(_: float, high: float) -> float:
    """The largest of what chance may give."""
    return high


def test_attempts_are_spread_and_capped() -> None:
    """P10: U(0, min(cap, 0.5 * 2^n)), cap 5 s for two minutes, then 60 s."""
    backoff = Backoff(upper)
    delays = [backoff.delay_s(now) for now in (0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 119.0)]
    assert delays == [0.5, 1.0, 2.0, 4.0, 5.0, 5.0, 5.0]
    assert backoff.delay_s(121.0) == 60.0


def test_a_stable_link_resets_it() -> None:
    """P10, R48: reset after 60 s stable; a flapping link is not stable."""
    backoff = Backoff(upper)
    for now in range(10):
        backoff.delay_s(float(now), connected_for_s=59.0)
    assert backoff.delay_s(200.0, connected_for_s=59.0) == 5.0
    assert backoff.delay_s(300.0, connected_for_s=60.0) == 0.5


def test_a_hub_that_was_there_in_between_is_looked_for_every_five_seconds() -> None:
    """P10, R48: "cap 5 s for 2 min, then 60 s" of one outage; recovery after a hub kill <= 10 s, also after the tenth.

    Counted from the first of many kills, a runner slept for up to a minute beside a hub that was there again.
    """
    backoff = Backoff(upper)
    for now in range(0, 600, 20):
        backoff.delay_s(float(now), connected_for_s=2.0)
        assert backoff.delay_s(now + 5.0) <= 5.0
    assert [backoff.delay_s(now) for now in (699.0, 701.0)] == [5.0, 60.0]


def test_a_hint_of_the_hub_wins() -> None:
    """P10."""
    assert Backoff(upper).delay_s(0.0, hint_s=20.0) == 21.0
    assert Backoff(lambda low, _: low).delay_s(0.0, hint_s=20.0) == 20.0


@pytest.mark.parametrize(
    ("error", "again"),
    [
        (ConnectionRefusedError(), True),
        (TimeoutError(), True),
        (ssl.SSLCertVerificationError(), True),
        (ValueError(), False),
    ],
)
def test_one_place_says_what_is_worth_another_try(error: Exception, again: bool) -> None:
    """Style §2.7."""
    assert is_retryable(error) is again


async def test_only_a_valid_upgrade_counts() -> None:
    """R52: captive portals answer 200 to everything."""

    # given
    async def portal(_: web.Request) -> web.Response:
        return web.Response(text="please log in")

    app = web.Application()
    app.router.add_get("/{any:.*}", portal)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    address = parse_address(f"http://127.0.0.1:{runner.addresses[0][1]}", insecure=False)

    # when, then
    with pytest.raises(LinkClosedError, match="200"):
        await dial(address, make_nonce(), None)
    await runner.cleanup()
    with pytest.raises(OSError):
        await dial(address, make_nonce(), None)


async def test_a_certificate_that_nobody_vouches_for_is_not_spoken_to(tmp_path: Path) -> None:
    """S6, R51: TLS against the machine's own authorities; a wrong certificate is worth another try, later."""
    # given a hub with a certificate of its own making
    hub = ScriptedHub()
    url = await hub.serve(tls=own_certificate(tmp_path))
    address = parse_address(url, insecure=False)
    known = ssl.create_default_context(cafile=str(tmp_path / "certificate"))

    # when, then
    with pytest.raises(ssl.SSLCertVerificationError) as refused:
        await dial(address, make_nonce(), tls_context())
    assert is_retryable(refused.value)
    link = await dial(address, make_nonce(), known)
    assert '"type":"challenge"' in str(await link.receive())
    await link.close("enough")
    await hub.close()


def own_certificate(folder: Path) -> ssl.SSLContext:
    """A server's context with a certificate for 127.0.0.1 that it signed itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "hub")])
    address = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder(subject_name=name, issuer_name=name, public_key=key.public_key())
        .serial_number(1)
        .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2090, 1, 1, tzinfo=UTC))
        .add_extension(address, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "certificate").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    pem = serialization.PrivateFormat.PKCS8
    secret = key.private_bytes(serialization.Encoding.PEM, pem, serialization.NoEncryption())
    (folder / "key").write_bytes(secret)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / "certificate", folder / "key")
    return context


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ConnectionRefusedError(errno.ECONNREFUSED, "refused"), "nothing listens there (connection refused): is the"),
        (socket.gaierror(-2, "Name or service not known"), "its name has no address (Name or service not known): look"),
        (TimeoutError(), "no answer in time: is the machine up, the way open"),
        (OSError(errno.EHOSTUNREACH, "No route to host"), "No route to host"),
        (RuntimeError(), "RuntimeError"),
    ],
)
def test_a_hub_that_is_not_reached_is_told_with_what_to_look_at(error: Exception, said: str) -> None:
    """R51: in words for whoever reads the journal."""
    assert said in why_unreached(error, parse_address("https://hub.example", insecure=False))
