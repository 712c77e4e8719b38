"""The hub's `install.sh`: words behind `install` that can't be meant are refused before the bundle is fetched."""

import subprocess
from pathlib import Path

import pytest

from hub.install.scripts import Filling, shell

SCRIPT = Path(__file__).parents[3] / "packaging/install.sh"
FILLING = Filling(hub="http://127.0.0.1:9", hub_id=f"hub_{'a' * 32}", authority="", bundles=())


def install(*words: str) -> tuple[int, str]:
    """As the pasted line has it, of a hub that has no bundle; exit code, errors."""
    text = shell(SCRIPT.read_text(), FILLING)
    line = ["sh", "-c", text, "install", *words]
    done = subprocess.run(line, input="byt_x\n", capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stderr


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--slots", "abc"), "--slots 'abc': say a number from 1 to 64, bots at once"),
        (("--name", "desk 1", "--slots=0"), "--slots '0': say a number from 1 to 64, bots at once"),
        (("--slots", "65"), "--slots '65': say a number from 1 to 64, bots at once"),
        (("--slots",), "--slots needs a value"),
        (("--mode", "big"), "--mode 'big': say service or session"),
        (("--home", ""), "--home is empty: give it a value, or leave it out"),
        (("--labels", "a=b"), "there is no option --labels"),
    ],
)
def test_what_can_not_be_meant_is_refused_first(words: tuple[str, ...], says: str) -> None:
    assert (2, f"botyard: {says}. See install --help.\n") == install(*words)


@pytest.mark.parametrize(
    "words", [(), ("--again", "--slots", "64", "--label", "a=b=c"), ("--mode=session", "--home=x")]
)
def test_what_can_be_meant_goes_on_to_the_bundle(words: tuple[str, ...]) -> None:
    code, told = install(*words)
    assert (1, True) == (code, "has no bundle for" in told or "needs Python" in told)
