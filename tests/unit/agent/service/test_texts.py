"""The files of a service, byte for byte, and what the system's own tools say of them."""

import json
import plistlib
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from agent.errors import UsageError
from agent.mode import Mode
from agent.service import launchd, systemd, windows_service, windows_task, windows_words
from agent.service.acting import MANAGERS
from agent.service.spec import Spec, System, Verb, check, check_mode, unseen
from tests.unit.agent.service.machine import HOMES, spec

GOLDEN = Path(__file__).parent / "golden"
ODD = "/srv/a b%c\"d'e/$HOME"
ANALYZE = shutil.which("systemd-analyze")
needs_systemd = pytest.mark.skipif(ANALYZE is None, reason="systemd-analyze is not here")


def golden_name(one: Spec, path: str) -> str:
    """`linux-service.botyard-agent.service`, say."""
    return f"{one.system}-{one.mode}.{path.replace(chr(92), '/').rpartition('/')[2]}"


@pytest.mark.parametrize(("system", "mode"), list(HOMES))
def test_files_are_these_bytes(system: System, mode: Mode) -> None:
    """A change of any line shows here, and is decided on with packaging.md beside it."""
    one = spec(system, mode)
    for file in MANAGERS[system, mode].files(one):
        assert file.text.encode() == (GOLDEN / golden_name(one, file.path)).read_bytes()


@pytest.mark.parametrize(("system", "mode"), list(HOMES))
def test_a_definition_tells_its_home_and_user(system: System, mode: Mode) -> None:
    """Who stops or removes a service need not say what it was installed with."""
    home = r"C:\odd %x & y\h" if system is System.WINDOWS else ODD
    made = spec(system, mode, home=home, user="bob" if mode is Mode.SERVICE else "ada")
    manager = MANAGERS[system, mode]

    found = manager.as_installed(spec(system, mode), manager.files(made)[0].text)

    assert (found.home, found.user) == (made.home, made.user if mode is Mode.SERVICE else spec(system, mode).user)
    assert manager.as_installed(made, "what somebody else wrote") == made


def test_paths_are_quoted_for_systemd() -> None:
    text = systemd.files(spec(home=ODD, python="/opt/a b%$x/python"))[0].text

    assert 'ExecStart=:"/opt/a b%%$x/python" -I -m agent run --home "/srv/a b%%c\\"d\'e/$HOME"\n' in text
    assert "WorkingDirectory=-/srv/a b%%c\"d'e/$HOME\n" in text
    assert 'ReadWritePaths=/tmp /var/tmp "/srv/a b%%c\\"d\'e/$HOME"\n' in text
    assert "StateDirectory" not in text


def test_a_property_list_is_read_back() -> None:
    one = spec(System.MACOS, Mode.SESSION, home='/Users/ada/a & "b" <c>')

    body = plistlib.loads(launchd.files(one)[0].text.encode())

    assert body["ProgramArguments"][: len(one.argv)] == list(one.argv)
    assert (body["AbandonProcessGroup"], body["KeepAlive"]) == (True, {"SuccessfulExit": False})


@pytest.mark.parametrize(
    ("home", "words"),
    [
        (r"C:\plain", r"-I -m agent run --home C:\plain --mode session --log-file C:\plain\logs\agent.log"),
        (r"C:\a b", r'-I -m agent run --home "C:\a b" --mode session --log-file "C:\a b\logs\agent.log"'),
        (
            r"C:\50%\a&b<c>",
            r"-I -m agent run --home C:\50%\a&b<c> --mode session --log-file C:\50%\a&b<c>\logs\agent.log",
        ),
    ],
)
def test_a_task_is_read_back(home: str, words: str) -> None:
    """The interpreter without a window, and arguments as Windows splits them."""
    file = windows_task.files(spec(System.WINDOWS, Mode.SESSION, home=home))[0]
    task = ET.fromstring(file.text.encode(file.encoding))
    found = {one.tag.rpartition("}")[2]: one.text for one in task.iter()}

    assert file.text.encode(file.encoding)[:2] in {b"\xff\xfe", b"\xfe\xff"}
    assert (found["Command"], found["Arguments"]) == (r"C:\Program Files\Botyard\pythonw.exe", words)
    assert (found["UserId"], found["RunLevel"], found["ExecutionTimeLimit"]) == (r"PC-1\ada", "LeastPrivilege", "PT0S")


@pytest.mark.parametrize(
    ("word", "quoted"),
    [("", '""'), ('a"b c', r'"a\"b c"'), ("a b\\", r'"a b\\"'), ('a \\"b', r'"a \\\"b"'), ("a\\b", "a\\b")],
)
def test_windows_words_are_quoted_as_its_programs_read_them(word: str, quoted: str) -> None:
    assert quoted == windows_words.quoted(word)
    assert quoted == subprocess.list2cmdline([word])


@pytest.mark.parametrize(
    ("other", "says"),
    [
        ({"home": "/var/lib/a\nExecStart=/bin/evil"}, "--home"),
        ({"home": "/var/lib/a\\"}, "--home"),
        ({"home": "/home/ada/botyard"}, "a service sees nothing below /home"),
        ({"python": '/opt/a"b/python'}, "a quote in its path"),
        ({"user": "Ada Lovelace"}, "--user"),
        ({"user": "a\nb"}, "--user"),
    ],
)
def test_what_no_unit_can_hold_is_refused(other: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        check(spec(**other))


def test_what_a_session_may_stand_in() -> None:
    one = replace(spec(mode=Mode.SESSION), python="/home/ada/venv/bin/python", seen=("/home/ada/.pyenv",))

    assert check(one) == one
    assert not unseen(one)


@pytest.mark.parametrize(
    ("other", "where"), [({"python": "/home/ada/venv/bin/python"}, "/home/ada"), ({"seen": ("/root/.pyenv",)}, "/root")]
)
def test_a_program_that_a_service_can_not_see_is_told_with_a_remedy(other: dict[str, Any], where: str) -> None:
    """Not a venv below /opt, which would be one of the same hidden Python: the pasted line takes the machine's."""
    told = unseen(spec(**other))

    assert f"stands in {where}" in told
    assert "botyard runner token" in told
    assert not unseen(spec())


def test_service_mode_is_refused_where_it_is_not_there() -> None:
    with pytest.raises(UsageError, match="say --mode session"):
        check_mode(replace(spec(System.MACOS, Mode.SESSION), mode=Mode.SERVICE))


@pytest.mark.parametrize(
    ("other", "says"),
    [
        ({"user": ""}, "say --user NAME, whose session"),
        ({"home": r"c:\users\ada\runner"}, "lies in a user's folder"),
        ({"home": "C:\\a\nb"}, "no service file can hold"),
    ],
)
def test_what_a_service_of_windows_can_not_be(other: dict[str, Any], says: str) -> None:
    """It needs to know whose session, and its key is kept by the machine, which a user's folder is not."""
    with pytest.raises(UsageError, match=says):
        check(spec(System.WINDOWS, Mode.SERVICE, **other))


@pytest.mark.parametrize(
    ("code", "restarts"), [(0, False), (2, False), (75, True), (78, False), (1, True), (137, True)]
)
def test_what_the_service_manager_starts_again(code: int, restarts: bool) -> None:
    """Packaging.md §2: managers must not restart on 78; that of Windows does on any code but 0."""
    told = windows_service.reported(code)

    assert told.is_restarted is restarts
    assert told == (windows_service.Reported(1066, code) if restarts else windows_service.Reported(0, 0))


@pytest.mark.parametrize("python", [r"C:\Program Files\Botyard\python.exe", r"C:\py\python.exe"])
def test_an_image_path_begins_with_the_whole_program_in_quotes(python: str) -> None:
    """Else Windows tries the path up to its first blank; the rest is split as programs do it."""
    one = spec(System.WINDOWS, Mode.SERVICE, python=python, user=r"PC 1\ada")
    path = json.loads(windows_service.files(replace(one, home=r"C:\a b"))[0].text)["image_path"]

    assert path == f'"{python}" -I -m agent.service.host_windows --home "C:\\a b" --user "PC 1\\ada"'


@pytest.mark.parametrize(("system", "mode"), list(HOMES))
def test_every_step_is_known_everywhere(system: System, mode: Mode) -> None:
    one = spec(system, mode)
    lines = [MANAGERS[system, mode].commands(verb, one) for verb in Verb]

    programs = {command.argv[0] for step in lines for command in step}
    assert all(" " not in program or program == one.python for program in programs)


# --- what systemd says ------------------------------------------------------------------------------------------------


@needs_systemd
@pytest.mark.parametrize("mode", list(Mode))
@pytest.mark.parametrize("is_odd", [False, True])
def test_systemd_takes_the_unit(tmp_path: Path, mode: Mode, is_odd: bool) -> None:
    """Packaging.md §9.1: unknown keys and bad values exit with 0, so that only an empty stderr is an answer."""
    assert ANALYZE is not None
    python = tmp_path / ("a b%$x" if is_odd else "plain") / "python"
    python.parent.mkdir()
    python.write_text("#!/bin/sh\n")
    python.chmod(0o755)
    one = spec(mode=mode, python=str(python), user="daemon", home=ODD if is_odd else HOMES[System.LINUX, mode])
    unit = tmp_path / "botyard-agent.service"
    unit.write_text(systemd.files(one)[0].text)

    words = [ANALYZE, *(["--user"] if mode is Mode.SESSION else []), "verify", str(unit)]
    environment = {"XDG_RUNTIME_DIR": str(tmp_path), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(words, capture_output=True, text=True, check=False, env=environment)

    assert (done.returncode, done.stderr) == (0, "")


@needs_systemd
def test_the_exposure_of_the_service_is_low(tmp_path: Path) -> None:
    """Packaging.md §9.1: 3.6 of 10, with what bots and browsers need left open."""
    assert ANALYZE is not None
    unit = tmp_path / "botyard-agent.service"
    unit.write_text(systemd.files(spec())[0].text)
    words = [ANALYZE, "security", "--offline=true", "--threshold=36", str(unit)]

    done = subprocess.run(words, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout[-200:] + done.stderr
