"""Windows, service mode: the daemon stands in session 0, which has no desktop, and starts shims in the robot's session.

    sessions.py        which session, and what is said of the desktop without one: pure
    calls_windows.py   sessions, tokens, processes, rights: the calls, nothing else
    pipes_windows.py   a process in another session, and the pipe to it: no handle can be inherited there
    shims_windows.py   `agent/shims_port.py` for this daemon      eye.py   looks from inside the session
    desktop.py         `agent/desktops/port.py` for this daemon

Nobody is asked for a password: a logged-on user's token is the system's to take.
"""
