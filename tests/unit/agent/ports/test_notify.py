"""`sd_notify`, against a datagram socket as systemd has one."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.ports.notify import Notifier, from_environment, message


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[socket.socket, str]]:
    """The manager's end, and NOTIFY_SOCKET."""
    path = str(tmp_path / "n")
    is_path = request.param == "path"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
        end.bind(path if is_path else f"\0{path}")
        end.settimeout(20)
        yield end, path if is_path else f"@{path}"


def test_a_message_arrives(manager: tuple[socket.socket, str]) -> None:
    end, address = manager
    environment = {"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "900000", "WATCHDOG_PID": "7", "PATH": "/bin"}

    notifier = from_environment(environment, 7)
    notifier.send(READY="1", STATUS="linked")

    assert end.recv(4096) == b"READY=1\nSTATUS=linked"
    assert (notifier.is_heard, notifier.watchdog_s) == (True, 0.9)
    assert environment == {"PATH": "/bin"}, "no child may speak in our name"


@pytest.mark.parametrize(
    ("usec", "pid", "seconds"),
    [("", "", None), ("0", "", None), ("x", "", None), ("3000000", "", 3.0), ("3000000", "8", None)],
)
def test_the_watchdog_is_ours_or_none(usec: str, pid: str, seconds: float | None) -> None:
    environment = {"NOTIFY_SOCKET": "/run/n", "WATCHDOG_USEC": usec, "WATCHDOG_PID": pid}

    assert from_environment(environment, 7).watchdog_s == seconds


@pytest.mark.parametrize("address", ["", "relative", "vsock:2:1"])
def test_without_a_manager_nothing_is_sent(address: str) -> None:
    notifier = from_environment({"NOTIFY_SOCKET": address}, 7)
    notifier.send(READY="1")

    assert not notifier.is_heard


def test_a_manager_that_is_gone_or_full_disturbs_nobody(tmp_path: Path) -> None:
    """No message waits, none raises."""
    path = str(tmp_path / "n")
    Notifier(path, None).send(WATCHDOG="1")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
        end.bind(path)
        for _ in range(5000):
            Notifier(path, None).send(WATCHDOG="1")


def test_a_value_forges_no_field() -> None:
    """The hub's words are in the status."""
    assert message({"STATUS": "no\nMAINPID=1\n"}) == b"STATUS=no MAINPID=1"
    assert len(message({"STATUS": "x" * 9999})) < 400
