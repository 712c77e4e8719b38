"""What logind tells of a session, asked over a real message bus."""

import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from agent.desktops.bus import Question, Value, session_bus, socket_of, system_bus
from agent.desktops.logind import SessionFacts, look_at_session, session_path
from tests.support.fake_logind import fake_logind

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Linux's own")


async def test_lock_and_loss_of_the_screen_are_told(tmp_path: Path) -> None:
    async with fake_logind(tmp_path) as logind:
        environment = {"DBUS_SYSTEM_BUS_ADDRESS": logind.address, "XDG_SESSION_ID": logind.session}
        assert await look_at_session(environment) == SessionFacts(is_locked=False, is_disconnected=False)
        logind.properties["LockedHint"] = True
        assert await look_at_session(environment) == SessionFacts(is_locked=True, is_disconnected=False)
        logind.properties |= {"LockedHint": False, "State": "online", "Active": False}
        assert await look_at_session(environment) == SessionFacts(is_locked=False, is_disconnected=True)
        logind.properties |= {"Type": "tty", "State": "closing"}
        by_ssh = await look_at_session(environment)
        assert by_ssh == SessionFacts(is_locked=False), "it never had a screen: whose desktop that is it does not know"
        other = await look_at_session(environment | {"XDG_SESSION_ID": "8"})
        assert (other.is_locked, other.is_disconnected, bool(other.no_lock)) == (None, None, True)


async def test_no_bus_and_no_session_are_no_faults(tmp_path: Path) -> None:
    """Containers and servers have neither."""
    facts = await look_at_session({"DBUS_SYSTEM_BUS_ADDRESS": f"unix:path={tmp_path}/none"})
    assert facts == SessionFacts(no_lock="logind is not reached here")
    facts = await look_at_session({"DBUS_SYSTEM_BUS_ADDRESS": "tcp:host=localhost"})
    assert facts.is_locked is None


async def test_a_screen_saver_that_is_on_is_a_lock() -> None:
    """Desktops without logind's hint tell by org.freedesktop.ScreenSaver."""

    async def ask(address: str, questions: Sequence[Question]) -> list[Value] | None:
        return [True] if questions[0].member == "GetActive" and address == "unix:path=/run/user/1/bus" else None

    assert (await look_at_session({"XDG_RUNTIME_DIR": "/run/user/1"}, ask)).is_locked is True


def test_addresses_and_paths() -> None:
    assert socket_of("unix:path=/run/a%20bus,guid=1;tcp:host=x") == "/run/a bus"
    assert socket_of("unix:abstract=/tmp/x") == "\0/tmp/x"
    assert (socket_of("tcp:host=x"), session_bus({})) == ("", "")
    assert system_bus({}).startswith("unix:path=/run/dbus/")
    assert session_path("3").endswith("/_33")
    assert session_path("c2").endswith("/c2")
    assert session_path("").endswith("/auto")
