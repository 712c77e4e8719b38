"""The script for macOS with a played Mac around it: what it installs, and that nobody else's program gets in."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[3] / "packaging/macos/install.sh"
PLAYED = {
    "uname": "echo Darwin",
    "id": "echo 501",
    "python3.13": """[ "$2" = venv ] || exit 0
mkdir -p "$3/bin"
for one in python3 botyard-agent; do
  printf '#!/bin/sh\\necho "%s $*" >>"%s"\\n' "$one" "$HOME/log" >"$3/bin/$one"
  chmod +x "$3/bin/$one"
done""",
}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with the script, its locks, a token, and the commands of a Mac."""
    (tmp_path / "bin").mkdir()
    for name, body in PLAYED.items():
        command = tmp_path / "bin" / name
        command.write_text(f"#!/bin/sh\n{body}\n")
        command.chmod(0o755)
    (tmp_path / "requirements").mkdir()
    (tmp_path / "requirements/agent.txt").touch()
    (tmp_path / "token").touch()
    shutil.copy(SCRIPT, tmp_path)
    return tmp_path


def run(place: Path) -> "subprocess.CompletedProcess[str]":
    environment = {"PATH": f"{place / 'bin'}:{os.environ['PATH']}", "HOME": str(place)}
    words = ["sh", str(place / SCRIPT.name), "https://hub.example", str(place / "token")]
    return subprocess.run(words, env=environment, capture_output=True, text=True, check=False)


def test_without_our_wheel_nothing_is_installed(place: Path) -> None:
    """What an index calls botyard is not ours."""
    done = run(place)
    assert (1, True) == (done.returncode, "no wheel of Botyard lies in" in done.stderr)
    assert not (place / "Library").exists()


def test_the_wheel_beside_it_and_everything_else_by_its_hash(place: Path) -> None:
    (place / "botyard-1.0-py3-none-any.whl").touch()
    done = run(place)
    assert (0, "") == (done.returncode, done.stderr)
    installed = [line for line in (place / "log").read_text().splitlines() if " pip install " in line]
    locked, own = installed
    assert "--require-hashes" in locked
    assert ["agent.txt", "uv.txt", "desktop.txt"] == [Path(word).name for word in locked.split() if ".txt" in word]
    assert "--no-index --no-deps" in own
    assert own.endswith("/botyard-1.0-py3-none-any.whl")
