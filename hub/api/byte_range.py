"""`Range: bytes=` of a download: which bytes, and with which status they are answered."""

import re

from hub.api.problem import Refused

_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})\Z")


def byte_range(header: str | None, length: int) -> tuple[int, int, int]:
    """(start, end, status) of what is asked for. A header that is no single byte range asks for everything.

    Raises Refused (416) for a range behind the end.
    """
    found = _RANGE.match(header or "")
    if found is None or found.group() == "bytes=-":
        return 0, length, 200
    first, last = found.groups()
    start, end = int(first or 0), min(int(last) + 1 if last else length, length)
    if not first:
        start, end = max(0, length - int(last)), length
    if start >= length or start >= end:
        refused = Refused(416, "range", f"There are {length} bytes.")
        refused.headers["Content-Range"] = f"bytes */{length}"
        raise refused
    return start, end, 206
