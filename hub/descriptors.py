"""Room for connections: each runner, call and follower takes a file descriptor, and the usual soft limit is 1024."""

import sys

WANTED = 65_536


def make_room() -> None:
    """Raise this process's own limit to `WANTED`, or to what the system allows; R49 asks for 10,000 runners."""
    if sys.platform == "win32":
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = WANTED if hard == resource.RLIM_INFINITY else min(hard, WANTED)
    if soft == resource.RLIM_INFINITY or soft >= allowed:
        return
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    except (ValueError, OSError):
        return  # as many as before: a system may allow less than it says
