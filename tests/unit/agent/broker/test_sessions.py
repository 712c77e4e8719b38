"""Which session the bots of a service of Windows get, and what is said of the desktop without one."""

import pytest

from agent.broker.sessions import Connection, Session, choose, facts_without_screen, is_of


def session(
    number: int, user: str = "robot", connection: Connection = Connection.ACTIVE, domain: str = "PC-1"
) -> Session:
    return Session(number=number, user=user, domain=domain, connection=connection)


SERVICES = session(0, "SYSTEM")
LOGON = session(1, "", Connection.OTHER)


@pytest.mark.parametrize(
    ("sessions", "number"),
    [
        ([SERVICES, LOGON], None),
        ([SERVICES, session(1, "ada")], None),
        ([SERVICES, LOGON, session(2)], 2),
        ([session(2, connection=Connection.DISCONNECTED), session(5)], 5),
        ([session(2), session(5, connection=Connection.DISCONNECTED)], 2),
        ([session(2, connection=Connection.DISCONNECTED), session(3, connection=Connection.DISCONNECTED)], 3),
        ([session(2, connection=Connection.OTHER)], None),
        ([session(0)], None),
    ],
)
def test_the_robots_active_session_then_one_that_goes_on(sessions: list[Session], number: int | None) -> None:
    """Nobody else's, never the services', and none that is only beginning or ending."""
    found = choose(sessions, "robot")

    assert number == (found and found.number)


@pytest.mark.parametrize("said", ["robot", "Robot", r"pc-1\robot", r".\ROBOT", "robot@PC-1", "robot@pc-1.example.com"])
def test_a_user_is_known_however_it_is_written(said: str) -> None:
    assert is_of(session(1), said)


@pytest.mark.parametrize("said", [r"PC-2\robot", "robot@pc-2", "robo", "", "ada"])
def test_another_user_is_another(said: str) -> None:
    assert not is_of(session(1), said)
    assert not is_of(LOGON, said)


def test_without_a_screen_the_desktop_is_disconnected() -> None:
    """DISCONNECTED: "The session goes on without a screen: a remote desktop was closed, nobody is logged on."."""
    nobody = facts_without_screen(None, "robot")
    closed = facts_without_screen(session(3, connection=Connection.DISCONNECTED), "robot")

    assert nobody is not None
    assert closed is not None
    assert (nobody.is_disconnected, nobody.no_size) == (True, "nobody is logged on")
    assert "log the robot's user on" in nobody.remedy
    assert (closed.is_disconnected, closed.name) == (True, "session 3")
    assert facts_without_screen(session(3), "robot") is None
