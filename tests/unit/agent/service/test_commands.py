"""`botyard-agent service …` as it is typed, and the exit codes of `packaging.md` §2."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agent import cli, cli_service
from agent.mode import Mode
from agent.service import acting, ground, here
from agent.service.spec import Spec
from tests.unit.agent.service.machine import MemoryGround, spec

Typed = Callable[..., tuple[int, str, str]]


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> MemoryGround:
    """The machine that the commands find."""
    found = MemoryGround()

    def spec_here(mode: Mode, home: str | None, user: str | None) -> Spec:
        given: dict[str, Any] = {"home": home, "user": user}
        return spec(mode=mode, **{name: value for name, value in given.items() if value})

    monkeypatch.setattr(ground, "SystemGround", lambda: found)
    monkeypatch.setattr(here, "spec_here", spec_here)
    return found


@pytest.fixture
def typed(machine: MemoryGround, capsys: pytest.CaptureFixture[str]) -> Typed:
    """Type a command; exit code, output, errors."""

    def run(*words: str) -> tuple[int, str, str]:
        code = cli.main(["service", *words])
        out, err = capsys.readouterr()
        return code, out, err

    return run


def test_the_codes_of_status(machine: MemoryGround, typed: Typed) -> None:
    """0 running and linked, 3 not running, 4 running but not linked, 5 not installed."""
    machine.files["/var/lib/botyard-agent/identity.json"] = "{}"
    assert typed("status")[:2] == (5, "botyard-agent as a service: not installed\n")
    assert typed("start")[0] == 5
    assert typed("install")[0] == 0

    codes = {}
    for state, running, answer in (
        ("linked", True, {"linked": True}),
        ("not linked", True, {"linked": False, "problem": "the hub does not answer"}),
        ("not running", False, None),
    ):
        machine.running, machine.answers = running, {"status": answer} if answer else {}
        code, out, _ = typed("status", "--json")
        codes[json.loads(out)["state"]] = code
        assert typed("status")[0] == code
        assert f"service: {state}\n" in typed("status")[1]
    assert codes == {"linked": 0, "not linked": 4, "not running": 3}


def test_a_refusal_is_one_line(machine: MemoryGround, typed: Typed) -> None:
    machine.admin = False

    code, out, err = typed("install", "--mode", "service")

    assert (code, out) == (78, "")
    assert err == "botyard-agent: this needs root: sudo botyard-agent service install --mode service\n"


def test_the_mode_is_the_one_that_is_installed(machine: MemoryGround, typed: Typed) -> None:
    """Whoever is no root installs a session, and asks after the service that root installed."""
    assert "service mode" not in typed("install", "--print")[1]
    machine.files["/etc/systemd/system/botyard-agent.service"] = "[Service]\n"
    machine.admin = False

    assert "as a service: not running" in typed("status")[1]
    assert "as a session service: not installed" in typed("status", "--mode", "session")[1]
    assert "/home/ada/.config/systemd/user" in typed("install", "--print")[1]
    assert typed("install", "--user", "bob") == (
        2,
        "",
        "botyard-agent: --user is for --mode service: a session's service runs as who installs it\n",
    )


def test_a_file_that_may_not_be_written_is_named(
    machine: MemoryGround, typed: Typed, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(file: Any) -> None:
        raise PermissionError(13, "Permission denied", file.path)

    monkeypatch.setattr(machine, "write", refuse)

    code, _, err = typed("install", "--mode", "session")

    assert code == 78
    assert err.startswith("botyard-agent: /home/ada/.config/systemd/user/botyard-agent.service: permission denied")


def test_settings_with_which_no_daemon_starts_are_told_before_anything_is_written(
    machine: MemoryGround, typed: Typed, tmp_path: Path
) -> None:
    """Issue 6, bad input: slots more than the machine can hold; a service would end with 78."""
    (tmp_path / "agent.toml").write_text('slots = 100000\ndesktop_size = "big"\n')

    code, _, err = typed("install", "--mode", "session", "--home", str(tmp_path))

    assert (78, 1, {}) == (code, err.count("\n"), machine.files)
    assert "setting slots: '100000' is no number of them: say one from 0 to 64" in err
    assert "setting desktop_size: 'big' is no size: say WIDTHxHEIGHT in pixels, as 1920x1080" in err
    code, out, _ = typed("install", "--mode", "session", "--home", str(tmp_path), "--print")
    assert (0, True) == (code, out.startswith("# install refuses this: setting slots: "))


def test_the_codes_are_one(machine: MemoryGround) -> None:
    assert cli_service.EXIT_NOT_INSTALLED == acting.EXIT_NOT_INSTALLED
    assert (cli.EXIT_NOT_RUNNING, cli.EXIT_NOT_LINKED) == (cli_service.EXIT_NOT_RUNNING, cli_service.EXIT_NOT_LINKED)


def test_the_help_has_examples(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["service", "--help"])

    assert "service install --print" in capsys.readouterr().out


def test_a_reader_that_has_seen_enough_is_no_failure(tmp_path: Path) -> None:
    """`service install --print | head`: no word of a broken pipe."""
    words = f"{sys.executable} -P -m agent service install --print --mode session --home {tmp_path}"
    done = subprocess.run(
        ["bash", "-c", f"{words} | true; echo ${{PIPESTATUS[0]}}"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("0\n", "")


def test_the_machine_itself_is_read_and_written(tmp_path: Path) -> None:
    """The port on a real disk: whole files with the wanted rights, tools with their code and output."""
    from agent.service.spec import Command, File

    real = ground.SystemGround()
    file = File(path=str(tmp_path / "a" / "b.service"), text="[Unit]\n", mode=0o644)

    assert real.read(file.path) is None
    real.write(file)
    assert real.read(file.path) == "[Unit]\n"
    assert Path(file.path).stat().st_mode & 0o777 == 0o644
    assert real.names(str(tmp_path)) == ["a"]
    assert real.run(Command(argv=("sh", "-c", "echo no; exit 3"))) == (3, "no")
    with pytest.raises(FileNotFoundError):
        real.run(Command(argv=("no-such-tool-of-ours",)))
    assert real.ask(str(tmp_path), "status") is None
    assert real.wait_for_end(str(tmp_path))
    real.remove(file.path)
    real.remove(file.path)
    real.remove_tree(str(tmp_path / "a"))
    assert real.names(str(tmp_path / "a")) == []


def test_here_says_who_and_where(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("BOTYARD_AGENT_HOME", raising=False)

    as_service = here.spec_here(Mode.SERVICE, None, None)
    assert (as_service.home, as_service.user) == ("/var/lib/botyard-agent", "botyard-agent")
    assert here.spec_here(Mode.SERVICE, str(tmp_path), None).home == str(tmp_path)
    assert here.spec_here(Mode.SESSION, None, None).home.endswith("botyard-agent")
