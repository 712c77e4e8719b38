"""Addresses of hubs, as people type them (S6)."""

import pytest

from hub.cli.failing import Failure
from hub.cli.profile import checked_url, is_in_the_clear


@pytest.mark.parametrize(
    ("typed", "url", "is_clear"),
    [
        ("hub.example", "https://hub.example", False),
        ("https://hub.example:8040/", "https://hub.example:8040", False),
        ("http://127.0.0.1:8040", "http://127.0.0.1:8040", False),
        ("http://[::1]:8040", "http://[::1]:8040", False),
        ("http://localhost", "http://localhost", False),
        ("http://hub.example:8040", "http://hub.example:8040", True),
        ("http://localhost.example", "http://localhost.example", True),
    ],
)
def test_a_key_is_told_when_it_would_travel_in_the_clear(typed: str, url: str, *, is_clear: bool) -> None:
    """S6: TLS by default; plain http to another machine is warned of at `botyard login`."""
    assert url == checked_url(typed)
    assert is_clear is is_in_the_clear(checked_url(typed))


@pytest.mark.parametrize("typed", ["ftp://hub", "http://", "https://me:secret@hub", "https://hub?x=1"])
def test_what_is_no_address_is_refused(typed: str) -> None:
    with pytest.raises(Failure, match="no address of a hub"):
        checked_url(typed)
