"""A proxy's word counts only from where it is named (S54: nobody else says who he is)."""

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from hub.proxied import believing, is_trusted, parse_networks


@pytest.mark.parametrize(
    ("peer", "trusted"),
    [
        ("10.1.2.3", True),
        ("192.0.2.7", True),
        ("::ffff:10.1.2.3", True),
        ("192.0.2.8", False),
        ("", False),
        (None, False),
        ("unix", False),
    ],
)
def test_only_named_addresses_are_trusted(peer: str | None, trusted: bool) -> None:
    assert is_trusted(peer, parse_networks(["10.0.0.0/8", "192.0.2.7"])) is trusted


def test_a_wrong_name_is_refused() -> None:
    with pytest.raises(ValueError, match=r"'proxy' is no address or network; say 10\.0\.0\.7"):
        parse_networks(["10.0.0.0/8", "proxy"])


SAID = {
    "Host": "inner:8040",
    "X-Forwarded-For": "198.51.100.1, 203.0.113.9",
    "X-Forwarded-Proto": "javascript",
    "X-Forwarded-Host": "evil.example, hub.example",
}


@pytest.mark.parametrize(
    ("networks", "seen"),
    [(["127.0.0.1"], ("203.0.113.9", "http", "hub.example")), (["192.0.2.1"], ("127.0.0.1", "http", "inner:8040"))],
)
async def test_the_last_entry_counts_and_no_scheme_but_http_and_https(
    networks: list[str], seen: tuple[str, ...]
) -> None:
    """The entries before the last are whatever the caller sent to our proxy."""
    found: list[tuple[str | None, str, str]] = []

    async def look(request: web.Request) -> web.StreamResponse:
        found.append((request.remote, request.scheme, request.host))
        return web.Response()

    request = make_mocked_request("GET", "/", headers=SAID).clone(remote="127.0.0.1")
    await believing(parse_networks(networks))(request, look)
    assert found == [seen]
