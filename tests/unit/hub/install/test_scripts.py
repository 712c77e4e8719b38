"""What is filled into the scripts of a hub can be nothing but what it says it is."""

import shlex
from dataclasses import replace

import pytest

from hub.install import scripts
from hub.install.scripts import Bundle, Filling

PEM = "-----BEGIN CERTIFICATE-----\nQUJD\n-----END CERTIFICATE-----"
BUNDLE = Bundle(name="botyard-agent-1-k.zip", version="1", platform="k", size_bytes=1, sha256="0" * 64)
GOOD = Filling(hub="https://hub.example:8443", hub_id=f"hub_{'a' * 32}", authority=PEM, bundles=(BUNDLE,))
TEMPLATE = "@HUB@|@HUB_ID@|@PLAIN@|@AUTHORITY@|@BUNDLES@|@OTHER@"


def test_each_mark_becomes_one_quoted_word() -> None:
    words = scripts.shell(TEMPLATE, GOOD).split("|")
    assert [GOOD.hub, GOOD.hub_id, "", PEM, f"k {'0' * 64} botyard-agent-1-k.zip"] == [
        shlex.split(word)[0] for word in words[:5]
    ]
    assert "@OTHER@" == words[5]
    assert f"'{GOOD.hub}'" == scripts.powershell(TEMPLATE, GOOD).split("|")[0]


@pytest.mark.parametrize(
    "hub",
    [
        "https://hub.example/x",
        "https://",
        "ftp://hub",
        "https://hub'; id; '",
        "https://hub\n",
        "https://hub$(id)",
        "https://h\u2019ub",
        "https://hub:80800000",
        "https://u:p@hub",
        "https://-hub",
    ],
)
def test_an_address_that_is_none_is_refused(hub: str) -> None:
    with pytest.raises(ValueError, match="Host"):
        scripts.shell(TEMPLATE, replace(GOOD, hub=hub))


@pytest.mark.parametrize("hub", ["http://10.0.0.1:8040", "http://localhost.example.com", "http://[2001:db8::1]:1"])
def test_plain_http_to_another_machine_is_said(hub: str) -> None:
    assert "yes" == scripts.shell("@PLAIN@", replace(GOOD, hub=hub))


@pytest.mark.parametrize("hub", ["https://hub", "http://127.0.0.1:8040", "http://localhost", "http://[::1]:8040"])
def test_what_nobody_else_hears_needs_no_leave(hub: str) -> None:
    assert "''" == scripts.shell("@PLAIN@", replace(GOOD, hub=hub))


def test_the_last_certificate_of_a_chain_is_what_is_trusted() -> None:
    other = PEM.replace("QUJD", "REVG")
    assert PEM == scripts.top_certificate(f"leaf\r\n{other}\r\n{PEM}\r\n".replace("\n", "\r\n").replace("\r\r", "\r"))
    assert "" == scripts.top_certificate("-----BEGIN PRIVATE KEY-----\nQUJD\n-----END PRIVATE KEY-----")


def test_quotes_of_every_kind_stay_inside_for_powershell() -> None:
    assert "'a''b\u2019\u2019c$(id)`'" == scripts._quoted_for_powershell("a'b\u2019c$(id)`")
