"""Values of the command lines, looked at before anything is made: the bundle's, and those of `botyard-agent`."""

from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from agent import cli
from agent.command_line import parse_labels
from agent.errors import UsageError
from agent.install import command

HUB = ("--hub", "http://127.0.0.1:9", "--hub-id", "hub_" + "a" * 32)
ENROLL = ("enroll", "http://127.0.0.1:9", "--token", "/nowhere")
WRONG = (
    (("--slots", "abc"), "--slots: 'abc': say a number from 1 to 64"),
    (("--slots", "0"), "--slots: '0': say a number from 1 to 64"),
    (("--slots", "-1"), "--slots: '-1': say a number from 1 to 64"),
    (("--slots", "100000"), "--slots: '100000': say a number from 1 to 64"),
    (("--slots", "1.5"), "--slots: '1.5': say a number from 1 to 64"),
    (("--name", "a/b"), "--name: 'a/b' can't be a runner's name: begin with a letter or digit"),
    (("--name", "rnr_1"), "--name: 'rnr_1' can't be a runner's name"),
    (("--label", "room"), "--label: 'room' is no label: say name=value"),
    (("--label", "a=b c"), "--label: 'a=b c' is no label"),
    (("--label", "a=1", "--label", "a=2"), "--label a=1 and --label a=2: a label has one value"),
    (("--home", ""), "--home: it is empty: name a folder"),
    (("--home", "FILE"), "FILE is a file where a folder has to be"),
    (("--home", "FILE/below"), "FILE is a file where a folder has to be"),
    (("--home", "~nobody-of-this-name/x"), "--home: '~nobody-of-this-name/x': "),
    (("--labels", "a=b"), "unrecognized arguments: --labels"),
)


@pytest.mark.parametrize(("words", "says"), WRONG)
@pytest.mark.parametrize("program", ["bundle", "enroll"])
def test_a_wrong_value_is_one_line_before_anything_is_made(
    words: tuple[str, ...], says: str, program: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    typed = [word.replace("FILE", str(tmp_path / "file")) for word in words]

    try:
        code = command.main([*HUB, *typed]) if program == "bundle" else cli.main([*ENROLL, *typed])
    except SystemExit as ended:
        code = int(ended.code or 0)

    told = capsys.readouterr().err
    assert (code, told.count("\n")) == (2, 1), told
    assert says.replace("FILE", str(tmp_path / "file")) in told
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_labels_are_pairs() -> None:
    """`--label k=v`; the same again is no fault."""
    assert parse_labels(["a=1", "b = x", "a=1"]) == {"a": "1", "b": "x"}
    with pytest.raises(UsageError, match="--label a=1 and --label a=2"):
        parse_labels(["a=1", "b=2", "a=2"])


def test_the_words_of_a_bundle_go_on_to_enroll() -> None:
    words = [*HUB, "--slots", "2", "--name", "desk 1", "--label", "a=1"]
    wish = command.wish_of(command._parser().parse_args(words))
    assert ("--name", "desk 1", "--slots", "2", "--label", "a=1") == wish.enrolment


def test_slots_that_the_machine_can_not_hold_cost_no_token(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Issue 6, bad input: told before the token is read, let alone sent."""
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(total=1024**3))

    code = cli.main([*ENROLL, "--home", str(tmp_path / "home"), "--slots", "64"])

    told = capsys.readouterr().err
    assert (2, 1) == (code, told.count("\n"))
    assert "--slots 64: 64 bots take at least 2048 MiB (32 MiB a bot), and this machine has 1024 MiB: say fewer" in told
    assert not (tmp_path / "home").exists()
