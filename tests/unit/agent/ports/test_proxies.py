"""Which proxy stands on the way to the hub, and that its password is in no text for people."""

import pytest

from agent.ports.proxies import BadProxy, parse_proxy, proxy_for

NAMES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


@pytest.fixture(autouse=True)
def _no_proxy_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.mark.parametrize(
    ("environment", "chosen", "to", "expected"),
    [
        ({}, None, "https://hub:443", None),
        ({"HTTPS_PROXY": "http://p:3128"}, None, "https://hub:443", "http://p:3128"),
        ({"https_proxy": "p:3128"}, None, "https://hub:443", "http://p:3128"),
        ({"ALL_PROXY": "http://p"}, None, "https://hub:443", "http://p:80"),
        ({"HTTPS_PROXY": "http://p:3128"}, None, "http://hub:80", None),
        ({"HTTP_PROXY": "http://p:3128"}, None, "http://hub:80", "http://p:3128"),
        ({"HTTPS_PROXY": "http://p:3128", "NO_PROXY": "hub,other"}, None, "https://hub:443", None),
        ({"HTTPS_PROXY": "http://p:3128", "NO_PROXY": ".example"}, None, "https://hub.example:443", None),
        ({"HTTPS_PROXY": "http://p:3128"}, "http://q:1", "https://hub:443", "http://q:1"),
        ({"HTTPS_PROXY": "http://p:3128"}, "direct", "https://hub:443", None),
        ({"HTTPS_PROXY": "http://p:3128", "ALL_PROXY": "http://p:1"}, "http://q:1", "https://127.0.0.1:1", None),
        ({"HTTP_PROXY": "http://p:3128"}, None, "http://localhost:80", None),
    ],
)
def test_the_way_is_chosen_by_setting_then_environment_and_never_for_loopback(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], chosen: str | None, to: str, expected: str | None
) -> None:
    """R52; what listens on loopback is this machine's."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    scheme, _, rest = to.partition("://")
    host, _, port = rest.rpartition(":")
    found = proxy_for(scheme, host, int(port), chosen)
    assert expected == (found.url if found else None)


def test_credentials_go_where_they_are_needed_and_into_no_text() -> None:
    """S11, S54."""
    proxy = parse_proxy("http://ana:s%3Acret%21@proxy.example:3128", "the setting proxy")
    assert (proxy.user, proxy.password) == ("ana", "s:cret!")
    assert proxy.headers == {"Proxy-Authorization": "Basic YW5hOnM6Y3JldCE="}
    assert proxy.url_with_credentials == "http://ana:s%3Acret%21@proxy.example:3128"
    for text in (repr(proxy), str(proxy), proxy.shown, proxy.url):
        assert "cret" not in text


@pytest.mark.parametrize(
    "text", ["socks5://p:1080", "http://", "http://p:port", "http://p/path", "http://u:pw@p:1?x=1"]
)
def test_an_address_that_cannot_be_used_is_refused_without_repeating_it(text: str) -> None:
    """One sentence that names the setting, never its password."""
    with pytest.raises(BadProxy, match=r"HTTPS_PROXY is no proxy.*http://HOST:PORT") as refused:
        parse_proxy(text, "HTTPS_PROXY")
    assert "u:pw" not in str(refused.value)
