"""The lines that `botyard runner token` prints: pinned, and without a secret in any process's arguments (S6, S11)."""

import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from hub.cli import runner
from hub.cli.failing import Failure
from hub.cli.joining import Pin, check_address, doubts, lines

TOKEN = "byt_abc"
PIN = Pin(key="sha256//AAAA+/=", certificate="AB" * 32)


def test_the_line_is_pinned_by_the_hubs_key_and_its_token_is_no_argument() -> None:
    made = lines("https://hub.example:8443", TOKEN, PIN)
    echo, _, rest = made.linux.partition(" | ")
    assert ["echo", TOKEN] == shlex.split(echo)
    assert ["sudo", "sh", "-c"] == shlex.split(rest)[:3]
    assert TOKEN not in rest
    assert "--pinnedpubkey 'sha256//AAAA+/='" in rest
    assert made.macos == made.linux.replace("sudo ", "")


def test_plain_http_has_nothing_to_pin() -> None:
    made = lines("http://127.0.0.1:8040", TOKEN, Pin())
    assert " -k" not in made.linux
    assert "-fsSk" not in made.linux
    assert "DownloadString('http://127.0.0.1:8040/install.ps1')" in made.windows


def test_the_line_for_windows_compares_the_certificate_before_it_reads_anything() -> None:
    made = lines("https://hub.example:8443", TOKEN, PIN)
    assert made.windows.index(PIN.certificate) < made.windows.index("AuthenticateAsClient") < made.windows.index("GET ")
    assert "\n" not in made.windows


@pytest.mark.parametrize("pin", [PIN, Pin()])
def test_what_is_typed_behind_the_line_for_windows_goes_to_the_script(pin: Pin) -> None:
    """As an administrator it must: whose session the bots use only a person can say."""
    made = lines("http://127.0.0.1:8040", TOKEN, pin)
    assert made.windows.startswith("& {")
    assert made.windows.endswith(f" -Token '{TOKEN}' @args}}")


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl")
def test_a_script_that_does_not_come_is_a_failure(tmp_path: Path) -> None:
    """`sh -c ""` would be content with nothing at all."""
    made = lines("http://127.0.0.1:9", TOKEN, Pin())
    ended = subprocess.run(["sh", "-c", made.macos], capture_output=True, text=True, check=False)
    assert (1, True) == (ended.returncode, "curl: (7)" in ended.stderr)


@pytest.mark.parametrize("url", ["https://h'b", "https://h$(id)", "https://h;id", 'https://h"', "https://u@h"])
def test_a_name_that_means_something_to_a_shell_gets_no_line(url: str) -> None:
    with pytest.raises(Failure, match="no line to paste"):
        lines(url, TOKEN, PIN)


def test_what_should_be_known_before_pasting_is_said() -> None:
    told = {"items": [], "own_platform": "cpython-311-x86_64-linux-gnu", "folder": "/data/bundles"}
    said = "\n".join(doubts("http://10.0.0.1", told))
    assert "plain http" in said
    assert "no bundle for Windows" in said
    assert "/data/bundles" in said
    assert "this machine only" not in said
    assert "127.0.0.1:8080 is reached from this machine only" in "\n".join(doubts("http://127.0.0.1:8080", told))
    windows = {"platform": "windows-x86_64"}
    assert "no bundle for Windows" not in "\n".join(doubts("https://hub", {**told, "items": [windows]}))


def test_a_hub_behind_a_proxy_that_it_does_not_know_gets_no_line() -> None:
    """Its script would send the machine back in the clear, and the token after it."""
    with pytest.raises(Failure, match=r"--public-url https://hub\.example, or with --trusted-proxy"):
        check_address("https://hub.example", {"address": "http://hub.example"})
    for url, address in (
        ("https://hub", "https://hub"),
        ("http://127.0.0.1:1", "http://127.0.0.1:1"),
        ("http://h", "https://h"),
    ):
        check_address(url, {"address": address})
    check_address("https://hub", {})


def test_it_is_said_before_there_is_a_token(monkeypatch: pytest.MonkeyPatch) -> None:
    """A token that nobody gets to see could still be used."""

    class Behind:
        """A client of such a hub."""

        url = "https://hub.example"

        def certificate(self) -> None:
            """Of no account here."""

        def get(self, path: str) -> dict[str, Any]:
            """Bundles."""
            return {"items": [], "own_platform": "k", "folder": path, "address": "http://hub.example"}

        def post(self, path: str, body: object) -> dict[str, Any]:
            """Makes a token."""
            raise AssertionError(path, body)

    monkeypatch.setattr(runner, "connected", Behind)
    with pytest.raises(Failure, match="in the clear"):
        runner.token()
