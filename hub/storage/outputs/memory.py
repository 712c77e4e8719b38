"""Giving memory back after a large output: glibc keeps what was freed, and a hub would look for days as it did once."""

import ctypes
import sys

if sys.platform == "linux":
    # Not there in other C libraries, which give it back by themselves.
    _trim = getattr(ctypes.CDLL(None), "malloc_trim", None)

    def give_back() -> None:
        """Return free memory to the system; takes some milliseconds, so not on the event loop."""
        if _trim is not None:
            _trim(0)

else:

    def give_back() -> None:
        """Do nothing: this platform's allocator sees to it."""
