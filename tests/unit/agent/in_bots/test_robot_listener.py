"""Progress of a Robot Framework run: told over loopback, never in the robot's way (bot-packages.md §5)."""

import importlib.util
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from agent.builds.launch import ROBOT_LISTENER
from tests.support.waiting import eventually


class Gateway:
    """What a bot's own API hears."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, str, Any]] = []
        heard = self.heard

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                heard.append((self.path, self.headers["Authorization"], body))
                self.send_response(202)
                self.end_headers()

            def log_message(self, *words: object) -> None:
                del words

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/v1"


@pytest.fixture
def gateway(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gateway]:
    """A loopback server in a thread; a proxy that the environment names must not be asked."""
    gateway = Gateway()
    thread = threading.Thread(target=gateway.server.serve_forever)
    thread.start()
    monkeypatch.setenv("BOTYARD_API_URL", gateway.url)
    monkeypatch.setenv("BOTYARD_API_TOKEN", "t0ken")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    yield gateway
    gateway.server.shutdown()
    thread.join()
    gateway.server.server_close()


@pytest.fixture
def listener() -> ModuleType:
    """The listener as Robot Framework loads it: by its path, fresh."""
    spec = importlib.util.spec_from_file_location("robot_listener", ROBOT_LISTENER)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def task(name: str) -> SimpleNamespace:
    """A suite or a task."""
    return SimpleNamespace(name=name, test_count=2)


def test_a_run_tells_how_far_it_is(listener: ModuleType, gateway: Gateway) -> None:
    """Newer words may take the place of older ones; the last always goes out, here at the end of the run."""
    listener.LEAST_PAUSE_S = 0.01  # type: ignore[attr-defined]
    listener.start_suite(task("Invoices"), None)
    listener.start_suite(task("A suite below"), None)
    for name, status in (("One", "PASS"), ("Two", "FAIL")):
        listener.start_test(task(name), None)
        listener.end_test(task(name), SimpleNamespace(status=status))
    listener.close()

    said = [(body["percent"], body["text"]) for _, _, body in gateway.heard]
    assert (100.0, "2 of 2, 1 failed: Two") == said[-1]
    assert sorted(said) == said
    assert {("/v1/progress", "Bearer t0ken")} == {(path, token) for path, token, _ in gateway.heard}


async def test_the_newest_is_told_while_a_task_takes_long(listener: ModuleType, gateway: Gateway) -> None:
    """What came too soon after the last is not lost: it is told as soon as it may be."""
    listener.LEAST_PAUSE_S = 0.2  # type: ignore[attr-defined]
    listener.start_suite(task("Invoices"), None)
    listener.start_test(task("One"), None)
    listener.end_test(task("One"), SimpleNamespace(status="PASS"))
    listener.start_test(task("Two"), None)

    await eventually(lambda: gateway.heard and gateway.heard[-1][2] == {"percent": 50.0, "text": "1 of 2: Two"})
    assert 2 >= len(gateway.heard)
    listener.close()


def test_its_own_errors_never_reach_the_robot(
    listener: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nobody listens, the variables are missing, Robot Framework hands over something new."""
    monkeypatch.setenv("BOTYARD_API_TOKEN", "t")
    for url in ("http://127.0.0.1:9/v1", "nonsense", ""):
        monkeypatch.setenv("BOTYARD_API_URL", url)
        listener.start_suite(task("Invoices"), None)
        listener.end_test(task("One"), SimpleNamespace(status="PASS"))
    listener.start_suite(None, None)
    listener.start_test(object(), None)
    listener.end_test(None, None)
    listener.close()

    assert ("", "") == capsys.readouterr()


def test_it_needs_the_standard_library_alone() -> None:
    """It is loaded by the bot's Python, which knows nothing of ours."""
    for file in sorted(Path(ROBOT_LISTENER).parent.glob("*.py")):
        code = f"import runpy; runpy.run_path({str(file)!r}, run_name='loaded')"
        done = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=False)
        assert (0, "") == (done.returncode, done.stderr)
