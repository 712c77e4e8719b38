"""One line that says why a bot failed, out of the end of its stderr (`design.md` §1: the message of a task)."""

import re

ERROR_LINE_MAX = 300
_TELLS = re.compile(r"error|exception|fatal|fail|panic|denied|not found|no such|cannot|can't", re.IGNORECASE)


def error_line(text: str) -> str:
    """The last line that begins at the margin and names an error, else the last one; empty where there is none.

    Python and shells end with it; Node and Java write where it came from behind it, and indent that.
    """
    lines = [line.rstrip() for line in text.splitlines() if line.strip()]
    telling = [line for line in lines if not line[0].isspace() and _TELLS.search(line)]
    found = (telling or lines or [""])[-1].strip()
    return found if len(found) <= ERROR_LINE_MAX else found[: ERROR_LINE_MAX - 1] + "…"
