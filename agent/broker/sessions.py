"""Which session the bots of a service of Windows get: pure, over what Windows tells of its sessions."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from agent.desktops.facts import DesktopFacts

REMEDY_LOGON = "log the robot's user on, or set Windows to do it at each start"
_SERVICES = 0


class Connection(StrEnum):
    """How a session is connected (WTS_CONNECTSTATE_CLASS, as far as it matters)."""

    ACTIVE = "active"
    """Somebody's screen shows it."""
    DISCONNECTED = "disconnected"
    """It goes on, and no screen shows it: a remote desktop was closed, or the user was switched."""
    OTHER = "other"
    """A logon screen, a listener, a session that is ending."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One session of the machine."""

    number: int
    user: str
    """Empty where nobody is logged on in it."""
    domain: str
    connection: Connection


def choose(sessions: Iterable[Session], user: str) -> Session | None:
    """The session of the robot's user: the active one, else the newest disconnected one; None: nobody is logged on.

    A disconnected session has no screen that a bot could see, but background bots run in it.
    """
    own = [one for one in sessions if one.number != _SERVICES and is_of(one, user)]
    usable = [one for one in own if one.connection is not Connection.OTHER]
    return min(usable, key=lambda one: (one.connection is not Connection.ACTIVE, -one.number), default=None)


def is_of(session: Session, user: str) -> bool:
    r"""Whether a session is this user's: ``NAME``, ``DOMAIN\NAME``, ``.\NAME`` or ``NAME@DOMAIN``, in any case."""
    domain, _, name = user.replace("/", "\\").rpartition("\\")
    if not domain and "@" in name:
        name, _, domain = name.partition("@")
    if session.user.casefold() != name.casefold() or not session.user:
        return False
    known = session.domain.casefold()
    # A domain's short name is the first part of its long one.
    return domain in {"", "."} or domain.casefold() == known or domain.casefold().partition(".")[0] == known


def facts_without_screen(session: Session | None, user: str) -> DesktopFacts | None:
    """What is known of the desktop before anybody looks at it; None: a screen shows it, look."""
    if session is None:
        return DesktopFacts(
            kind="windows",
            name=f"session of {user}",
            is_disconnected=True,
            no_size="nobody is logged on",
            remedy=REMEDY_LOGON,
        )
    if session.connection is Connection.DISCONNECTED:
        return DesktopFacts(
            kind="windows", name=f"session {session.number}", is_disconnected=True, no_size="no screen shows it"
        )
    return None
