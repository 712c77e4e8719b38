"""Whether a Linux session is locked or has lost its screen: logind, and the screen saver of its desktop."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from agent.desktops.bus import Question, Value, ask_bus, property_of, session_bus, system_bus

_LOGIND = "org.freedesktop.login1"
_SESSION = "org.freedesktop.login1.Session"
_SAVER = Question(
    destination="org.freedesktop.ScreenSaver",
    path="/org/freedesktop/ScreenSaver",
    interface="org.freedesktop.ScreenSaver",
    member="GetActive",
)
_PROPERTIES = ("LockedHint", "State", "Active", "Type")

_WITH_SCREEN = frozenset({"x11", "wayland"})

AskBus = Callable[[str, Sequence[Question]], Awaitable[list[Value] | None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionFacts:
    """One session; None is "nobody tells"."""

    is_locked: bool | None = None
    no_lock: str = ""
    """Why that is not known."""
    is_disconnected: bool | None = None


def session_path(session: str) -> str:
    """The object of a session; ``auto`` is that of whoever asks, or its user's own (systemd 243)."""
    if not session:
        return "/org/freedesktop/login1/session/auto"
    letters = (
        one if one.isascii() and (one.isalpha() or (one.isdigit() and place)) else f"_{ord(one):02x}"
        for place, one in enumerate(session)
    )
    return "/org/freedesktop/login1/session/" + "".join(letters)


async def look_at_session(environment: Mapping[str, str], ask: AskBus = ask_bus) -> SessionFacts:
    """What is known of the session that the environment names."""
    path = session_path(environment.get("XDG_SESSION_ID", ""))
    told = await ask(system_bus(environment), [property_of(_LOGIND, path, _SESSION, name) for name in _PROPERTIES])
    locked, state, is_active, kind = told or (None, None, None, None)
    saver = session_bus(environment)
    saved = (await ask(saver, [_SAVER]) if saver else None) or [None]
    is_saved = saved[0] is True
    if told is None:
        return SessionFacts(is_locked=is_saved or None, no_lock="" if is_saved else "logind is not reached here")
    if locked is None:
        no_lock = "" if is_saved else "this is no session of logind, which would know"
        return SessionFacts(is_locked=is_saved or None, no_lock=no_lock)
    is_shown = is_active is not False and state in {"active", None}
    # A session of another type, as ssh makes one, has no screen to lose, and says nothing of the desktop.
    return SessionFacts(
        is_locked=locked is True or is_saved, is_disconnected=not is_shown if kind in _WITH_SCREEN else None
    )
