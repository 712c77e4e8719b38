"""Small files that decide something carry a checksum: a bit that flips on the disk must not become another outcome.

    {"version": 1, "kind": "started", …}
    crc32 5f3a0c11

How a file is written settles what a crash may leave of it (`agent/ports/files.py`); this is for what disks do later.
"""

import zlib

_MARK = b"crc32 "


class DamagedError(ValueError):
    """The bytes are not those that were written."""


def seal(line: bytes) -> bytes:
    """One line of text with its checksum on the next; blanks and newlines at its end are dropped."""
    line = line.rstrip()
    return b"%s\n%s%08x\n" % (line, _MARK, zlib.crc32(line))


def unseal(data: bytes) -> bytes:
    """The line of a sealed file; blanks behind the checksum are allowed. Raises DamagedError."""
    line, _, mark = data.rstrip(b" \n").rpartition(b"\n")
    if mark != b"%s%08x" % (_MARK, zlib.crc32(line)):
        raise DamagedError("its checksum does not fit")
    return line
