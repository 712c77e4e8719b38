"""A program that another of ours started ends with it, however that ends: a killed `up` leaves no hub alone.

The starter holds the other end of the program's standard input, and nobody else does; its end is the starter's end.
"""

import os
import signal
import threading

_STDIN = 0
ENDS_WITH_STARTER = "BOTYARD_ENDS_WITH_STARTER"
"""The variable that says so to a program; it takes it out of its environment, so that no child of its own obeys."""


def end_with_starter() -> None:
    """Be asked to stop, as by a service manager, when the starter has ended; does nothing where none said so."""
    if os.environ.pop(ENDS_WITH_STARTER, ""):
        threading.Thread(target=_wait, name="starter", daemon=True).start()


def _wait() -> None:
    try:
        while os.read(_STDIN, 4096):
            pass
    except OSError:
        return
    signal.raise_signal(signal.SIGTERM)
