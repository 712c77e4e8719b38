"""What is tried under Wine, in this order; each step says one line of what it saw."""

import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from tests.support.free_ports import free_port
from tests.windows.prefix import Prefix

ROOT = Path(__file__).resolve().parents[2]
HOME = r"C:\ProgramData\Botyard\Agent"
_POSIX = 'assert sys.platform != "win32"'
_JOB = """
import os, sys, time, psutil
from agent.process_windows import Job
job = Job()
grandchild = "import time; time.sleep(600)"
child = f"import subprocess, sys; p = subprocess.Popen([sys.executable, '-c', {grandchild!r}], creationflags=512)"
child += "; print(p.pid, flush=True)"
process = job.start([sys.executable, "-c", child], dict(os.environ), "C:/")
pid = int(process.stdout.readline()); process.wait()
assert psutil.pid_exists(pid) and pid in job.pids(), job.pids()
job.terminate()
until = time.monotonic() + 20
while psutil.pid_exists(pid) and time.monotonic() < until: time.sleep(0.05)
print("gone" if not psutil.pid_exists(pid) else "alive")
"""
_DPAPI = """
import win32crypt
for scope in (0, 4):
    kept = win32crypt.CryptProtectData(b"k" * 32, "", b"e", None, None, scope | 1)
    assert win32crypt.CryptUnprotectData(kept, b"e", None, None, 1)[1] == b"k" * 32 and b"k" * 32 not in kept
print("kept")
"""
_SESSION = """
from agent.broker import calls_windows as calls
from agent.broker.desktop import EYE
from agent.broker.eye import ask_look
from agent.broker.in_session_windows import begin
from agent.broker.sessions import choose
session = choose(calls.sessions(), "wine")
inside = begin(session.number, EYE)
print(ask_look(inside.to).name, inside.is_alive)
inside.close()
"""


def imports(wine: Prefix) -> str:
    """Every module of the agent that Windows has."""
    names = sorted(
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for path in (ROOT / "agent").rglob("*.py")
        if path.stem != "__main__" and "in_bots" not in path.parts and _POSIX not in path.read_text("utf-8")
    )
    script = f"import importlib\nfor name in {names!r}: importlib.import_module(name)\nprint('imported')"
    (wine.folder / "imports.py").write_text(script)
    said = wine.python(str(wine.folder / "imports.py"))
    assert "imported" in said, said
    return f"{len(names)} modules imported"


def job(wine: Prefix) -> str:
    """A job object ends a grandchild in a group of its own."""
    said = _script(wine, "job", _JOB)
    assert "gone" in said, said
    return "a grandchild in its own group was ended"


def dpapi(wine: Prefix) -> str:
    """A secret is kept and given back, for user and machine."""
    said = _script(wine, "dpapi", _DPAPI)
    assert "kept" in said, said
    return "user and machine scope give back what they kept"


def in_session(wine: Prefix) -> str:
    """WTSQueryUserToken, DuplicateTokenEx, CreateEnvironmentBlock, CreateProcessAsUser, the meeting, a look inside."""
    said = _script(wine, "session", _SESSION)
    assert "session 1 True" in said, said
    return "a program was started in the session, came, and looked: session 1"


def service(wine: Prefix) -> str:
    """From enrolment to a finished task, with a real hub; then stop, twice-installed, uninstall."""
    data, port = wine.folder / "hub", free_port()
    url = f"http://127.0.0.1:{port}"
    words = [sys.executable, "-m", "hub.cli"]
    with (wine.folder / "hub.log").open("wb") as log:
        hub = subprocess.Popen([*words, "hub", "serve", "--data", data, "--port", str(port)], cwd=ROOT, stderr=log)
    try:
        _wait_for_hub(url)
        env = {"BOTYARD_URL": url, "BOTYARD_TOKEN": (data / "admin-token").read_text().strip(), "PATH": "/usr/bin:/bin"}

        def botyard(*said: str) -> str:
            done = subprocess.run([*words, *said], cwd=ROOT, env=env, capture_output=True, timeout=180, check=False)
            return done.stdout.decode() + done.stderr.decode()

        assert "this machine has no such user" in wine.agent(
            "service", "install", "--mode", "service", "--user", "nobody-here", code=2
        )
        wine.agent("service", "install", "--mode", "service", "--user", "wine")
        token = wine.folder / "token"
        token.write_text(json.loads(botyard("runner", "token", "--json"))["token"])
        token.chmod(0o644)
        wine.agent("enroll", url, "--token", str(token), "--name", "pc-1", "--home", HOME)
        wine.agent("service", "install", "--mode", "service", "--user", "wine")
        again = wine.agent("service", "install", "--mode", "service", "--user", "wine")
        assert "is as it should be" in again, again
        wine.wait_for("linked", "service", "status")
        botyard("deploy", "samples/plain", "--bot", "plain")
        ran = botyard("run", "plain", "--follow", "-p", "pace=0")
        assert "succeeded" in ran, ran
        wine.agent("service", "stop")
        assert "not running" in wine.agent("service", "status", code=3)
        wine.agent("service", "uninstall", "--purge", within_s=180)
        wine.agent("service", "status", code=5)
        assert not (wine.drive / "ProgramData/Botyard").exists()
        return "installed twice, started, ran a bot, stopped, purged: " + ran.strip().splitlines()[-1]
    finally:
        hub.terminate()
        hub.wait()


def _wait_for_hub(url: str) -> None:
    until = time.monotonic() + 120
    while time.monotonic() < until:
        with suppress(OSError), urllib.request.urlopen(f"{url}/readyz") as answer:
            if answer.status == 200:
                return
        time.sleep(0.2)
    raise AssertionError("the hub did not come up")


def _script(wine: Prefix, name: str, text: str) -> str:
    path = wine.folder / f"{name}.py"
    path.write_text(text)
    return wine.python(str(path))


STEPS: dict[str, Callable[[Prefix], str]] = {
    "modules": imports,
    "job object": job,
    "DPAPI": dpapi,
    "a program in a session": in_session,
    "service and a bot": service,
}
